"""How long each part of a drill lasts.

The parts and their order are fixed (`harness.recording.records.Phase`), because what is concluded rests on them:
without a steady phase nothing can be blamed on the fault, without converge an operation that is merely late looks lost.
"""

import math
from dataclasses import dataclass, fields

from harness.errors import ConfigError
from harness.recording.records import Phase


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Seconds of each phase.

    Attributes:
        warm_up_s: Not judged; connections are opened, code paths become warm.
        steady_s: Proves that the target was well before the fault is blamed.
        impact_s: The faults are there. 0 for a drill without any.
        heal_s: The faults are gone, load goes on, recovery is measured.
        converge_s: At most this long for everything open to settle after the last request: longer than the target's
            longest retry, saga and queue limit, or what is only late looks stuck.
        quiet_s: At least this long between the last answer and the final reading, even if nothing is on its way by
            any reading: longer than what no reading shows may take, such as a request between two services. Where a
            drill provokes a limit it is longer than that, so that an effect which comes too late is seen.
    """

    warm_up_s: float
    steady_s: float
    impact_s: float
    heal_s: float
    converge_s: float
    quiet_s: float

    def __post_init__(self) -> None:
        """Refuse phases that could prove nothing."""
        for item in fields(self):
            if not math.isfinite(getattr(self, item.name)):
                raise ConfigError(f"{item.name} must be a number of seconds, got {getattr(self, item.name)}.")
        if self.steady_s <= 0:
            raise ConfigError(
                f"steady_s must be above 0, got {self.steady_s:g}: with no healthy phase nothing can be blamed on the "
                "fault. Try steady_s=5."
            )
        for name in ("warm_up_s", "impact_s", "heal_s", "quiet_s"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} must not be negative, got {getattr(self, name):g}. Use 0 to leave it out."
                )
        if self.converge_s < self.quiet_s:
            raise ConfigError(
                f"converge_s must be at least quiet_s ({self.quiet_s:g}), got {self.converge_s:g}: the final reading "
                "would be taken before the target's longest time-out has passed, and late effects never seen."
            )

    @property
    def load_s(self) -> float:
        """How long load is offered."""
        return self.warm_up_s + self.steady_s + self.impact_s + self.heal_s

    def timetable(self) -> list[tuple[Phase, float]]:
        """The phases under load and when each begins, in seconds from the first request; empty ones left out."""
        begins, at_s = [], 0.0
        for phase, length_s in self.under_load():
            begins.append((phase, at_s))
            at_s += length_s
        return begins

    def under_load(self) -> list[tuple[Phase, float]]:
        """The same phases, and for how many seconds each lasts."""
        lengths = [
            (Phase.WARM_UP, self.warm_up_s),
            (Phase.STEADY, self.steady_s),
            (Phase.IMPACT, self.impact_s),
            (Phase.HEAL, self.heal_s),
        ]
        return [(phase, length_s) for phase, length_s in lengths if length_s > 0]
