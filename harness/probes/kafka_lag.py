"""How far a group is behind, by those who know: its coordinator, and the leader of each partition.

They are asked in Kafka's own words and not through a client library's admin client. That one goes on asking a
coordinator that has moved away, and a question of its own that outlives its time limit can end the whole process
(confluentinc/librdkafka issue 4605): with it nobody would look just when a drill takes brokers away.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.clock import SYSTEM_CLOCK, Deadline
from harness.errors import ProbeError
from harness.probes import Json
from harness.probes.kafka import some_brokers
from harness.stack import Address, Stack
from harness.stack.kafka_partitions import Partition, partitions
from harness.stack.kafka_wire import Fields, ask, text

Place = tuple[str, int]

_OFFSETS_TOPIC = "__consumer_offsets"
# Versions from before the flexible ones, which every 4.x still answers.
_LIST_OFFSETS, _LIST_OFFSETS_VERSION = 2, 3
_OFFSET_FETCH, _OFFSET_FETCH_VERSION = 9, 5
_LATEST, _EARLIEST = -1, -2
_NONE_COMMITTED = -1
# What a broker says that is not, or not yet, the one to ask: no leader, not the leader, loading, not there yet, moved.
_NOT_YET = {3, 5, 6, 14, 15, 16, 74, 76, 78}
_EACH_S = 0.5
_AGAIN_AFTER_S = 0.1


class _NotNow(Exception):  # noqa: N818 - what a cluster that is moving says
    """Nobody can say at this moment; in the next somebody may."""


@dataclass(frozen=True, kw_only=True)
class KafkaLag:
    """How far a group is behind, partition by partition.

    Reads `{"group": …, "total": 12, "partitions": [{"topic", "partition", "committed", "end", "lag"}, …]}`.
    The end is the high watermark. A partition without a commit has `committed` None and counts from its first
    record that is still there. Committed and end are asked one after the other, so a lag is precise to what
    is produced within the reading's own duration.

    Attributes:
        topics: Topics whose partitions count even if nothing was ever committed; others count by their
            commits.
    """

    name: str
    group: str
    topics: tuple[str, ...] = ()

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: The brokers, or the group's coordinator, did not answer within `timeout_s`.
        """
        rows = self.rows(stack, timeout_s=timeout_s)
        parts: list[Json] = [dict(row) for row in rows]
        return {"group": self.group, "total": sum(row["lag"] for row in rows), "partitions": parts}

    def rows(self, stack: Stack, *, timeout_s: float) -> list[dict[str, Any]]:
        """The partitions alone. Asked again while leaders move, as long as there is time.

        Raises:
            ProbeError: See `read`.
        """
        brokers = some_brokers(stack, self.name)
        deadline = Deadline.after(timeout_s)
        while True:
            try:
                return self._rows(_Cluster(brokers, deadline))
            except (_NotNow, OSError, struct.error, ValueError) as why:
                if deadline.left_s <= _AGAIN_AFTER_S:
                    raise ProbeError(
                        f"{self.name}: Kafka could not say how far {self.group} is behind: {str(why) or repr(why)}"
                    ) from why
            SYSTEM_CLOCK.sleep(_AGAIN_AFTER_S)

    def _rows(self, cluster: "_Cluster") -> list[dict[str, Any]]:
        committed: dict[Place, int | None] = {**self._committed(cluster)}
        there = cluster.partitions({*self.topics, *(topic for topic, _ in committed)})
        for topic in self.topics:
            mine = [place for place in there if place[0] == topic]
            if not mine:
                raise _NotNow(f"there is no topic {topic!r}")
            for place in mine:
                committed.setdefault(place, None)
        ends = cluster.offsets(committed, there, _LATEST)
        starts = cluster.offsets(
            (place for place, offset in committed.items() if offset is None), there, _EARLIEST
        )
        rows: list[dict[str, Any]] = []
        for place, position in sorted(committed.items()):
            lag = max(0, ends[place] - (starts[place] if position is None else position))
            row = {"topic": place[0], "partition": place[1], "committed": position, "end": ends[place]}
            rows.append({**row, "lag": lag})
        return rows

    def _committed(self, cluster: "_Cluster") -> dict[Place, int]:
        coordinators = cluster.partitions({_OFFSETS_TOPIC, *self.topics})
        count = sum(topic == _OFFSETS_TOPIC for topic, _ in coordinators)
        if not count:  # no group ever was
            return {}
        mine = coordinators[_OFFSETS_TOPIC, place_of(self.group, count)]
        answer = cluster.ask(
            mine.leader, _OFFSET_FETCH, _OFFSET_FETCH_VERSION, text(self.group) + struct.pack(">i", -1)
        )
        return dict(_commits(answer))


