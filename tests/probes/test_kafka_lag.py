"""Lag, asked of brokers that are played byte for byte: the coordinator, and whoever leads."""

import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ProbeError
from harness.probes.kafka_lag import KafkaLag, KafkaUnread, place_of
from harness.stack import Stack
from harness.stack.kafka_partitions import Partition
from tests.probes.fake_target import stack_of
from tests.stack.kafka_answers import METADATA, metadata_answer, read_request
from tests.stack.loopback import Loopback

EVENTS, OFFSETS = "order-events", "__consumer_offsets"
FETCH, LIST = 9, 2
LATEST = -1
LOADING, NOT_COORDINATOR, NOT_LEADER, DENIED = 14, 16, 6, 30


@dataclass
class Cluster:
    """Two brokers: 1 coordinates and leads partition 0, 2 leads the others."""

    committed: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=lambda: {0: 10, 1: 10, 2: 10})
    starts: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 4, 2: 0})
    trouble: list[int] = field(default_factory=list)  # error codes of the next answers
    groups: bool = True
    asked: list[tuple[int, int]] = field(default_factory=list)
    leaders: Mapping[int, int] = field(default_factory=lambda: {0: 1, 1: 2, 2: 2})

    def partitions(self) -> list[Partition]:
        def part(topic: str, number: int, leader: int) -> Partition:
            return Partition(topic=topic, number=number, leader=leader, epoch=1, replicas=(1, 2), isr=(1, 2))

        events = [part(EVENTS, number, leader) for number, leader in self.leaders.items()]
        return [*events, part(OFFSETS, 0, 1)] if self.groups else events

    def converse(self, me: int, connection: socket) -> None:
        key, request = read_request(connection)
        if key == METADATA:
            connection.sendall(metadata_answer(request, self.partitions()))
            return
        self.asked.append((me, key))
        body = self._commits() if key == FETCH else self._offsets(me, request)
        answer = request[8:12] + body
        connection.sendall(struct.pack(">i", len(answer)) + answer)

    def _error(self) -> int:
        return self.trouble.pop(0) if self.trouble else 0

    def _commits(self) -> bytes:
        body = struct.pack(">ii", 0, 1) + _text(EVENTS) + struct.pack(">i", len(self.committed))
        for number, offset in self.committed.items():
            body += struct.pack(">iqi", number, offset, 1) + _text("") + struct.pack(">h", 0)
        return body + struct.pack(">h", self._error())

    def _offsets(self, me: int, request: bytes) -> bytes:
        body = request[4 + 8 + 2 + len("drillbook") :]
        count = struct.unpack_from(">i", body, 5)[0]
        at, answer = 9, struct.pack(">ii", 0, count)
        for _ in range(count):
            at += 2 + len(EVENTS) + 4
            number, which = struct.unpack_from(">iq", body, at)
            at += 12
            table = self.ends if which == LATEST else self.starts
            error = self._error() or (NOT_LEADER if self.leaders[number] != me else 0)
            answer += _text(EVENTS) + struct.pack(">iihqq", 1, number, error, -1, table[number])
        return answer


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def stack(cluster: Cluster) -> Iterator[Stack]:
    with ExitStack() as open_:
        one = open_.enter_context(Loopback(lambda connection: cluster.converse(1, connection)))
        two = open_.enter_context(Loopback(lambda connection: cluster.converse(2, connection)))
        yield stack_of(kafka_1=one.address, kafka_2=two.address)


def test_lag_is_the_end_minus_what_is_committed(cluster: Cluster, stack: Stack) -> None:
    cluster.committed = {0: 10, 1: 7}
    assert KafkaLag(name="lag", group="g").read(stack, timeout_s=2) == {
        "group": "g",
        "total": 3,
        "partitions": [
            {"topic": EVENTS, "partition": 0, "committed": 10, "end": 10, "lag": 0},
            {"topic": EVENTS, "partition": 1, "committed": 7, "end": 10, "lag": 3},
        ],
    }


def test_each_is_asked_what_only_he_knows(cluster: Cluster, stack: Stack) -> None:
    cluster.committed = {0: 10, 1: 7}
    KafkaLag(name="lag", group="g").read(stack, timeout_s=2)
    assert sorted(cluster.asked) == [(1, LIST), (1, FETCH), (2, LIST)]


