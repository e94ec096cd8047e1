"""When requests are sent: a schedule made before the first one leaves.

Load is *open*: arrivals do not wait for answers. A closed loop of users would send less exactly when the target
is slow, and so hide what is looked for (coordinated omission).

Arrivals are evenly spaced and then each moved a little by chance within its own slot. Their number is thereby
exact for every rate and duration, so that "the load reached its rate" is a count and not a statistic, while clients
do not march in step. A Poisson process would be closer to life and would need far longer drills for the same certainty.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from harness.clock import NS_PER_S
from harness.errors import ConfigError


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
        if self.seconds <= 0 or self.rate_from_per_s < 0 or self.rate_to_per_s < 0:
            raise ConfigError(
                f"a segment lasts above 0 s at rates of 0 or more, got {self.seconds:g} s from {self.rate_from_per_s:g} "
                f"to {self.rate_to_per_s:g} requests/s: nothing could be scheduled. Try steady(10, seconds=30)."
            )

    @property
    def area(self) -> float:
        """Requests in it, as a real number."""
        return self.seconds * (self.rate_from_per_s + self.rate_to_per_s) / 2

    def moment_of(self, area: float) -> float:
        """Seconds after the segment's begin by which `area` requests have come: the inverse of the rate's integral."""
        slope = (self.rate_to_per_s - self.rate_from_per_s) / self.seconds
        if abs(slope) < 1e-12:
            return area / self.rate_from_per_s
        root = math.sqrt(max(0.0, self.rate_from_per_s**2 + 2 * slope * area))
        return (root - self.rate_from_per_s) / slope


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
        return int(sum(segment.area for segment in self.segments) + 1e-9)

    def then(self, other: "Shape") -> "Shape":
        """This one, and after it another."""
        return Shape(segments=self.segments + other.segments)


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

    Request k comes at a random point of the k-th slot, a slot being the time in which the rate's integral grows by
    one. The first n times depend on the first n draws only.
    """
    begin_s, passed = 0.0, 0.0
    segments = iter(shape.segments)
    segment = next(segments, None)
    for number in range(shape.count):
        area = number + chance.random()
        while segment is not None and area >= passed + segment.area:
            begin_s, passed = begin_s + segment.seconds, passed + segment.area
            segment = next(segments, None)
        if segment is None:  # the last slot reaches beyond the end by a rounding error
            yield round(shape.seconds * NS_PER_S)
        else:
            yield round((begin_s + segment.moment_of(area - passed)) * NS_PER_S)
