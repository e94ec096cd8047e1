"""Narrators for terminals and logs.

On a terminal one line at the bottom moves and the rest scrolls; anywhere else (CI, a pipe) every line is final
and a line of figures comes every few seconds. Colours follow NO_COLOR and FORCE_COLOR, through Rich.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.status import Status

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from harness.narration import Glance
from harness.recording.records import Finding, Verdict

STYLES = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow"}
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
PLAIN_GLANCE_EVERY_S = 5.0


def describe(glance: Glance) -> str:
    """A glance as one line of text."""
    parts = [f"{glance.phase:<8}", f"{glance.elapsed_s:5.0f} s of ≤ {glance.total_s:.0f}"]
    parts.append(
        f"{glance.rate_per_s:.0f}/s · {glance.ok} ok · {glance.rejected} rejected · {glance.unknown} unknown"
    )
    parts += [f"{name} {value:g}" for name, value in glance.gauges]
    if glance.faults:
        parts.append(f"FAULT {', '.join(glance.faults)}")
    return " │ ".join(parts)


class ConsoleNarrator:
    """Tells a drill on a Rich console."""

    def __init__(self, console: Console, clock: Clock = SYSTEM_CLOCK) -> None:
        self.console = console
        self._clock = clock
        self._status: Status | None = None
        self._last_plain_ns = 0
        self._began_ns = clock.now_ns()

    def step(self, sentence: str) -> None:
        """Print a line with the seconds since the start."""
        at_s = (self._clock.now_ns() - self._began_ns) / NS_PER_S
        self.console.print(f"[dim]{at_s:6.1f} s[/dim]  {escape(sentence)}", highlight=False, soft_wrap=True)

    def glance(self, glance: Glance) -> None:
        """Move the bottom line, or print one every few seconds where there is none."""
        text = escape(describe(glance))
        if self.console.is_terminal:
            if self._status is None:
                self._status = self.console.status(text)
                self._status.start()
            self._status.update(text)
        elif self._clock.now_ns() - self._last_plain_ns >= PLAIN_GLANCE_EVERY_S * NS_PER_S:
            self._last_plain_ns = self._clock.now_ns()
            self.step(describe(glance))

    def quiet(self) -> None:
        """Take the moving line away, before something else is printed or the program ends."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def judged(
        self, scenario: str, verdict: Verdict, findings: Sequence[Finding], run_dir: Path, replay: str
    ) -> None:
        """Print the verdict with every claim, its reason and what it rests on."""
        self.quiet()
        style = STYLES[verdict]
        self.console.print(f"\n[{style}]{verdict}[/]  [bold]{escape(scenario)}[/]", highlight=False)
        for finding in findings:
            self._print_finding(finding)
        self.console.print(f"  [dim]recorded[/] {escape(str(run_dir))}", highlight=False, soft_wrap=True)
        self.console.print(
            f"  [dim]judge[/]    drill judge {escape(str(run_dir))}", highlight=False, soft_wrap=True
        )
        self.console.print(f"  [dim]replay[/]   {escape(replay)}\n", highlight=False, soft_wrap=True)

    def _print_finding(self, finding: Finding) -> None:
        style = STYLES[finding.verdict]
        mark = MARKS[finding.verdict]
        self.console.print(f"  [{style}]{mark}[/] {escape(finding.sentence)}", highlight=False)
        self._indented("; ".join(filter(None, (finding.because, finding.precision))))
        if finding.verdict is not Verdict.PASS:
            for sentence in finding.evidence:
                self._indented(f"rests on: {sentence}")
            if finding.examples:
                self._indented(f"look at: {', '.join(finding.examples[:5])}")

    def _indented(self, text: str) -> None:
        self.console.print(Padding(escape(text), (0, 0, 0, 6)), style="dim", highlight=False)