def test_a_partition_without_a_commit_counts_from_its_first_record(cluster: Cluster, stack: Stack) -> None:
    cluster.committed = {0: 10}
    reading = KafkaLag(name="lag", group="g", topics=(EVENTS,)).read(stack, timeout_s=2)
    assert isinstance(reading, dict)
    assert reading["total"] == 0 + 6 + 10


def test_a_group_that_never_was_has_no_lag_to_tell(cluster: Cluster, stack: Stack) -> None:
    assert KafkaLag(name="lag", group="g").read(stack, timeout_s=2) == {
        "group": "g",
        "total": 0,
        "partitions": [],
    }
    cluster.groups = False
    reading = KafkaLag(name="lag", group="g", topics=(EVENTS,)).read(stack, timeout_s=2)
    assert isinstance(reading, dict)
    assert reading["total"] == 10 + 6 + 10


def test_a_group_that_has_read_everything_has_no_unread_partition(cluster: Cluster, stack: Stack) -> None:
    unread = KafkaUnread(name="unread", lag=KafkaLag(name="lag", group="g"))
    cluster.committed = {0: 10, 1: 7}
    behind = {"topic": EVENTS, "partition": 1, "committed": 7, "end": 10, "lag": 3}
    assert unread.read(stack, timeout_s=2) == [behind]
    cluster.committed = {0: 10, 1: 10}
    assert unread.read(stack, timeout_s=2) == []


@pytest.mark.parametrize("code", [LOADING, NOT_COORDINATOR, NOT_LEADER])
def test_a_coordinator_or_leader_that_is_moving_is_asked_again(
    cluster: Cluster, stack: Stack, code: int
) -> None:
    cluster.committed = {0: 8}
    cluster.trouble = [code, 0, code]
    reading = KafkaLag(name="lag", group="g").read(stack, timeout_s=5)
    assert isinstance(reading, dict)
    assert reading["total"] == 2


def test_a_refusal_is_told_at_once(cluster: Cluster, stack: Stack) -> None:
    cluster.trouble = [DENIED]
    with pytest.raises(ProbeError, match="what is committed: Kafka refuses with error code 30"):
        KafkaLag(name="lag", group="g").read(stack, timeout_s=60)


def test_a_cluster_that_never_settles_ends_with_the_time_limit(cluster: Cluster, stack: Stack) -> None:
    cluster.trouble = [NOT_COORDINATOR] * 1000
    with pytest.raises(ProbeError, match=r"lag: Kafka could not say how far g is behind: .*error code 16"):
        KafkaLag(name="lag", group="g").read(stack, timeout_s=0.2)


def test_a_partition_that_nobody_leads_has_no_end_to_tell(cluster: Cluster, stack: Stack) -> None:
    cluster.leaders = {0: 1, 1: -1, 2: 2}
    cluster.committed = {1: 3}
    with pytest.raises(ProbeError, match="nobody leads"):
        KafkaLag(name="lag", group="g").read(stack, timeout_s=0.2)


def test_a_misspelt_topic_and_a_stack_without_kafka_are_errors_and_not_empty(stack: Stack) -> None:
    with pytest.raises(ProbeError, match="there is no topic 'order-evnts'"):
        KafkaLag(name="lag", group="g", topics=("order-evnts",)).read(stack, timeout_s=0.2)
    with pytest.raises(ProbeError, match="no Kafka"):
        KafkaLag(name="lag", group="g").read(stack_of(), timeout_s=0.2)


def test_dead_brokers_tell_nothing(stack: Stack) -> None:
    for service in stack.services.values():
        address = service.address
    dead = stack_of(kafka_1=type(address)("127.0.0.1", 1))
    with pytest.raises(ProbeError, match="no broker tells"):
        KafkaLag(name="lag", group="g").read(dead, timeout_s=0.2)


@pytest.mark.parametrize(
    ("group", "hashed"),
    [("", 0), ("g", 103), ("hello", 99_162_322), ("polygenelubricants", -(2**31)), ("\N{ROCKET}", 1_773_027)],
)
def test_a_group_s_place_is_by_java_s_hash(group: str, hashed: int) -> None:
    assert place_of(group, 50) == (hashed & 0x7FFF_FFFF) % 50


@given(st.text(), st.integers(1, 100))
def test_every_group_has_a_place(group: str, count: int) -> None:
    assert 0 <= place_of(group, count) < count
