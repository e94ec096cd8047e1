"""Narrators for terminals and logs.

On a terminal one line at the bottom moves and the rest scrolls; anywhere else (CI, a pipe) every line is final
and a line of figures comes every few seconds. Colours follow NO_COLOR and FORCE_COLOR, through Rich; whether a line
may move is decided by the file itself, since FORCE_COLOR is set by CI systems whose logs cannot take a line back.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from harness.listening import WhoeverListens
from harness.narration import Glance
from harness.recording.records import Finding, Verdict

if TYPE_CHECKING:
    from rich.status import Status

STYLES = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow"}
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
PLAIN_GLANCE_EVERY_S = 5.0
COLUMNS_MAX = 110  # longer lines are not read, whatever the terminal's width
COLUMNS_MIN = 20  # of text, however narrow the terminal is
EXAMPLES_MAX = 5
_SPINNER_COLUMNS = 3  # the spinner, a space, and one column free, or some terminals wrap
_BETWEEN = " │ "
_LABEL_COLUMNS = 9


def describe(glance: Glance, columns: int | None = None) -> str:
    """A glance as one line of text.

    Args:
        glance: What is seen.
        columns: What the line has room for. What matters least is left out first: the target's gauges, then the
            outcomes; a fault that is active stays to the last.
    """
    parts = [f"{glance.phase:<8} {glance.elapsed_s:3.0f} of ≤ {glance.total_s:.0f} s"]
    parts += [f"FAULT {', '.join(glance.faults)}"] if glance.faults else []
    parts.append(
        f"{glance.rate_per_s:.0f}/s · {glance.ok} ok · {glance.rejected} rejected · {glance.unknown} unknown"
    )
    parts += [f"{name} {value:g}" for name, value in glance.gauges]
    if columns is None:
        return _BETWEEN.join(parts)
    while len(parts) > 2 and cell_len(_BETWEEN.join(parts)) > columns:
        parts.pop()
    line = _BETWEEN.join(parts)
    return line if cell_len(line) <= columns else f"{set_cell_size(line, max(0, columns - 1)).rstrip()}…"


def terminal(file: IO[str] | None = None) -> Console:
    """A console on a file, or on standard error. Where nothing says how wide it is, lines are as long as one reads."""
    stream = file or sys.stderr
    unknown = not stream.isatty() and not os.environ.get("COLUMNS")
    heard = cast("IO[str]", WhoeverListens(stream))
    return Console(file=heard, highlight=False, width=COLUMNS_MAX if unknown else None)


def can_move(console: Console) -> bool:
    """Whether a line of this console can be taken back."""
    return console.is_interactive and console.file.isatty()


def say(console: Console, told: str | Text, *, indent: int = 0, hanging: int = 0, style: str = "") -> None:
    """Print a paragraph, wrapped between words and without padding behind them.

    Args:
        console: Where to.
        told: Plain text, or text with styles of its own.
        indent: Columns before its first line.
        hanging: Columns more before every other line.
        style: Of the whole.
    """
    text = told if isinstance(told, Text) else Text(told, style=style)
    columns = max(COLUMNS_MIN, min(console.width, COLUMNS_MAX) - indent)
    before, before_others = Text(" " * indent), Text(" " * (indent + hanging))
    for line in text.split():
        first, rest = _first_line(console, line, columns)
        console.print(before.copy().append_text(first) if first else "", soft_wrap=True)
        for other in rest.wrap(console, max(COLUMNS_MIN, columns - hanging)) if rest else ():
            other.rstrip()
            console.print(before_others.copy().append_text(other), soft_wrap=True)
        before = before_others


def _first_line(console: Console, text: Text, columns: int) -> tuple[Text, Text]:
    """As many whole words as fit, and what is left."""
    first = next(iter(text.wrap(console, columns)), Text())
    first.rstrip()
    left = text.plain[len(first) :]
    return first, text[len(text) - len(left.lstrip()) :] if left.strip() else Text()


def say_whole(console: Console, told: str, *, indent: int = 0, label: str = "", style: str = "") -> None:
    """Print a line that is there to be copied, and so never wrapped."""
    head = f"{label:<{_LABEL_COLUMNS}}" if label else ""
    console.print(Text.assemble(" " * indent, (head, "dim"), (told, style)), soft_wrap=True)


def complain(console: Console, error: str) -> None:
    """Print what went wrong with the drill itself: wrapped for a person, in one piece for what reads logs."""
    told = Text.assemble(("drill:", "bold red"), " ", error)
    if console.file.isatty():
        say(console, told, hanging=2)
    else:
        console.print(told, soft_wrap=True)


class ConsoleNarrator:
    """Tells a drill on a Rich console."""

    def __init__(self, console: Console, clock: Clock = SYSTEM_CLOCK) -> None:
        self.console = console
        self._clock = clock
        self._status: Status | None = None
        self._last_plain_ns = 0
        self._faults: set[str] = set()
        self._began_ns = clock.now_ns()

    def step(self, sentence: str) -> None:
        """Print a line with the seconds since the start."""
        at_s = (self._clock.now_ns() - self._began_ns) / NS_PER_S
        self.console.print(f"[dim]{at_s:6.1f} s[/dim]  {escape(sentence)}", highlight=False, soft_wrap=True)

    def glance(self, glance: Glance) -> None:
        """Move the bottom line, or print one every few seconds where there is none. Faults have lines of their own."""
        before, self._faults = self._faults, set(glance.faults)
        for sentence, titles in (
            ("fault begins", self._faults - before),
            ("fault is over", before - self._faults),
        ):
            for title in sorted(titles):
                self.step(f"{sentence}: {title}")
        if can_move(self.console):
            text = escape(describe(glance, self.console.width - _SPINNER_COLUMNS))
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
        """Print the verdict with every claim, its reason and what it rests on; the worst last, where one looks.

        Claims share much of their evidence: each piece of it is printed with the first claim that it is about.
        """
        self.quiet()
        self._faults = set()
        hold = sum(finding.verdict is Verdict.PASS for finding in findings)
        head = Text.assemble((verdict.value, STYLES[verdict]), "  ", (scenario, "bold"))
        head.append(f"  {hold} of {len(findings)} claims hold", style="dim")
        self.console.print()
        say(self.console, head)
        printed: set[str] = set()
        for finding in sorted(findings, key=lambda found: found.verdict.badness):
            self._print_finding(finding, printed)
        for label, told in (
            ("recorded", str(run_dir)),
            ("judge", f"drill judge {shlex.quote(str(run_dir))}"),
            ("replay", replay),
        ):
            say_whole(self.console, told, indent=2, label=label)
        self.console.print()

    def _print_finding(self, finding: Finding, printed: set[str]) -> None:
        sentence = Text.assemble((MARKS[finding.verdict], STYLES[finding.verdict]), " ", finding.sentence)
        if finding.verdict is Verdict.PASS:
            say(self.console, sentence, indent=2, hanging=2)
            self._detail(finding.because)
            self._detail(finding.precision, "precision: ")
            return
        sentence.append(f" [{finding.claim}]", style="dim")
        say(self.console, sentence, indent=2, hanging=2)
        say(self.console, finding.because, indent=6, style=STYLES[finding.verdict].removeprefix("bold "))
        self._detail(finding.precision, "precision: ")
        for evidence in sorted(finding.evidence, key=_is_there):
            if evidence not in printed:
                self._detail(evidence)
        printed.update(finding.evidence)
        more = ", …" if len(finding.examples) > EXAMPLES_MAX else ""
        self._detail(", ".join(finding.examples[:EXAMPLES_MAX]) + more, "look at: ")

    def _detail(self, told: str, label: str = "") -> None:
        if told:
            say(self.console, f"{label}{told}", indent=6, hanging=2, style="dim")


def _is_there(evidence: str) -> bool:
    """Whether evidence was seen: what is missing is told first."""
    return not evidence.startswith("MISSING")
