"""Evidence that the load was the one that was planned, and that the target could bear it before it was hurt.

A generator that falls behind offers less load than planned; a target that hangs must not be excused by that. The
generator never waits for an answer before it sends, so whatever leaves late is late by its own fault, however slow the
target is; and what it could not send at all it owned up to in the recording. Several kinds of evidence, because their
absence means several things: too little load makes a claim easy, a late generator makes the target look slow, and a
target that was overrun before the fault cannot blame it.
"""

from dataclasses import dataclass
from statistics import median
from typing import ClassVar

import polars as pl

from harness.checks import CannotSay, Missing, Seen
from harness.checks.moments import intended_in, last_part, was_sent, whole_phase
from harness.checks.planned import planned_phases, planned_rate_per_s, planned_seconds
from harness.clock import NS_PER_MS
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Phase


def _refuse_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise ConfigError(f"{name} must be in (0, 1], got {share}: no load at all would be enough. Try 0.9.")


@dataclass(frozen=True, kw_only=True)
class LoadReached:
    """The generator offered the load it was asked for, within the phase it was meant for.

    Attributes:
        operation: Which operation, or "" for all.
        rate_per_s: The planned rate, constant over the phase or its mean.
        share: How much of the planned operations must have been offered.
        length_min: How much of its planned length the phase must have had: healing that takes long comes off the phase
            after it, and a phase of an instant would be full of its load.

    One operation that the generator could not send (its own `in_flight_max`, files, ports) is one too many:
    it is recorded as rejected, and a share of answers would blame the target for it.
    """

    phase: Phase
    rate_per_s: float
    operation: str = ""
    share: float = 0.9
    length_min: float = 0.5
    if_missing: Missing = Missing.BOTH
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a load that is always reached."""
        if self.rate_per_s <= 0:
            raise ConfigError(
                f"rate_per_s must be above 0, got {self.rate_per_s}: no load at all would be enough. Give the rate of "
                "the schedule."
            )
        _refuse_share("share", self.share)
        _refuse_share("length_min", self.length_min)

    def seen(self, history: History) -> Seen:
        """Count what was offered."""
        span = whole_phase(history, self.phase)
        planned_s = planned_seconds(history, self.phase)
        if span.seconds < self.length_min * planned_s:
            told = f"{self.phase.value} lasted {span.seconds:.1f} of {planned_s:g} s (wanted {self.length_min:.0%})"
            return Seen(ok=False, sentence=told)
        planned = intended_in(history, self.operation, span)
        wanted = self.rate_per_s * span.seconds
        if planned.is_empty():
            return Seen(ok=False, sentence=f"no load in {self.phase.value}, wanted {wanted:.0f} operations")
        not_sent = planned.filter(~was_sent()).height
        # What left after the phase was load of another one, whenever it was meant to leave.
        sent = planned.filter(was_sent() & (pl.col("sent_ns") < span.end_ns)).height
        return Seen(
            ok=sent >= self.share * wanted and not not_sent,
            sentence=(
                f"{sent} of {wanted:.0f} operations offered in {self.phase.value} (wanted {self.share:.0%}), "
                f"{not_sent} could not be sent (may be 0)"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class UnderLoad:
    """Load was offered in each phase that had some planned. Whatever is claimed, without load it holds for nothing.

    Attributes:
        share: How much of what was planned for the phase must have been sent. Claims about rates ask for nearly all
            (`LoadReached`); a promise that must never be broken was on trial with less.
    """

    share: float = 0.5
    if_missing: ClassVar[Missing] = Missing.VOIDS
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a load that is always there."""
        _refuse_share("share", self.share)

    def seen(self, history: History) -> Seen:
        """The phase with the smallest share of its load."""
        phases = planned_phases(history)
        if not phases:
            raise CannotSay("the run had no phase planned that is judged under load")
        shares = {phase: self._share(history, phase) for phase in phases}
        least = min(phases, key=lambda phase: shares[phase])
        return Seen(
            ok=shares[least] >= self.share,
            sentence=f"{shares[least]:.0%} of the planned load was sent in {least.value} (wanted {self.share:.0%})",
        )

    def _share(self, history: History, phase: Phase) -> float:
        span = whole_phase(history, phase)
        sent = intended_in(history, "", span).filter(was_sent() & (pl.col("sent_ns") < span.end_ns))
        return sent.height / (planned_rate_per_s(history, phase) * planned_seconds(history, phase))


@dataclass(frozen=True, kw_only=True)
class GeneratorOnTime:
    """What the generator sent, it sent when it was meant to.

    Attributes:
        operation: Which operation, or "" for all.
        lateness_p99_ms_max: How late the generator itself may be in any of the phases.
        last_share: Only this last part of each phase matters.
    """

    phases: tuple[Phase, ...]
    operation: str = ""
    lateness_p99_ms_max: float = 100.0
    last_share: float = 1.0
    if_missing: Missing = Missing.BOTH
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a generator that is always on time."""
        if not self.phases or self.lateness_p99_ms_max <= 0:
            raise ConfigError(
                f"phases must be named and lateness_p99_ms_max above 0, got {self.phases} and "
                f"{self.lateness_p99_ms_max}: every generator, or none, would be on time. Try 100."
            )

    def seen(self, history: History) -> Seen:
        """Its worst phase; the generator's lateness and the target's slowness are told apart."""
        told: list[tuple[float, str]] = []
        for phase in self.phases:
            span = last_part(history, phase, self.last_share)
            sent = intended_in(history, self.operation, span).filter(was_sent())
            late_ms = _p99_ms(sent, "intended_ns", "sent_ns")
            if late_ms is None:
                raise CannotSay(
                    f"nothing was sent in {phase.value}: nobody knows whether it would have been late"
                )
            slow_ms = _p99_ms(sent, "sent_ns", "done_ns")
            answers = "none" if slow_ms is None else f"within {slow_ms:.0f} ms (p99)"
            sentence = (
                f"the generator's own lateness p99 {late_ms:.1f} ms in {phase.value} (may be "
                f"{self.lateness_p99_ms_max:g} ms); the target answered {answers}"
            )
            told.append((late_ms, sentence))
        late_ms, sentence = max(told)
        return Seen(ok=late_ms <= self.lateness_p99_ms_max, sentence=sentence)


def _p99_ms(operations: pl.DataFrame, from_column: str, to_column: str) -> float | None:
    """The 99th percentile of a stretch of time, None if no operation has both its ends."""
    took_ms = operations.select((pl.col(to_column) - pl.col(from_column)) / NS_PER_MS).to_series()
    found = took_ms.quantile(0.99, "higher")
    return None if found is None else float(found)


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
    if_missing: Missing = Missing.BOTH
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
        span = whole_phase(history, Phase.STEADY)
        values = [reading.value for reading in history.readings(self.reading, span)]
        if strange := [value for value in values if not isinstance(value, list)]:
            raise CannotSay(f"{self.reading!r} is no list of rows in steady: {str(strange[0])[:40]!r}")
        counts = [len(value) for value in values]
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
