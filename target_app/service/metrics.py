"""Meters as Micrometer has them, answered as Spring Boot's Actuator answers them.

A meter has one value per set of tags; `/actuator/metrics/{name}?tag=key:value` adds up those that match.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Tags = tuple[tuple[str, str], ...]
Values = dict[str, float]

MAX_KEPT_S = 60.0


def tags(**values: str) -> Tags:
    """A set of tags, in the order that makes equal sets equal."""
    return tuple(sorted((name.replace("_", "."), value) for name, value in values.items()))


class Meter:
    """What is measured under one name."""

    def __init__(self, name: str, description: str, unit: str | None) -> None:
        self.name = name
        self.description = description
        self.unit = unit

    def read(self) -> Iterator[tuple[Tags, Values]]:
        """The values by tags, each by its statistic's name."""
        raise NotImplementedError


class Counter(Meter):
    """Only ever grows, until the process ends."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, description, None)
        self._counts: dict[Tags, float] = {}

    def add(self, amount: float = 1.0, *, of: Tags = ()) -> None:
        """Count `amount` more."""
        self._counts[of] = self._counts.get(of, 0.0) + amount

    def read(self) -> Iterator[tuple[Tags, Values]]:
        """A counter nobody has counted on is 0 and not missing: a rate can be taken of it."""
        for key, count in (self._counts or {(): 0.0}).items():
            yield key, {"COUNT": count}


class Gauge(Meter):
    """Asked for at the moment it is read."""

    def __init__(
        self, name: str, description: str, ask: Callable[[], Mapping[Tags, float]], unit: str | None = None
    ) -> None:
        super().__init__(name, description, unit)
        self._asks = [ask]

    def also(self, ask: Callable[[], Mapping[Tags, float]]) -> None:
        """Ask somebody else, too, who has values with other tags."""
        self._asks.append(ask)

    def read(self) -> Iterator[tuple[Tags, Values]]:
        """The present values."""
        for ask in self._asks:
            for key, value in ask().items():
                yield key, {"VALUE": value}


@dataclass(slots=True)
class _Timing:
    count: int = 0
    total_s: float = 0.0
    max_s: float = 0.0
    max_before_s: float = 0.0
    turned_at: float = 0.0


class Timer(Meter):
    """How often, how long altogether, and the longest of the last one to two minutes."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, description, "seconds")
        self._timings: dict[Tags, _Timing] = {}

    def record(self, seconds: float, *, of: Tags = ()) -> None:
        """Count one more that took so long."""
        timing = self._timings.get(of)
        if timing is None:
            timing = self._timings[of] = _Timing(turned_at=time.monotonic())
        self._turn(timing)
        timing.count += 1
        timing.total_s += seconds
        timing.max_s = max(timing.max_s, seconds)

    def read(self) -> Iterator[tuple[Tags, Values]]:
        """Count, total and maximum by tags."""
        for key, timing in self._timings.items():
            self._turn(timing)
            yield (
                key,
                {
                    "COUNT": float(timing.count),
                    "TOTAL_TIME": timing.total_s,
                    "MAX": max(timing.max_s, timing.max_before_s),
                },
            )

    @staticmethod
    def _turn(timing: _Timing) -> None:
        now = time.monotonic()
        passed_s = now - timing.turned_at
        if passed_s >= MAX_KEPT_S:
            timing.max_before_s = timing.max_s if passed_s < 2 * MAX_KEPT_S else 0.0
            timing.max_s = 0.0
            timing.turned_at = now


M = TypeVar("M", bound=Meter)


class Metrics:
    """All meters of one service."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}

    def counter(self, name: str, description: str) -> Counter:
        """A new counter."""
        return self._keep(Counter(name, description))

    def timer(self, name: str, description: str) -> Timer:
        """A new timer."""
        return self._keep(Timer(name, description))

    def gauge(
        self, name: str, description: str, ask: Callable[[], float], *, of: Tags = (), unit: str | None = None
    ) -> Gauge:
        """One value of a gauge. Others may have the same name and other tags."""
        return self.gauges(name, description, lambda: {of: ask()}, unit=unit)

    def gauges(
        self, name: str, description: str, ask: Callable[[], Mapping[Tags, float]], *, unit: str | None = None
    ) -> Gauge:
        """A gauge with a value per set of tags."""
        known = self._meters.get(name)
        if isinstance(known, Gauge):
            known.also(ask)
            return known
        return self._keep(Gauge(name, description, ask, unit))

    def names(self) -> list[str]:
        """Every meter's name, sorted."""
        return sorted(self._meters)

    def describe(self, name: str, wanted: Sequence[str] = ()) -> dict[str, object] | None:
        """Actuator's answer for one meter, or None if there is no such meter or no such tag.

        Args:
            name: The meter.
            wanted: `key:value` each; only values with all of these tags are added up.
        """
        meter = self._meters.get(name)
        if meter is None:
            return None
        asked = {tuple(tag.split(":", 1)) for tag in wanted}
        matching = [(key, values) for key, values in meter.read() if asked <= set(key)]
        if not matching:
            return None
        summed: Values = {}
        available: dict[str, set[str]] = {}
        for key, values in matching:
            for statistic, value in values.items():
                before = summed.get(statistic, 0.0)
                summed[statistic] = max(before, value) if statistic == "MAX" else before + value
            for tag, value_of_tag in key:
                if (tag, value_of_tag) not in asked:
                    available.setdefault(tag, set()).add(value_of_tag)
        return {
            "name": meter.name,
            "description": meter.description,
            "baseUnit": meter.unit,
            "measurements": [{"statistic": key, "value": value} for key, value in summed.items()],
            "availableTags": [
                {"tag": tag, "values": sorted(found)} for tag, found in sorted(available.items())
            ],
        }

    def _keep(self, meter: M) -> M:
        self._meters[meter.name] = meter
        return meter
