"""JUnit XML for CI servers: a claim is a test case, a FAIL is a failure, an INCONCLUSIVE is an error.

pytest's own JUnit file cannot say this: there, whatever is raised in a test is a failure. A run that cannot
be read or was never judged is an error as well, because a CI server shows a missing suite as nothing at all.

An INCONCLUSIVE run that was held again has a suite of its own, in which the claims that said nothing are skipped: as
errors they would hold back a deployment that the second run let through, and left out they would hide how often that
happens.

A scenario that left no recording is told of too: skipped if it skipped itself, an error if it could not be held.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.errors import RecordingError
from harness.recording.records import Finding, PhaseStarted, RunInfo, Stream, Verdict
from harness.recording.rundir import read_findings, read_records, read_run, superseded, write_atomically
from reports.pairing import unpaired

_NONE: Mapping[str, str] = MappingProxyType({})
_SESSION = "drill"  # the suite of what happened to no scenario in particular
_HELD_AGAIN = " (held again)"
# What XML 1.0 cannot hold in any notation (https://www.w3.org/TR/xml/#charsets); log lines do hold it.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    skipped: Mapping[str, str] = _NONE,
    troubles: Mapping[str, str] = _NONE,
) -> None:
    """Write one file with a suite for each run, and for each scenario that was skipped or met with trouble.

    Args:
        run_dirs: The recordings.
        out: The file.
        skipped: Scenarios that did not want to be held, each with its reason.
        troubles: What went wrong, by the scenario it happened to; "" for the session as a whole.

    Raises:
        RecordingError: `out` cannot be written.
    """
    root = Element("testsuites", name="drillbook")
    repeated = superseded(run_dirs)
    for run_dir in run_dirs:
        root.append(_suite(run_dir, held_again=run_dir in repeated))
    for scenario, reason in skipped.items():
        suite = SubElement(root, "testsuite", name=_text(scenario))
        case = SubElement(suite, "testcase", classname=_text(scenario), name="the scenario was held")
        SubElement(case, "skipped", message=_text(reason))
        _counted(suite)
    for scenario, told in troubles.items():
        name = scenario or _SESSION
        suite = SubElement(root, "testsuite", name=_text(name))
        _trouble(suite, name, "nothing went wrong", told)
        _counted(suite)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    write_atomically(out, tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _suite(run_dir: Path, *, held_again: bool) -> Element:
    try:
        run = read_run(run_dir)
        findings = read_findings(run_dir)
    except RecordingError as error:
        suite = Element("testsuite", name=_text(run_dir.name))
        _trouble(suite, run_dir.name, "the recording can be read", str(error))
        return _counted(suite)
    name = _text(f"{run.scenario}{_HELD_AGAIN if held_again else ''}")
    suite = Element("testsuite", name=name)
    suite.set(
        "timestamp", datetime.fromtimestamp(run.anchor_wall_ns / 1e9, UTC).isoformat(timespec="seconds")
    )
    suite.set("time", f"{_seconds(run_dir):.3f}")
    _properties(suite, run)
    for finding in findings:
        _case(suite, run, finding, held_again=held_again)
    for told in unpaired(run, findings):
        _trouble(suite, run.scenario, "each claim has its finding", told)
    if not findings:
        _trouble(
            suite, run.scenario, "the run was judged", f"{run_dir} holds no findings: nothing was concluded"
        )
    return _counted(suite)


def _properties(suite: Element, run: RunInfo) -> None:
    properties = SubElement(suite, "properties")
    told = {
        "run": run.run_id,
        "title": run.title,
        "seed": str(run.seed),
        "profile": run.profile,
        "runtime": run.runtime,
        "target": run.target,
        "variants": " ".join(run.variants),
        "revision": run.revision,
        "ended": run.ended or "cut off",
        "replay": run.replay,
        **{f"version.{name}": version for name, version in sorted(run.versions.items())},
    }
    for name, value in told.items():
        SubElement(properties, "property", name=_text(name), value=_text(value))


def _case(suite: Element, run: RunInfo, finding: Finding, *, held_again: bool) -> None:
    # A class of its own too: CI servers tell cases apart by class and name only.
    case = SubElement(suite, "testcase", classname=suite.get("name", ""), name=_text(finding.claim))
    told = [finding.sentence, f"source: {finding.source}", f"{finding.verdict}: {finding.because}"]
    told += [f"precision: {finding.precision}"] if finding.precision else []
    told += [f"evidence: {sentence}" for sentence in finding.evidence]
    told += [f"examples: {', '.join(finding.examples)}"] if finding.examples else []
    told.append(f"replay: {run.replay}")
    text = _text("\n".join(told))
    match finding.verdict:
        case Verdict.FAIL:
            SubElement(case, "failure", message=_text(finding.because), type="FAIL").text = text
        case Verdict.INCONCLUSIVE if held_again:
            SubElement(case, "skipped", message=_text(f"held again: {finding.because}"))
            SubElement(case, "system-out").text = text
        case Verdict.INCONCLUSIVE:
            SubElement(case, "error", message=_text(finding.because), type="INCONCLUSIVE").text = text
        case Verdict.PASS:
            SubElement(case, "system-out").text = text


def _trouble(suite: Element, scenario: str, name: str, message: str) -> None:
    case = SubElement(suite, "testcase", classname=_text(scenario), name=name)
    SubElement(case, "error", message=_text(message), type="INCONCLUSIVE")


def _counted(suite: Element) -> Element:
    for count, path in (
        ("tests", "testcase"),
        ("failures", "testcase/failure"),
        ("errors", "testcase/error"),
        ("skipped", "testcase/skipped"),
    ):
        suite.set(count, str(len(suite.findall(path))))
    return suite


def _seconds(run_dir: Path) -> float:
    starts, _ = read_records(run_dir, Stream.PHASES, PhaseStarted)
    times = [start.at_ns for start in starts]
    return (max(times) - min(times)) / 1e9 if times else 0.0


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
