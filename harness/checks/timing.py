"""Evidence that times and rates mean something: the load was offered, and the machine let everybody run.

A generator that falls behind offers less load than planned; a target that hangs must not be excused by
that. The generator never waits for an answer before it sends, so whatever leaves late is late by its own
fault, however slow the target is; and what it could not send at all it owned up to in the recording.
"""

from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import polars as pl

from harness.checks import CannotSay, Seen
from harness.clock import NS_PER_MS
from harness.errors import ConfigError
from harness.load.operations import NOT_SENT
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.readings import Observation
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


@dataclass(frozen=True, kw_only=True)
class MachineUncrowded:
    """The machine's processors were not used up by somebody else.

    Only a full machine slows anybody down, and only foreign work excuses: a target that spins fills it by itself.

    Attributes:
        phases: The phases whose times the claim is about.
        busy_max: Up to this share of all processor time in use, nobody waits for a turn.
        foreign_max: The share of all processor time that others may use even then.
        reading: Of `harness.probes.machine_cpu.MachineCpu`, taken at the beginning of each phase.
        excuses_only: For a claim with a bound on one side, which a crowded machine can only make harder to keep: if it
            held all the same, it counts. A comparison of two phases needs both to have been uncrowded.
    """

    phases: tuple[Phase, ...]
    excuses_only: bool = False
    busy_max: float = 0.85
    foreign_max: float = 0.2
    reading: str = "machine_cpu"
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a machine that is never crowded."""
        if not self.phases or not 0 < self.busy_max < 1 or not 0 < self.foreign_max < 1:
            raise ConfigError(
                f"phases must be named, busy_max and foreign_max be between 0 and 1, got {self.phases}, "
                f"{self.busy_max} and {self.foreign_max}: no machine would be crowded. Try 0.85 and 0.2."
            )

    def seen(self, history: History) -> Seen:
        """The phase in which others used the most."""
        shares = {phase: self._shares(history, _span(history, phase)) for phase in self.phases}
        crowded = [phase for phase, (busy, foreign) in shares.items() if self._is_crowded(busy, foreign)]
        worst = max(crowded or self.phases, key=lambda phase: shares[phase][1])
        busy, foreign = shares[worst]
        return Seen(
            ok=not crowded,
            sentence=(
                f"in {worst.value} {busy:.0%} of the machine's processor time was used, {foreign:.0%} of it by others "
                f"(of a machine more than {self.busy_max:.0%} used, others may have {self.foreign_max:.0%})"
            ),
        )

    def _is_crowded(self, busy: float, foreign: float) -> bool:
        return busy > self.busy_max and foreign > self.foreign_max

    def _shares(self, history: History, span: Span) -> tuple[float, float]:
        """What was used, and used by others, as shares of all there was."""
        values = [
            seen.value for at_ns in (span.start_ns, span.end_ns) if (seen := self._from(history, at_ns))
        ]
        if len(values) < 2 or values[1]["all_s"] <= values[0]["all_s"]:
            raise CannotSay(
                f"no two readings of {self.reading!r} around a phase: others may have used the machine up"
            )
        all_s, busy_s, ours_s = (values[1][name] - values[0][name] for name in ("all_s", "busy_s", "ours_s"))
        return busy_s / all_s, max(0.0, busy_s - ours_s) / all_s

    def _from(self, history: History, at_ns: int) -> Observation | None:
        return next((seen for seen in history.readings(self.reading) if seen.at_ns >= at_ns), None)


@dataclass(frozen=True, kw_only=True)
class KeptUp:
    """Before anything was hurt the target kept up with its load: its unfinished work did not pile up.

    A machine that is too small for the load is seen by no heartbeat, which needs next to nothing: every process gets
    its turn, and the work takes longer than it may. What such a target is late with cannot be blamed on a fault.

    Attributes:
        reading: One row for each piece of unfinished work.
        rows_max: The median of its readings in steady may be this: far more than are on their way in a target that
            keeps up, far less than what piles up in one that does not.
    """

    reading: str
    rows_max: int
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a bound that no target keeps."""
        if self.rows_max < 1:
            raise ConfigError(
                f"rows_max must be at least 1, got {self.rows_max}: work that is on its way would count as piled up. "
                "Try the load of two seconds."
            )

    def seen(self, history: History) -> Seen:
        """The median of the readings in steady, and the most."""
        span = _span(history, Phase.STEADY)
        counts = [len(reading.value) for reading in history.readings(self.reading, span)]
        if not counts:
            raise CannotSay(
                f"no reading of {self.reading!r} in steady: nobody knows whether the target kept up"
            )
        usual = median(counts)
        return Seen(
            ok=usual <= self.rows_max,
            sentence=(
                f"{usual:g} rows of {self.reading!r} in steady (median of {len(counts)} readings, at most "
                f"{max(counts)}; may be {self.rows_max})"
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