@dataclass(frozen=True, kw_only=True)
class KafkaUnread:
    """The partitions on which a group is behind, one row each: none once it has read everything.

    Attributes:
        lag: How far it is behind.
    """

    name: str
    lag: KafkaLag

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: See `KafkaLag`.
        """
        return [row for row in self.lag.rows(stack, timeout_s=timeout_s) if row["lag"]]


def place_of(group: str, partitions_: int) -> int:
    """Which partition of Kafka's own topic keeps a group's offsets; the leader of it coordinates the group."""
    hashed = 0
    for unit in struct.unpack(f">{len(raw := group.encode('utf-16-be')) // 2}H", raw):
        hashed = (31 * hashed + unit) & 0xFFFF_FFFF
    return (hashed & 0x7FFF_FFFF) % partitions_


@dataclass(frozen=True)
class _Cluster:
    """The brokers, for as long as one reading may take."""

    brokers: Mapping[int, Address]
    deadline: Deadline

    def partitions(self, topics: Iterable[str]) -> dict[Place, Partition]:
        found = partitions(self.brokers, sorted(topics), timeout_s=self._each_s)
        if not found:
            raise _NotNow("no broker tells of any of its topics")
        return {(told.partition.topic, told.partition.number): told.partition for told in found}

    def offsets(
        self, places: Iterable[Place], there: Mapping[Place, Partition], which: int
    ) -> dict[Place, int]:
        """The latest or earliest offsets, asked of whoever leads."""
        by_leader: dict[int, list[Place]] = defaultdict(list)
        for place in places:
            if place not in there:
                raise _NotNow(f"there is no partition {place[0]}-{place[1]}")
            by_leader[there[place].leader].append(place)
        found: dict[Place, int] = {}
        for leader, wanted in by_leader.items():
            question = struct.pack(">ibi", -1, 0, len(wanted))  # as a client, of whatever was written
            for topic, number in wanted:
                question += text(topic) + struct.pack(">iiq", 1, number, which)
            found |= _offsets(self.ask(leader, _LIST_OFFSETS, _LIST_OFFSETS_VERSION, question))
        return found

    def ask(self, broker: int, key: int, version: int, question: bytes) -> Fields:
        if broker not in self.brokers:
            raise _NotNow("nobody leads where the answer is")
        return Fields(ask(self.brokers[broker], key, version, question, timeout_s=self._each_s))

    @property
    def _each_s(self) -> float:
        return max(0.001, min(_EACH_S, self.deadline.left_s))


def _commits(answer: Fields) -> list[tuple[Place, int]]:
    answer.number("i")  # for how long we were throttled
    found = []
    for _ in range(answer.count()):
        topic = answer.text()
        for _ in range(answer.count()):
            number, offset = answer.number("i"), answer.number("q")
            answer.number("i")  # the epoch of the record
            answer.text()  # metadata
            _refuse(answer.number("h"), f"what is committed for {topic}-{number}")
            if offset != _NONE_COMMITTED:
                found.append(((topic, number), offset))
    _refuse(answer.number("h"), "what is committed")
    return found


def _offsets(answer: Fields) -> dict[Place, int]:
    answer.number("i")  # for how long we were throttled
    found = {}
    for _ in range(answer.count()):
        topic = answer.text()
        for _ in range(answer.count()):
            number, error = answer.number("i"), answer.number("h")
            answer.number("q")  # a timestamp
            offset = answer.number("q")
            _refuse(error, f"the offsets of {topic}-{number}")
            found[topic, number] = offset
    return found


def _refuse(error: int, what: str) -> None:
    """Raise for Kafka's error code."""
    if error in _NOT_YET:
        raise _NotNow(f"{what} cannot be told yet (error code {error})")
    if error:
        raise ProbeError(f"{what}: Kafka refuses with error code {error}")
