"""Markdown for a pull request: what was concluded about each run, with what did not hold spelled out.

A pull request is read by people who held no drill, so the verdict comes first and claims that hold are only counted.
Whatever a target wrote is shown as text: it must neither become markup nor push everything else off the page.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from harness.errors import RecordingError
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_findings, read_run, superseded, worst, write_atomically

TEXT_CHARS_MAX = 500
_NONE: Mapping[str, str] = MappingProxyType({})
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@:-])")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def write(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    skipped: Mapping[str, str] = _NONE,
    troubles: Mapping[str, str] = _NONE,
) -> None:
    """Write one file with a section for each run, and for what there is no recording of.

    Args:
        run_dirs: The recordings.
        out: The file.
        skipped: Scenarios that did not want to be held, each with its reason.
        troubles: What went wrong, by the scenario it happened to; "" for the session as a whole.

    Raises:
        RecordingError: `out` cannot be written.
    """
    repeated = superseded(run_dirs)
    told = [_section(run_dir, held_again=run_dir in repeated) for run_dir in run_dirs]
    verdicts = [
        verdict for run_dir, (verdict, _) in zip(run_dirs, told, strict=True) if run_dir not in repeated
    ]
    lines = [f"# {worst([*verdicts, *(Verdict.INCONCLUSIVE for _ in troubles)])}", ""]
    for _, section in told:
        lines += [*section, ""]
    lines += [f"- Skipped {_text(name)}: {_text(reason)}" for name, reason in skipped.items()]
    lines += [
        f"- Not held {_text(name) or 'session'}: {_text(trouble)}" for name, trouble in troubles.items()
    ]
    write_atomically(out, "\n".join(lines).rstrip().encode() + b"\n")


def _section(run_dir: Path, *, held_again: bool) -> tuple[Verdict, list[str]]:
    try:
        run, findings = read_run(run_dir), read_findings(run_dir)
    except RecordingError as error:
        return Verdict.INCONCLUSIVE, [f"## INCONCLUSIVE {_text(run_dir.name)}", "", _text(str(error))]
    verdict = worst(finding.verdict for finding in findings)
    again = ", held again: another run counts" if held_again else ""
    holds = sum(finding.verdict is Verdict.PASS for finding in findings)
    counted = f"{holds} of {len(findings)} claims hold." if findings else "The run was not judged."
    section = [f"## {verdict} {_text(run.scenario)}{again}", "", _text(run.title), "", counted]
    for finding in findings:
        if finding.verdict is not Verdict.PASS:
            section += ["", *_claim(finding)]
    return verdict, [*section, "", f"Replay: {_text(run.replay)}"]


def _claim(finding: Finding) -> list[str]:
    told = [f"### {finding.verdict} {_text(finding.claim)}", "", _text(finding.sentence), ""]
    told += [f"- {_text(finding.because)}", *(f"- {_text(sentence)}" for sentence in finding.evidence)]
    examples = ", ".join(_text(example) for example in finding.examples[:5])
    return [*told, f"- examples: {examples}"] if examples else told


def _text(text: str) -> str:
    shown = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text[:TEXT_CHARS_MAX])
    cut = f" … ({len(text)} characters)" if len(text) > TEXT_CHARS_MAX else ""
    return _MARKUP.sub(r"\\\1", shown) + cut
