"""How far a group was behind, from three sides that do not know of each other.

Kafka tells what is there and what was committed. The target's database tells when each event took effect, whatever was
committed. And the target tells a lag of its own, which others act by: dashboards, alarms, autoscalers.

Everything was looked at now and then. In between it is known by a law: offsets only grow. What was committed between
two looks is at least what the one before found and at most what the one after found, and so are the ends. So every lag
has a least and a most, and a verdict that holds for both needs no tolerance.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import polars as pl

from harness.checks import CannotSay
from harness.checks.moments import on_run_clock
from harness.checks.tables import final_table, named_table
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.history import History

Offsets = Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class Between:
    """The least and the most that a lag can have been."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """What Kafka told at some moment between two.

    Attributes:
        committed, ends: By partition.
    """

    began_ns: int
    ended_ns: int
    committed: Offsets
    ends: Offsets

    @property
    def lag(self) -> int:
        """Of all partitions."""
        return sum(max(0, end - self.committed[place]) for place, end in self.ends.items())


@dataclass(frozen=True, kw_only=True)
class GroupLog:
    """All that Kafka told of a group, in the order of time."""

    looks: tuple[Look, ...]

    def between(self, from_ns: int, to_ns: int) -> Between | None:
        """What the lag can have been anywhere between two moments; None where nobody looked before and after."""
        before = bisect_right([look.ended_ns for look in self.looks], from_ns) - 1
        after = bisect_left([look.began_ns for look in self.looks], to_ns)
        if before < 0 or after >= len(self.looks):
            return None
        first, last = self.looks[before], self.looks[after]
        return Between(least=_behind(first.ends, last.committed), most=_behind(last.ends, first.committed))

    def within(self, from_ns: int, to_ns: int) -> tuple[Look, ...]:
        """The looks that lie wholly between two moments."""
        return tuple(look for look in self.looks if from_ns <= look.began_ns and look.ended_ns <= to_ns)


def _behind(ends: Offsets, committed: Offsets) -> int:
    return sum(max(0, end - committed.get(place, 0)) for place, end in ends.items())


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group's lag by Kafka's own word.

    Attributes:
        reading: Of `harness.probes.kafka_lag.KafkaLag`, read again and again.
        topic: Whose partitions count.
    """

    reading: str
    topic: str

    def load(self, history: History) -> GroupLog:
        """All looks.

        Raises:
            CannotSay: There are none, or they tell something else.
        """
        looks = tuple(
            Look(
                began_ns=seen.at_ns,
                ended_ns=seen.at_ns + seen.took_ns,
                committed={row["partition"]: row["end"] - row["lag"] for row in rows},
                ends={row["partition"]: row["end"] for row in rows},
            )
            for seen in history.readings(self.reading)
            if (rows := self._rows(seen.value))
        )
        if not looks:
            raise CannotSay(f"{self.reading!r} never told how far the group is behind on {self.topic}")
        return GroupLog(looks=looks)

    def _rows(self, value: Any) -> list[Mapping[str, Any]]:
        rows = value.get("partitions") if isinstance(value, Mapping) else None
        wanted = {"topic", "partition", "end", "lag"}
        if not isinstance(rows, list) or not all(
            isinstance(row, Mapping) and wanted <= row.keys() for row in rows
        ):
            raise CannotSay(
                f"a reading of {self.reading!r} has no partitions with {', '.join(sorted(wanted))}"
            )
        return [row for row in rows if row["topic"] == self.topic]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a target said of its lag, at some moment between two.

    Attributes:
        lag: None if it was asked and told none.
    """

    began_ns: int
    ended_ns: int
    lag: float | None


@dataclass(frozen=True, kw_only=True)
class LagMetric:
    """The lag that a target publishes.

    Attributes:
        reading: Of `harness.probes.actuator.ActuatorMetric`, read again and again.
        age_s_max: How old that may be of which it tells: it need not ask the brokers at every reading.
        statistic: Of the metric.
    """

    reading: str
    age_s_max: float
    statistic: str = "VALUE"

    def __post_init__(self) -> None:
        """Refuse an age that is none."""
        if self.age_s_max < 0:
            raise ConfigError(f"age_s_max must not be negative, got {self.age_s_max}: nobody tells of later")

    def load(self, history: History) -> tuple[Answer, ...]:
        """All answers, also those that told nothing. Where nobody answered there is none.

        Raises:
            CannotSay: It was never told.
        """
        answers = tuple(
            Answer(began_ns=seen.at_ns, ended_ns=seen.at_ns + seen.took_ns, lag=self._lag(seen.value))
            for seen in history.readings(self.reading)
        )
        if all(answer.lag is None for answer in answers):
            raise CannotSay(f"{self.reading!r} was never told")
        return answers

    def _lag(self, value: Any) -> float | None:
        told = value.get(self.statistic) if isinstance(value, Mapping) else None
        return float(told) if isinstance(told, int | float) else None

    def bounds(self, answer: Answer, group: GroupLog) -> Between | None:
        """What it can have been, by Kafka's word, at the answer or as long before as what is told may be old."""
        return group.between(answer.began_ns - round(self.age_s_max * NS_PER_S), answer.ended_ns)


