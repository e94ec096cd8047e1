"""What `drill` says at the end, to people and to machines.

Report writers are found through the entry-point group `drillbook.reports`, so that the harness knows none of them: a
writer is a function of run directories and an output path, and reads recordings only.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from harness.checks.judging import judge, overall
from harness.console import MARKS, STYLES, ConsoleNarrator
from harness.detection import Detection
from harness.errors import ConfigError, ExitCode
from harness.judgement import EXIT_CODES, Judgement
from harness.recording.history import History
from harness.recording.rundir import write_findings
from harness.sessions import Outcome

REPORTS = "drillbook.reports"
Writer = Callable[[Sequence[Path], Path], None]


def writer(name: str) -> Writer:
    """The report writer of that name.

    Raises:
        ConfigError: None of that name is installed.
    """
    found = {point.name: point for point in entry_points(group=REPORTS)}
    if name not in found:
        raise ConfigError(f"no report writer {name!r} is installed; there are: {', '.join(found) or 'none'}")
    loaded: Writer = found[name].load()
    return loaded


def report(outcome: Outcome, *, junit: Path | None, json: bool) -> dict[str, Any]:
    """Print the end of a session; write what was asked for. Returns what `--json` prints."""
    run_dirs = [judgement.run_dir for judgement in outcome.judgements]
    console = Console(stderr=True)
    _print_errors(console, outcome)
    _print_table(console, outcome)
    if junit is not None:
        writer("junit")(run_dirs, junit)
        console.print(f"JUnit XML: {escape(str(junit))}", highlight=False, soft_wrap=True)
    return {
        "exit_code": int(outcome.code),
        "errors": list(outcome.errors),
        "runs": [as_data(judgement) for judgement in outcome.judgements] if json else [],
    }


def as_data(judgement: Judgement) -> dict[str, Any]:
    """A judgement for machines."""
    return {
        "scenario": judgement.scenario,
        "verdict": judgement.verdict,
        "superseded": judgement.superseded,
        "run_dir": str(judgement.run_dir),
        "replay": judgement.replay,
        "findings": judgement.findings,
    }


def _print_errors(console: Console, outcome: Outcome) -> None:
    for error in outcome.errors:
        console.print(f"[bold red]drill:[/] {escape(error)}", highlight=False, soft_wrap=True)


def _print_table(console: Console, outcome: Outcome) -> None:
    if not outcome.judgements:
        return
    console.print("[bold]Summary[/]")
    for judgement in outcome.judgements:
        style = STYLES[judgement.verdict]
        passed = sum(finding.verdict == "PASS" for finding in judgement.findings)
        again = " (held again below)" if judgement.superseded else ""
        console.print(
            f"  [{style}]{MARKS[judgement.verdict]} {judgement.verdict:<12}[/] {escape(judgement.scenario)}"
            f"  [dim]{passed} of {len(judgement.findings)} claims hold{again}[/]",
            highlight=False,
        )


def judge_again(run_dir: Path) -> Judgement:
    """Judge a recording from disk and put the findings beside it.

    Raises:
        RecordingError: It is not a run directory, or cannot be read.
    """
    history = History.load(run_dir)
    findings = judge(history)
    write_findings(run_dir, findings)
    return Judgement(
        scenario=history.run.scenario,
        verdict=overall(findings),
        findings=findings,
        run_dir=run_dir,
        replay=history.run.replay,
    )


def print_judgement(judgement: Judgement) -> ExitCode:
    """Print one judgement for people; the exit code that belongs to it."""
    narrator = ConsoleNarrator(Console(stderr=True))
    narrator.judged(
        judgement.scenario, judgement.verdict, judgement.findings, judgement.run_dir, judgement.replay
    )
    return EXIT_CODES[judgement.verdict]


def print_detections(detections: Sequence[Detection]) -> None:
    """Print which planted defect was caught by which claim."""
    console = Console(stderr=True)
    console.print("\n[bold]Planted defects[/]")
    for found in detections:
        mark, style = ("✓ caught", "bold green") if found.caught else ("✗ MISSED", "bold red")
        console.print(
            f"  [{style}]{mark}[/]  {found.defect}  [dim]by[/] {found.claim}  [dim]in[/] {escape(found.scenario)}",
            highlight=False,
        )
        console.print(f"            [dim]{escape(found.because)}[/]", highlight=False, soft_wrap=True)
