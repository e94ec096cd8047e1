"""Evidence that the machine let everybody run: it did not stall, and nobody else used it up.

A drill shares its machine, and what a full one is late with is nobody's doing. Both are measured by parts of the
harness that need next to nothing themselves.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.checks import CannotSay, Missing, Seen
from harness.checks.moments import last_part
from harness.checks.silence import refuse_silence, stalled_ns
from harness.clock import NS_PER_MS, NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.readings import Observed
from harness.recording.records import Phase, Stall

# A reading that came later than this after a phase began, or ended, is about another stretch of time.
BOUNDARY_NS_MAX = 2 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class MachineCalm:
    """The machine let everybody run: the heartbeat was never later than this, and never silent.

    Attributes:
        phases: The phases whose times the claim is about.
        max_stall_ms: The longest stall that the claim's figures can bear.
        last_share: Only this last part of each phase matters.
    """

    phases: tuple[Phase, ...]
    max_stall_ms: float
    last_share: float = 1.0
    if_missing: Missing = Missing.BOTH
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
            span = last_part(history, phase, self.last_share)
            refuse_silence(history.machine, span, f"the machine in {phase.value}")
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
class DiskCalm:
    """The disk let everybody commit: it stood still for no more than a small share of the time.

    A percentile is moved by how many answers waited, not by how long one of them did.

    Attributes:
        phases: The phases whose times the claim is about.
        stalled_share_max: The share of a phase that commits of a few bytes may have been stalled for.
        last_share: As of `MachineCalm`.
    """

    phases: tuple[Phase, ...]
    stalled_share_max: float
    last_share: float = 1.0
    if_missing: Missing = Missing.BOTH
    only_for_rates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a disk that is always calm."""
        if not self.phases or not 0 < self.stalled_share_max < 1:
            raise ConfigError(
                f"phases must be named and stalled_share_max be between 0 and 1, got {self.phases} and "
                f"{self.stalled_share_max}: every disk, or none, would be calm. Try 0.02."
            )

    def seen(self, history: History) -> Seen:
        """The phase in which the disk stood still for the longest."""
        shares = {phase: self._share(history, phase) for phase in self.phases}
        worst = max(self.phases, key=lambda phase: shares[phase])
        return Seen(
            ok=shares[worst] <= self.stalled_share_max,
            sentence=(
                f"commits to the disk were stalled for {shares[worst]:.1%} of {worst.value} (may be "
                f"{self.stalled_share_max:.1%})"
            ),
        )

    def _share(self, history: History, phase: Phase) -> float:
        span = last_part(history, phase, self.last_share)
        refuse_silence(history.disk, span, f"the disk in {phase.value}")
        stalled = sum(stalled_ns(stall, span) for stall in history.disk)
        return stalled / (span.end_ns - span.start_ns)


@dataclass(frozen=True, kw_only=True)
class MachineUncrowded:
    """The machine's processors were not used up by somebody else.

    Only a full machine slows anybody down, and only foreign work excuses: a target that spins fills it by itself.

    Attributes:
        phases: The phases whose times the claim is about.
        busy_max: Up to this share of all processor time in use, nobody waits for a turn.
        foreign_max: The share of all processor time that others may use even then.
        reading: Of `harness.probes.machine_cpu.MachineCpu`, taken again and again.
        last_share: As of `MachineCalm`.
    """

    phases: tuple[Phase, ...]
    busy_max: float = 0.85
    foreign_max: float = 0.2
    reading: str = "machine_cpu"
    last_share: float = 1.0
    if_missing: Missing = Missing.BOTH
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
        shares = {phase: self._shares(history, phase) for phase in self.phases}
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

    def _shares(self, history: History, phase: Phase) -> tuple[float, float]:
        """What was used, and used by others, as shares of all there was."""
        span = last_part(history, phase, self.last_share)
        values = [seen.value for at_ns in (span.start_ns, span.end_ns) if (seen := self._at(history, at_ns))]
        if len(values) < 2 or values[1]["all_s"] <= values[0]["all_s"]:
            raise CannotSay(
                f"no two readings of {self.reading!r} around {phase.value}: others may have used the machine up"
            )
        all_s, busy_s, ours_s = (values[1][name] - values[0][name] for name in ("all_s", "busy_s", "ours_s"))
        return busy_s / all_s, max(0.0, busy_s - ours_s) / all_s

    def _at(self, history: History, at_ns: int) -> Observed | None:
        """The first reading from then on."""
        around = Span(at_ns, at_ns + BOUNDARY_NS_MAX)
        return next(history.readings(self.reading, around), None)


def _overlaps(stall: Stall, span: Span) -> bool:
    return stall.at_ns >= span.start_ns and stall.at_ns - stall.late_ms * NS_PER_MS < span.end_ns
