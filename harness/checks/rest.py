"""Whether the target had come to rest, or was given its time to.

Books that are compared with each other agree only while nothing moves between them: an order on its way is charged in
one and not yet paid in the other. Rest is seen and not guessed from a clock: a slow machine, or a recording that broke
off, leaves work on its way for longer than anybody planned.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.checks import CannotSay, Conclusion, Missing, Seen, conclude
from harness.checks.moments import whole_phase
from harness.checks.silence import refuse_silence, stalled_ns
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Phase


@dataclass(frozen=True, kw_only=True)
class AtRest:
    """When the final readings were taken nothing was on its way any more.

    Attributes:
        open_work: Readings of one row for each piece of unfinished work, taken before the other final readings. With
            no load, none of it comes back.
        quiet_s: For how long no client had waited for an answer by then: what no reading shows, such as a request
            between two services, is over after the longest time-out of one.
    """

    open_work: tuple[str, ...]
    quiet_s: float
    if_missing: ClassVar[Missing] = Missing.BOTH
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a rest that is always there."""
        _refuse_nothing(self.open_work, self.quiet_s)

    def seen(self, history: History) -> Seen:
        """Count what was on its way."""
        rows, alone_s = _left_open(history, self.open_work)
        return Seen(
            ok=not rows and alone_s >= self.quiet_s,
            sentence=f"{_told(rows, alone_s)} (wanted none, and {self.quiet_s:g} s)",
        )


@dataclass(frozen=True, kw_only=True)
class HadItsTime:
    """Everything came to rest, or had longer than the target's longest time limit to.

    Attributes:
        open_work: As of `AtRest`.
        quiet_s: As of `AtRest`: what no reading shows must have had its time as well.
        patience_s: The longest that the target's own limits (retry, saga, queue) let a piece of work take.
    """

    open_work: tuple[str, ...]
    quiet_s: float
    patience_s: float
    if_missing: ClassVar[Missing] = Missing.BOTH
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a time that was always had."""
        _refuse_nothing(self.open_work, min(self.quiet_s, self.patience_s))

    def seen(self, history: History) -> Seen:
        """Count what was on its way, and for how long the target had been left alone."""
        rows, alone_s = _left_open(history, self.open_work)
        return Seen(
            ok=alone_s >= (self.patience_s if rows else self.quiet_s),
            sentence=f"{_told(rows, alone_s)} (wanted none and {self.quiet_s:g} s, or {self.patience_s:g} s)",
        )


@dataclass(frozen=True, kw_only=True)
class AllWorkEnds:
    """Nothing that was begun is still on its way at the end, by what the target itself has on its list.

    Attributes:
        open_work: As of `AtRest`.
    """

    open_work: tuple[str, ...]

    def check(self, history: History) -> Conclusion:
        """FAIL names what is left."""
        rows, alone_s = _left_open(history, self.open_work)
        left = _told(rows, alone_s)
        return conclude([str(row) for row in rows], otherwise=left, wrongly=left)


def _left_open(history: History, open_work: tuple[str, ...]) -> tuple[list[Any], float]:
    """The rows that were left, and the seconds from the last answer that a client had to the first such reading.

    Less those for which the machine stood still: nobody could use them.
    """
    rows: list[Any] = []
    looked_ns: list[int] = []
    for reading in open_work:
        line = history.final_line(reading)
        value = history.final_reading(reading)
        if line is None or not isinstance(value, list):
            raise CannotSay(f"no final reading of {reading!r} tells what was still on its way")
        looked_ns.append(line.at_ns)
        rows += [next(iter(row.values()), row) if isinstance(row, dict) else row for row in value]
    ended_ns = whole_phase(history, Phase.CONVERGE).start_ns
    answered_ns = history.operations["done_ns"].max()
    if isinstance(answered_ns, int):
        ended_ns = max(ended_ns, answered_ns)
    alone = Span(ended_ns, max(ended_ns, min(looked_ns)))
    refuse_silence(history.machine, alone, "the machine after the last answer")
    stalled = sum(stalled_ns(stall, alone) for stall in history.machine)
    return rows, (alone.end_ns - alone.start_ns - stalled) / NS_PER_S


def _told(rows: list[Any], alone_s: float) -> str:
    return f"{len(rows)} pieces of work were on their way {alone_s:.1f} s after the last answer to a client"


def _refuse_nothing(open_work: tuple[str, ...], seconds: float) -> None:
    if not open_work or seconds <= 0:
        raise ConfigError(
            f"open_work must name readings and its time be above 0 s, got {open_work} and {seconds}: any target would "
            "be at rest. Name what lists unfinished work, and the longest time-out."
        )
