"""When requests are sent: a schedule made before the first one leaves.

Load is *open*: arrivals do not wait for answers. A closed loop of users would send less exactly when the target
is slow, and so hide what is looked for (coordinated omission).

Time is cut into slots, each as long as the rate needs to bring one request, and each request comes at a random
point of its own slot. The number of requests is thereby known before the run, for every rate and duration, so that
"the load reached its rate" is a count and not a statistic, while clients do not march in step. A Poisson process
would be closer to life and would need far longer drills for the same certainty.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from harness.clock import NS_PER_S
from harness.errors import ConfigError

# Sums of rate × seconds are real numbers that are meant as counts: 0.1/s for 30 s is 3 requests, not 2.9999999.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of time with a rate that stays or changes evenly.

    Attributes:
        seconds: How long.
        rate_from_per_s, rate_to_per_s: Requests a second at its beginning and end.
    """

    seconds: float
    rate_from_per_s: float
    rate_to_per_s: float

    def __post_init__(self) -> None:
        """Refuse what is no stretch of time."""
        numbers = (self.seconds, self.rate_from_per_s, self.rate_to_per_s)
        if not all(map(math.isfinite, numbers)) or self.seconds <= 0 or min(numbers) < 0:
            raise ConfigError(
                f"a segment lasts above 0 s at rates of 0 or more, got {self.seconds:g} s from "
                f"{self.rate_from_per_s:g} to {self.rate_to_per_s:g} requests/s: nothing could be scheduled. "
                "Try steady(10, seconds=30)."
            )

    @property
    def area(self) -> float:
        """Requests in it, as a real number."""
        return self.area_until(self.seconds)

    def area_until(self, seconds: float) -> float:
        """Requests in its first `seconds`, as a real number: the rate's integral."""
        slope = (self.rate_to_per_s - self.rate_from_per_s) / self.seconds
        return seconds * (self.rate_from_per_s + slope * seconds / 2)

    def moment_of(self, area: float) -> float:
        """Seconds after its beginning by which `area` requests have come: the inverse of `area_until`.

        In the form that divides by what is never near 0: the textbook's own loses every digit for a rate that
        hardly changes.
        """
        slope = (self.rate_to_per_s - self.rate_from_per_s) / self.seconds
        root = math.sqrt(max(0.0, self.rate_from_per_s**2 + 2 * slope * area))
        divisor = self.rate_from_per_s + root
        return min(2 * area / divisor, self.seconds) if divisor > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Segments, one after the other."""

    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> float:
        """How long the whole of it lasts."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def count(self) -> int:
        """How many requests there are: exactly, whatever the seed."""
        return math.floor(self._area_until(self.seconds) + _ROUNDING)

    @property
    def peak_per_s(self) -> float:
        """The highest rate that is ever reached."""
        rates = ((segment.rate_from_per_s, segment.rate_to_per_s) for segment in self.segments)
        return max(map(max, rates), default=0.0)

    def promised(self, from_s: float, to_s: float) -> tuple[int, int]:
        """The fewest and the most requests from `from_s` up to but not including `to_s`, whatever the seed.

        They are the same number wherever both ends lie on the edge of a slot (at 20/s, every 50 ms), and differ by
        one for each end that does not.
        """
        first, last = self._area_until(from_s), self._area_until(to_s)
        fewest = math.floor(last + _ROUNDING) - math.ceil(first - _ROUNDING)
        most = math.ceil(last - _ROUNDING) - math.floor(first + _ROUNDING)
        return max(0, fewest), max(0, min(most, self.count - math.floor(first + _ROUNDING)))

    def then(self, other: "Shape") -> "Shape":
        """This one, and after it another."""
        return Shape(segments=self.segments + other.segments)

    def _area_until(self, seconds: float) -> float:
        area, left_s = 0.0, max(0.0, seconds)
        for segment in self.segments:
            area += segment.area_until(min(left_s, segment.seconds))
            left_s = max(0.0, left_s - segment.seconds)
        return area


def steady(rate_per_s: float, *, seconds: float) -> Shape:
    """The same rate all the time."""
    return ramp(rate_per_s, rate_per_s, seconds=seconds)


def ramp(from_per_s: float, to_per_s: float, *, seconds: float) -> Shape:
    """A rate that changes evenly."""
    return Shape(segments=(Segment(seconds=seconds, rate_from_per_s=from_per_s, rate_to_per_s=to_per_s),))


def burst(base_per_s: float, peak_per_s: float, *, before_s: float, peak_s: float, after_s: float) -> Shape:
    """A rate that jumps up and back down at once."""
    calm, peak = steady(base_per_s, seconds=before_s), steady(peak_per_s, seconds=peak_s)
    return calm.then(peak).then(steady(base_per_s, seconds=after_s))


def arrival_times_ns(shape: Shape, chance: random.Random) -> Iterator[int]:
    """When each request is sent, in nanoseconds from the beginning, in ascending order.

    The first n times depend on the first n draws and the shape up to there only: the same seed gives the same times
    again, and a shape that goes on for longer begins with the times of the shorter one.
    """
    begin_s, passed = 0.0, 0.0
    segments = iter(shape.segments)
    segment = next(segments, None)
    for number in range(shape.count):
        area = number + chance.random()
        while segment is not None and area >= passed + segment.area:
            begin_s, passed = begin_s + segment.seconds, passed + segment.area
            segment = next(segments, None)
        # Beyond the last segment lies at most what `_ROUNDING` made of its last slot.
        at_s = shape.seconds if segment is None else begin_s + segment.moment_of(area - passed)
        yield math.floor(at_s * NS_PER_S)  # rounding up could carry it into the next slot
