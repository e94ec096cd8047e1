"""One run as one HTML page that needs nothing else: no network, no script, no file beside it.

It is rendered from the recording alone. A page is only green if the run came to its end, was judged about every claim,
nothing in its recording is damaged and no later run repeats it; otherwise it says why it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import msgspec
import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.errors import RecordingError
from harness.recording.history import History
from harness.recording.records import Finding, Outcome, Verdict
from harness.recording.rundir import read_findings, superseded, worst, write_atomically
from reports.charts import Chart, charts, start_ns
from reports.text import plain

_NONE: Mapping[str, str] = MappingProxyType({})
_ROWS_MAX = 200
_TEMPLATES = Environment(loader=PackageLoader("reports", "."), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True, kw_only=True)
class ClaimShown:
    """A finding as the page shows it; an example with the row that it leads to, or ""."""

    verdict: str
    name: str
    sentence: str
    source: str
    because: str
    precision: str
    evidence: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class OperationShown:
    """An operation's row."""

    anchor: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page says, in its order."""

    verdict: str
    colour: str
    scenario: str
    title: str
    sentence: str
    warnings: tuple[str, ...]
    charts: tuple[Chart, ...]
    claims: tuple[ClaimShown, ...]
    operations_told: str
    operations: tuple[OperationShown, ...]
    facts: tuple[tuple[str, str], ...]


def write(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    skipped: Mapping[str, str] = _NONE,
    troubles: Mapping[str, str] = _NONE,
) -> None:
    """Write the page of one run.

    Args:
        run_dirs: The recording: one.
        out: The file.
        skipped: Not shown: a page is of one run.
        troubles: Not shown either.

    Raises:
        RecordingError: It is not one run, cannot be read, or `out` cannot be written.
    """
    del skipped, troubles
    if len(run_dirs) != 1:
        raise RecordingError(
            f"an HTML page is of one run, got {len(run_dirs)}. Name one of them, or ask for --format markdown."
        )
    write_atomically(out, render(page_of(run_dirs[0])).encode(errors="replace"))


def render(page: Page) -> str:
    """The page as HTML."""
    return _TEMPLATES.get_template("page.html.j2").render(page=page)


def page_of(run_dir: Path) -> Page:
    """What the page of a run says.

    Raises:
        RecordingError: It cannot be read.
    """
    history = History.load(run_dir)
    run = history.run
    findings = read_findings(run_dir)
    warnings = _warnings(history, findings)
    verdict = worst(finding.verdict for finding in findings)
    green = verdict is Verdict.PASS and not warnings
    rows, told = _operations(history, findings)
    anchors = {key: row.anchor for key, row in reversed(rows)}
    return Page(
        verdict=verdict.value if green or verdict is not Verdict.PASS else "PASS in doubt",
        colour=Verdict.INCONCLUSIVE.value if verdict is Verdict.PASS and not green else verdict.value,
        scenario=plain(run.scenario),
        title=plain(run.title),
        sentence=_sentence(history, findings),
        warnings=tuple(plain(text) for text in warnings),
        charts=tuple(charts(history)),
        claims=tuple(_claim(f, anchors) for f in sorted(findings, key=lambda f: -f.verdict.badness)),
        operations_told=told,
        operations=tuple(row for _, row in rows),
        facts=_facts(history),
    )


def _warnings(history: History, findings: Sequence[Finding]) -> list[str]:
    run, found = history.run, list(history.damage)
    if not history.completed:
        found.append(f"the run did not come to its planned end: {run.ended or 'it was cut off'}")
    if not findings:
        found.append("the run was not judged: `drill judge` does that")
    elif len({finding.claim for finding in findings}) < len(run.claims):
        found.append(
            f"{len(findings)} findings for {len(run.claims)} claims: judge it again with `drill judge`"
        )
    run_dir = history.run_dir.resolve()
    beside = [path.parent for path in sorted(run_dir.parent.glob("*/run.json"))]
    if run_dir in superseded(beside):
        found.append("this run was held again; the later one counts")
    return found


def _sentence(history: History, findings: Sequence[Finding]) -> str:
    counts = {v: sum(f.verdict is v for f in findings) for v in Verdict}
    faults = ", ".join(dict.fromkeys(fault.title for fault in history.faults)) or "no fault"
    seen = (
        f"{counts[Verdict.PASS]} of {len(findings)} claims hold, {counts[Verdict.FAIL]} do not, and about "
        f"{counts[Verdict.INCONCLUSIVE]} nothing can be said"
        if findings
        else "nothing was concluded"
    )
    decisive = next(
        (f for v in (Verdict.FAIL, Verdict.INCONCLUSIVE) for f in findings if f.verdict is v), None
    )
    why = f" {decisive.claim}: {decisive.because}." if decisive else ""
    told = f"{history.operations.height} operations were sent under {faults}; {seen}."
    return plain(told + why, 1200)


def _claim(finding: Finding, anchors: Mapping[str, str]) -> ClaimShown:
    return ClaimShown(
        verdict=finding.verdict.value,
        name=plain(finding.claim),
        sentence=plain(finding.sentence),
        source=plain(finding.source),
        because=plain(finding.because, 2000),
        precision=plain(finding.precision),
        evidence=tuple(plain(text, 1000) for text in finding.evidence),
        examples=tuple((plain(text), anchors.get(text, "")) for text in finding.examples),
    )


def _operations(
    history: History, findings: Sequence[Finding]
) -> tuple[list[tuple[str, OperationShown]], str]:
    """The operations that findings name, then the first that were not ok."""
    keys = [key for finding in findings for key in finding.examples]
    frame = history.operations
    named = frame.filter(pl.col("key").is_in(keys)).head(_ROWS_MAX)
    bad = frame.filter((pl.col("outcome") != Outcome.OK.value) & ~pl.col("key").is_in(keys))
    shown = pl.concat([named, bad.head(max(0, _ROWS_MAX - named.height))])
    zero = start_ns(history)

    def at(moment: int | None) -> str:
        return "never" if moment is None else f"{(moment - zero) / 1e9:.3f}"

    rows = [
        (
            row["key"],
            OperationShown(
                anchor=f"op-{row['id']}",
                cells=(
                    plain(row["key"]), plain(row["name"]), row["outcome"], at(row["intended_ns"]), at(row["sent_ns"]),
                    at(row["done_ns"]), plain(row["detail"]), plain(f"{row['status']} {row['error']} {row['result']}"),
                ),
            ),
        )
        for row in shown.iter_rows(named=True)
    ]  # fmt: skip
    return rows, (
        f"{named.height} operations are named by a claim as examples; {bad.height} others were rejected or never "
        f"answered. Shown are {len(rows)} of the {frame.height} that were sent."
    )


def _facts(history: History) -> tuple[tuple[str, str], ...]:
    run = history.run
    try:
        started = datetime.fromtimestamp(run.anchor_wall_ns / 1e9, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        started = f"{run.anchor_wall_ns} ns, which is no date"
    told = {
        "replay": run.replay, "run": run.run_id, "started": started, "ended": run.ended or "cut off",
        "seed": str(run.seed), "profile": run.profile, "runtime": run.runtime, "target": run.target,
        "variants": " ".join(run.variants) or "none", "revision": run.revision or "unknown",
        **{f"version of {name}": text for name, text in sorted(run.versions.items())},
        **{f"setting {name}": msgspec.json.encode(value).decode() for name, value in run.configuration.items()},
    }  # fmt: skip
    return tuple((plain(name), plain(text, 2000)) for name, text in told.items())