@dataclass(frozen=True, kw_only=True)
class Effects:
    """When each event took effect, by the target's own store, and where in the topic it came first.

    Attributes:
        reading: Final; a row an event with `partition`, `kafka_offset` and `applied_ms`, by the wall clock.
        records: Final reading of `harness.probes.kafka_records.KafkaRecords`.
        event: The header that tells events apart, whoever published them how often.
    """

    reading: str
    records: str
    topic: str
    event: str = "event-id"

    def load(self, history: History) -> "EffectLog":
        """All effects.

        Raises:
            CannotSay: There are none, or nobody knows when they were.
        """
        done = named_table(
            history,
            self.reading,
            partition=("partition", pl.Int64),
            offset=("kafka_offset", pl.Int64),
            applied_ms=("applied_ms", pl.Float64),
        ).select("partition", "offset", on_run_clock(history, pl.col("applied_ms")).alias("at_ns"))
        columns = {"topic": pl.String, "partition": pl.Int64, "offset": pl.Int64, self.event: pl.String}
        records = final_table(history, self.records, columns).filter(pl.col("topic") == self.topic)
        if done.is_empty() or records.is_empty():
            raise CannotSay(f"{self.reading!r} or {self.records!r} has no rows: nothing took effect")
        first = records.sort("offset").unique(self.event, keep="first", maintain_order=True)
        both = first.join(done, on=["partition", "offset"], how="left").sort("partition", "offset")
        return EffectLog(
            parts={
                int(part["partition"][0]): EventsOfPartition.of(
                    part["offset"].to_list(), part["at_ns"].to_list()
                )
                for part in both.partition_by("partition")
            }
        )


@dataclass(frozen=True, kw_only=True)
class EventsOfPartition:
    """Its events at their first places, and when they took effect.

    Attributes:
        offsets: In order.
        all_by_ns: When all events up to this one had taken effect.
        some_by_ns: When some event from this one on had.
    """

    offsets: tuple[int, ...]
    all_by_ns: tuple[float, ...]
    some_by_ns: tuple[float, ...]

    @classmethod
    def of(cls, offsets: Sequence[int], done_ns: Sequence[int | None]) -> "EventsOfPartition":
        """Of each event its place and its moment; None for never."""
        moments = [math.inf if at_ns is None else at_ns for at_ns in done_ns]
        return cls(
            offsets=tuple(offsets),
            all_by_ns=tuple(accumulate(moments, max)),
            some_by_ns=tuple(accumulate(reversed(moments), min))[::-1],
        )


@dataclass(frozen=True, kw_only=True)
class EffectLog:
    """Which events had taken effect at a moment. A partition is worked on in its order.

    Attributes:
        parts: By partition.
    """

    parts: Mapping[int, EventsOfPartition]

    def first_waiting(self, partition: int, at_ns: int) -> int | None:
        """The offset of the first event that had not taken effect; None if all had."""
        part = self.parts.get(partition)
        done = 0 if part is None else bisect_right(part.all_by_ns, at_ns)
        return None if part is None or done == len(part.offsets) else part.offsets[done]

    def reached(self, partition: int, at_ns: int) -> int:
        """Behind the last event that had taken effect."""
        part = self.parts.get(partition)
        done = 0 if part is None else bisect_right(part.some_by_ns, at_ns)
        return 0 if part is None or not done else part.offsets[done - 1] + 1

    def waiting(self, look: Look) -> int:
        """How many records were waiting at least, when Kafka was looked at.

        The first event without effect was, and so was all behind it.
        """
        return sum(
            max(0, end - first)
            for place, end in look.ends.items()
            if (first := self.first_waiting(place, look.ended_ns)) is not None
        )
