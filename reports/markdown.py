"""A summary for a pull request: a table of the scenarios, and what did not hold with the reason and the replay line.

Whoever reviews a change reads this first, in a place that renders Markdown and perhaps HTML. So what a target wrote can
neither become markup nor push everything else off the page. What holds is a row; what does not is told in full.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordingError
from harness.recording.history import History
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_findings, worst, write_atomically
from harness.recording.session_standing import SessionStanding, told_together
from reports.standing import MARKS, Standing, standing_of
from reports.text import counted, plain

EXAMPLES_MAX = 5
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@:$-])")
_FENCE = re.compile("`+")


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run: its row of the table and, if not all is well, its section."""

    verdict: Verdict
    superseded: bool
    row: str
    section: tuple[str, ...] = ()


def write(run_dirs: Sequence[Path], out: Path, *, sessions: Sequence[SessionStanding] = ()) -> None:
    """Write one file about all runs, and about what there is no recording of.

    Args:
        run_dirs: The recordings.
        out: The file.
        sessions: What each session counts for that these are all of; none for a run by itself.

    Raises:
        RecordingError: `out` cannot be written.
    """
    runs = [_run(run_dir) for run_dir in run_dirs]
    skipped, troubles = told_together(sessions)
    counting = [run.verdict for run in runs if not run.superseded]
    verdict = worst([*(counting or [Verdict.INCONCLUSIVE]), *(session.verdict for session in sessions)])
    passed = sum(found is Verdict.PASS for found in counting)
    lines = [f"# {MARKS[verdict]} {verdict}: {passed} of {counted(len(counting), 'scenario')} passed", ""]
    if runs:
        lines += ["| verdict | scenario | claims | |", "|---|---|---|---|", *(run.row for run in runs), ""]
    for scenario, told in troubles.items():
        lines += [f"- **Not held**: {_text(scenario) or 'the session'}: {_text(told, 2000)}"]
    lines += [f"- Skipped: {_text(name)}: {_text(reason)}" for name, reason in skipped.items()]
    left_out = dict.fromkeys(name for session in sessions for name in session.left_out)
    lines += [f"- Left out by -k or a conftest.py: {', '.join(map(_text, left_out))}"] if left_out else []
    for run in runs:
        lines += ["", *run.section] if run.section else []
    write_atomically(out, "\n".join(lines).rstrip().encode(errors="replace") + b"\n")


def _run(run_dir: Path) -> _Run:
    try:
        history, findings = History.load(run_dir), read_findings(run_dir)
    except RecordingError as error:
        told = _text(str(error).replace(str(run_dir), run_dir.name), 1000)
        mark = MARKS[Verdict.INCONCLUSIVE]
        return _Run(
            verdict=Verdict.INCONCLUSIVE,
            superseded=False,
            row=f"| {mark} INCONCLUSIVE | {_text(run_dir.name)} | | {told} |",
        )
    standing = standing_of(history, findings)
    holds = sum(finding.verdict is Verdict.PASS for finding in findings)
    counts = f"{holds} of {len(findings)} hold" if findings else "not judged"
    also = [f"with {_text(name)}" for name in history.run.variants]
    also += ["held again: another run counts"] if standing.superseded else []
    head = f"{MARKS[standing.verdict]} {standing.verdict}"
    return _Run(
        verdict=standing.verdict,
        superseded=standing.superseded,
        row=f"| {head} | {_text(history.run.scenario)} | {counts} | {', '.join(also)} |",
        section=() if standing.superseded else tuple(_section(history, findings, standing)),
    )


def _section(history: History, findings: Sequence[Finding], standing: Standing) -> list[str]:
    """What did not hold, or speaks against the recording. Nothing where all is well."""
    told = [f"- Against the recording speaks: {_text(warning)}" for warning in standing.warnings]
    for finding in sorted(findings, key=lambda found: -found.verdict.badness):
        if finding.verdict is not Verdict.PASS:
            told += ["", *_claim(finding)]
    if not told:
        return []
    head = f"## {MARKS[standing.verdict]} {standing.verdict} {_text(history.run.scenario)}"
    return [head, "", _text(history.run.title, 1000), "", *told, "", f"Replay: {_code(history.run.replay)}"]


def _claim(finding: Finding) -> list[str]:
    told = [
        f"### {MARKS[finding.verdict]} {finding.verdict} {_text(finding.claim)}",
        "",
        f"{_text(finding.sentence)} (*{_text(finding.source)}*)",
        "",
        f"- **{_text(finding.because)}**",
        *(f"- {_text(sentence)}" for sentence in finding.evidence),
    ]
    examples = ", ".join(_text(example) for example in finding.examples[:EXAMPLES_MAX])
    more = ", …" if len(finding.examples) > EXAMPLES_MAX else ""
    return [*told, f"- look at: {examples}{more}"] if examples else told


def _text(text: str, length_max: int = 500) -> str:
    return _MARKUP.sub(r"\\\1", plain(text, length_max))


def _code(text: str) -> str:
    """Text that is shown as it is, whatever ticks are in it."""
    shown = plain(text, 1000)
    ticks = "`" * (1 + max((len(found) for found in _FENCE.findall(shown)), default=0))
    return f"{ticks} {shown} {ticks}" if len(ticks) > 1 else f"`{shown}`"
