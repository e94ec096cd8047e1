"""What a drill looks at, as a scenario says it.

A module of its own: whoever describes a target says it, before a stack of it is started, and everything else of a
drill is needed only afterwards.
"""

import math
from dataclasses import dataclass

from harness.errors import ConfigError
from harness.probes import Probe


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is looked at, and when there is nothing left to wait for.

    Attributes:
        watched: Probes read again and again during the whole drill.
        every_s: How often. It is the precision of every moment concluded from them.
        final: Probes read once everything has settled.
        open_work: Probes that read one row for each thing that still has to settle; read before the final ones.
        gauges: Short names for the terminal, of watched probes; shown is how many rows they read.
    """

    watched: tuple[Probe, ...]
    final: tuple[Probe, ...]
    open_work: tuple[Probe, ...]
    every_s: float = 0.5
    gauges: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would only be noticed once a stack is up."""
        if not 0 < self.every_s < math.inf:
            raise ConfigError(f"every_s must be a number above 0, got {self.every_s}. Try 0.5.")
        names = {probe.name for probe in self.watched}
        if strange := [probe for probe, _ in self.gauges if probe not in names]:
            raise ConfigError(
                f"the gauge {strange[0]!r} is of no watched probe ({', '.join(sorted(names)) or 'there is none'}): it "
                "would show nothing."
            )
