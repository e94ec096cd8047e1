"""Evidence that times and rates mean something: the load was offered, and the machine let everybody run.

A generator that falls behind offers less load than planned; a target that hangs must not be excused by
that. So the load is judged by what the schedule wanted and when it was sent, and an operation that waited
because the target already held as many as the generator may have in flight counts as offered.
"""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from harness.checks import CannotSay, Seen
from harness.clock import NS_PER_MS
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Phase, Stall

# The heartbeat writes a line each second even when all is well; twice that is silence.
SILENCE_MS_MAX = 2_000.0


def _span(history: History, phase: Phase) -> Span:
    span = history.phase(phase)
    if span is None:
        raise CannotSay(f"the phase {phase.value} was not run to its end")
    return span


@dataclass(frozen=True, kw_only=True)
class LoadReached:
    """The generator offered the load it was asked for, at the times it was asked to.

    Attributes:
        operation: Which operation, or "" for all.
        rate_per_s: The planned rate, constant over the phase or its mean.
        share: How much of the planned operations must have been offered.
        lateness_p99_ms_max: How late the generator itself may be.
        in_flight_max: How many operations the generator may have in flight; 0 if it has no limit. What
            is late while that many are unanswered is the target's doing.
    """

    phase: Phase
    rate_per_s: float
    operation: str = ""
    share: float = 0.9
    lateness_p99_ms_max: float = 100.0
    in_flight_max: int = 0
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a load that is always reached."""
        if self.rate_per_s <= 0 or not 0 < self.share <= 1:
            raise ConfigError(
                f"rate_per_s must be above 0 and share in (0, 1], got {self.rate_per_s} and {self.share}: "
                "no load at all would be enough. Give the rate of the schedule and 0.9."
            )

    def seen(self, history: History) -> Seen:
        """Count what was offered; the generator's lateness and the target's slowness are told apart."""
        span = _span(history, self.phase)
        everything = history.operations
        named = pl.lit(True) if not self.operation else pl.col("name") == self.operation
        planned = everything.filter(
            named & pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
        )
        wanted = self.rate_per_s * span.seconds
        if planned.is_empty():
            return Seen(ok=False, sentence=f"no load in {self.phase.value}, wanted {wanted:.0f} operations")
        late_ms = (pl.col("sent_ns") - pl.col("intended_ns")) / NS_PER_MS
        held_back = self._held_back(planned, everything)
        own = planned.filter(~held_back).select(late_ms.alias("late_ms"))["late_ms"]
        own_p99_ms = 0.0 if own.is_empty() else float(own.quantile(0.99, "higher") or 0.0)
        enough = planned.height >= self.share * wanted
        on_time = own_p99_ms <= self.lateness_p99_ms_max
        answered = planned.select(
            ((pl.col("done_ns") - pl.col("sent_ns")) / NS_PER_MS).quantile(0.99, "higher")
        ).item()
        slowness = "and answered none" if answered is None else f"its answers took {answered:.0f} ms (p99)"
        return Seen(
            ok=enough and on_time,
            sentence=(
                f"{planned.height} of {wanted:.0f} operations offered in {self.phase.value} (wanted "
                f"{self.share:.0%}), the generator's own lateness p99 {own_p99_ms:.1f} ms (may be "
                f"{self.lateness_p99_ms_max:g}); the target held back {held_back.sum()}, {slowness}"
            ),
        )

    def _held_back(self, planned: pl.DataFrame, everything: pl.DataFrame) -> pl.Series:
        """Which operations found the generator's last place taken when they were meant to leave."""
        if not self.in_flight_max:
            return pl.repeat(False, planned.height, dtype=pl.Boolean, eager=True)
        sent, done = everything["sent_ns"].sort(), everything["done_ns"].drop_nulls().sort()
        at_ns = planned["intended_ns"]
        in_flight = sent.search_sorted(at_ns, "left").cast(pl.Int64) - done.search_sorted(
            at_ns, "right"
        ).cast(pl.Int64)
        return in_flight >= self.in_flight_max


@dataclass(frozen=True, kw_only=True)
class MachineCalm:
    """The machine let everybody run: the heartbeat was never later than this, and never silent.

    Attributes:
        phases: The phases whose times the claim is about.
        max_stall_ms: The longest stall that the claim's figures can bear.
    """

    phases: tuple[Phase, ...]
    max_stall_ms: float
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a machine that is always calm."""
        if not self.phases or self.max_stall_ms <= 0:
            raise ConfigError(
                f"phases must be named and max_stall_ms above 0, got {self.phases} and {self.max_stall_ms}: "
                "without them every machine, or none, is calm."
            )

    def seen(self, history: History) -> Seen:
        """The longest stall within the phases; a stretch without a heartbeat proves nothing."""
        longest_ms = 0.0
        for phase in self.phases:
            span = _span(history, phase)
            silent_ms = _longest_silence_ms(history.machine, span)
            if silent_ms > SILENCE_MS_MAX:
                raise CannotSay(f"nobody watched the machine for {silent_ms / 1e3:.1f} s of {phase.value}")
            stalls = (stall.late_ms for stall in history.machine if _overlaps(stall, span))
            longest_ms = max(longest_ms, *stalls, 0.0)
        return Seen(
            ok=longest_ms <= self.max_stall_ms,
            sentence=(
                f"the machine stalled for at most {longest_ms:.1f} ms in "
                f"{', '.join(phase.value for phase in self.phases)} (may be {self.max_stall_ms:g} ms)"
            ),
        )


def _overlaps(stall: Stall, span: Span) -> bool:
    return stall.at_ns >= span.start_ns and stall.at_ns - stall.late_ms * NS_PER_MS < span.end_ns


def _longest_silence_ms(beats: tuple[Stall, ...], span: Span) -> float:
    """The longest stretch of the span that no heartbeat accounts for, neither as calm nor as a stall."""
    watched_until_ns = span.start_ns
    longest_ns = 0
    for beat in beats:
        began_ns = min(beat.at_ns - round(beat.late_ms * NS_PER_MS), span.end_ns)
        longest_ns = max(longest_ns, began_ns - watched_until_ns)
        watched_until_ns = max(watched_until_ns, beat.at_ns)
    return max(longest_ns, span.end_ns - watched_until_ns) / NS_PER_MS
