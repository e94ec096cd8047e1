"""Evidence that times and rates mean something: the load was offered, and the machine let everybody run.

A generator that falls behind offers less load than planned; a target that hangs must not be excused by
that. The generator never waits for an answer before it sends, so whatever leaves late is late by its own
fault, however slow the target is; and what it could not send at all it owned up to in the recording.
"""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from harness.checks import CannotSay, Seen
from harness.clock import NS_PER_MS
from harness.errors import ConfigError
from harness.load.operations import NOT_SENT
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

    One operation that the generator could not send (its own `in_flight_max`, files, ports) is one too many:
    it is recorded as rejected, and a share of answers would blame the target for it.
    """

    phase: Phase
    rate_per_s: float
    operation: str = ""
    share: float = 0.9
    lateness_p99_ms_max: float = 100.0
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
        named = pl.lit(True) if not self.operation else pl.col("name") == self.operation
        planned = history.operations.filter(
            named & pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
        )
        wanted = self.rate_per_s * span.seconds
        if planned.is_empty():
            return Seen(ok=False, sentence=f"no load in {self.phase.value}, wanted {wanted:.0f} operations")
        sent = planned.filter(~pl.col("error").cast(pl.String).str.starts_with(NOT_SENT))
        not_sent = planned.height - sent.height
        late_ms = _p99_ms(sent, "intended_ns", "sent_ns")
        slow_ms = _p99_ms(sent, "sent_ns", "done_ns")
        enough = sent.height >= self.share * wanted
        on_time = late_ms is not None and late_ms <= self.lateness_p99_ms_max
        lateness = "unknown" if late_ms is None else f"p99 {late_ms:.1f} ms"
        answers = "none" if slow_ms is None else f"within {slow_ms:.0f} ms (p99)"
        return Seen(
            ok=enough and on_time and not not_sent,
            sentence=(
                f"{sent.height} of {wanted:.0f} operations offered in {self.phase.value} (wanted "
                f"{self.share:.0%}), {not_sent} could not be sent (may be 0), the generator's own lateness "
                f"{lateness} (may be {self.lateness_p99_ms_max:g} ms); the target answered {answers}"
            ),
        )


def _p99_ms(operations: pl.DataFrame, from_column: str, to_column: str) -> float | None:
    """The 99th percentile of a stretch of time, None if no operation has both its ends."""
    took_ms = operations.select((pl.col(to_column) - pl.col(from_column)) / NS_PER_MS).to_series()
    found = took_ms.quantile(0.99, "higher")
    return None if found is None else float(found)


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
