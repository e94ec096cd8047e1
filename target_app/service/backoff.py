"""How long to wait before the next try: longer each time, never longer than a bound, and never in step.

Without the random half, all clients of a server that comes back would return in the same instant.
"""

import random
from dataclasses import dataclass

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential, bounded, with half of each wait drawn by chance."""

    first_s: float
    most_s: float

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row (1 or more)."""
        full_s = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return full_s * (0.5 + _chance.random() / 2)


RECONNECT = Backoff(first_s=0.1, most_s=2.0)
