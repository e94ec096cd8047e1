"""What `drill` says at the end, to people and to machines."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.catalogue import ScenarioInfo
from harness.console import MARKS, STYLES, say, say_whole, terminal
from harness.detection import Detection
from harness.doctor import Diagnosis
from harness.errors import DrillError, ExitCode
from harness.judgement import Trouble, as_data
from harness.outcome import SessionOutcome
from harness.recording.records import Verdict
from harness.report_files import pages_of
from harness.stack.embedded.detached import DetachedStack
from harness.stack.embedded.sources import Source
from harness.surroundings import Health

RESULT_VERSION = 1
_HEALTH_MARKS = {
    Health.FINE: ("✓", "bold green"),
    Health.WARNING: ("!", "bold yellow"),
    Health.PROBLEM: ("✗", "bold red"),
}
_DETECTION_MARKS = {
    ExitCode.PASS: ("✓ CAUGHT      ", "bold green"),
    ExitCode.FAIL: ("✗ MISSED      ", "bold red"),
    ExitCode.INCONCLUSIVE: ("? INCONCLUSIVE", "bold yellow"),
}
_NOT_HELD_MARK = ("? NOT HELD    ", "bold yellow")


def session_data(outcome: SessionOutcome) -> dict[str, Any]:
    """What `drill run --json` prints; `docs/machine-output.md` describes it."""
    return {
        "result_version": RESULT_VERSION,
        "exit_code": int(outcome.code),
        "errors": list(outcome.errors),
        "skipped": [{"scenario": name, "reason": reason} for name, reason in outcome.skipped],
        "not_held": [{"scenario": name, "reason": reason} for name, reason in outcome.not_held],
        "left_out": list(outcome.left_out),
        "interrupted": [str(run_dir) for run_dir in outcome.interrupted],
        "report": str(pages_of(outcome) or ""),
        "runs": [as_data(judgement) for judgement in outcome.judgements],
    }


def refused_data(error: DrillError) -> dict[str, Any]:
    """The same document for a session that was refused before it began."""
    trouble = Trouble(scenario="", told=str(error), code=error.exit_code)
    return session_data(SessionOutcome(code=error.exit_code, troubles=(trouble,)))


def print_summary(console: Console, outcome: SessionOutcome) -> None:
    """Print what became of everything that was selected."""
    if not outcome.judgements and not outcome.skipped:
        return  # what there is to say has been said
    console.print("[bold]Summary[/]")
    for judgement in outcome.judgements:
        passed = sum(finding.verdict is Verdict.PASS for finding in judgement.findings)
        told = f"{passed} of {len(judgement.findings)} claims hold"
        if judgement.superseded:
            told += "; held again, the run below counts"
        _print_row(
            console,
            MARKS[judgement.verdict],
            judgement.verdict,
            judgement.scenario,
            told,
            STYLES[judgement.verdict],
        )
        if judgement.superseded:
            continue
        for doubt in judgement.doubts:
            say(console, f"against the recording speaks: {doubt}", indent=18, style="dim")
        # Once more, for a log's last lines may be all that one is shown.
        for finding in judgement.findings:
            if finding.verdict is not Verdict.PASS:
                say(console, f"{finding.claim}: {finding.because}", indent=18, style="dim")
    for name, reason in outcome.skipped:
        _print_row(console, "-", "SKIPPED", name, reason or "no reason given", "bold yellow")
    for name, _ in outcome.not_held:
        _print_row(console, "!", "NOT HELD", name, "why is said above", "bold yellow")
    if outcome.left_out:
        left_out = f"left out by -k or a conftest.py: {', '.join(outcome.left_out)}"
        say(console, left_out, indent=2, hanging=2, style="dim")


def _print_row(console: Console, mark: str, word: str, name: str, told: str, style: str) -> None:
    row = Text.assemble((f"{mark} {word:<12}", style), "  ", name, "  ", (told, "dim"))
    say(console, row, indent=2, hanging=16)


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """Print what `drill doctor` found."""
    console.print("[bold]Programs[/]")
    for standing in diagnosis.programs:
        health = Health.FINE if standing.usable else Health.PROBLEM
        told = standing.problem or f"{standing.version:<10} {standing.source}"
        _print_look(console, standing.name, health, told, standing.remedy, standing.variable)
        if standing.path:
            say_whole(console, str(standing.path), indent=18, style="dim")
    console.print("[bold]Machine[/]")
    for look in diagnosis.examined:
        _print_look(console, look.name, look.health, look.told, look.remedy)
    worst = "A stack can be started." if diagnosis.can_start else "No stack can be started."
    fetch = any(standing.source is Source.TO_BE_FETCHED for standing in diagnosis.programs)
    if fetch and diagnosis.can_start:
        worst += " What is missing is fetched by the first drill, or now by `drill doctor --fetch`."
    say(console, Text(worst, style="bold green" if diagnosis.can_start else "bold red"))


def _print_look(
    console: Console, name: str, health: Health, told: str, remedy: str, variable: str = ""
) -> None:
    mark, style = _HEALTH_MARKS[health]
    say(console, Text.assemble((mark, style), f" {name:<13} ", told), indent=2, hanging=16)
    if remedy and health is not Health.FINE:
        say(console, f"→ {remedy}", indent=18, hanging=2, style=style)
    if variable and health is Health.PROBLEM and variable not in f"{told}{remedy}":
        say(console, f"→ Or set {variable} to one.", indent=18, hanging=2, style=style)


def print_scenarios(console: Console, scenarios: Sequence[ScenarioInfo]) -> None:
    """Print the catalogue."""
    for info in scenarios:
        say(console, Text.assemble((info.name, "bold"), "  ", (info.guide, "dim")), hanging=2)
        say(console, info.why, indent=4)
        for defect, claim in info.detects:
            say(console, f"catches {defect} by {claim}", indent=4, hanging=2, style="dim")


def print_stack(console: Console, stack: DetachedStack) -> None:
    """Print where a stack that was left running can be reached."""
    head = Text.assemble(
        (stack.run_id, "bold"), f" is up for {stack.lease_s / 60:g} minutes. `drill down` ends it."
    )
    console.print()
    say(console, head)
    for label, told in (("shop", stack.entry), ("toxiproxy", stack.toxiproxy), ("logs", stack.logs)):
        say_whole(console, told, indent=2, label=label)
    for endpoint in stack.endpoints:
        say_whole(console, f"{endpoint.name:<18} {endpoint.address}", indent=2, style="dim")


def print_detections(detections: Sequence[Detection]) -> None:
    """Print which planted defect was caught by which claim."""
    console = terminal()
    console.print("[bold]Planted defects[/]")
    for found in detections:
        mark, style = _DETECTION_MARKS.get(found.code, _NOT_HELD_MARK)
        head = Text.assemble(
            (mark, style), "  ", (found.defect, "bold"), f" by {found.claim} in {found.scenario}"
        )
        say(console, head, indent=2, hanging=16)
        say(console, found.because, indent=18, style="dim")
        if found.run_dir:
            say_whole(console, found.run_dir, indent=18, label="recorded")
