from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType, KafkaError, KafkaException, TopicPartition

from harness.errors import ProbeError
from harness.probes import kafka
from harness.probes.kafka import KafkaGroup, KafkaLag, KafkaTopics, KafkaUnread, bootstrap_of
from harness.stack import Address
from tests.probes.fake_target import stack_of

BROKERS = stack_of(
    kafka_1=Address("127.0.0.1", 24001),
    kafka_2=Address("127.0.0.1", 24002),
    kafka_controller=Address("127.0.0.1", 24009),
    orders=Address("127.0.0.1", 24010),
)
EVENTS = "order-events"


def future_of(call: Callable[[], Any]) -> "Future[Any]":
    future: Future[Any] = Future()
    try:
        future.set_result(call())
    except Exception as error:  # noqa: BLE001 - a future carries whatever went wrong
        future.set_exception(error)
    return future


@dataclass
class FakeCluster:
    """Answers as confluent-kafka's AdminClient does, from plain tables."""

    committed: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    members: Sequence[Any] = ()
    trouble: list[int] = field(default_factory=list)  # error codes of the next calls
    limits: list[float] = field(default_factory=list)
    bootstraps: list[str] = field(default_factory=list)

    def called(self, limit_s: float) -> None:
        self.limits.append(limit_s)
        if self.trouble:
            raise KafkaException(KafkaError(self.trouble.pop(0)))

    def list_consumer_group_offsets(
        self, wanted: Sequence[Any], *, request_timeout: float
    ) -> Mapping[str, Any]:
        def answer() -> Any:
            self.called(request_timeout)
            places = [TopicPartition(EVENTS, number, offset) for number, offset in self.committed.items()]
            return SimpleNamespace(topic_partitions=places)

        return {wanted[0].group_id: future_of(answer)}

    def list_offsets(self, wanted: Mapping[Any, Any], *, request_timeout: float) -> Mapping[Any, Any]:
        self.called(request_timeout)

        def offset(place: Any, spec: Any) -> Any:
            table = self.starts if spec is kafka._EARLIEST else self.ends
            return SimpleNamespace(offset=table[place.partition])

        return {p: future_of(lambda p=p, s=s: offset(p, s)) for p, s in wanted.items()}  # type: ignore[misc]

    def describe_consumer_groups(self, groups: Sequence[str], *, request_timeout: float) -> Mapping[str, Any]:
        self.called(request_timeout)
        group = SimpleNamespace(
            members=self.members,
            state=ConsumerGroupState.STABLE,
            type=ConsumerGroupType.CLASSIC,
            partition_assignor="range",
            coordinator=SimpleNamespace(id=2),
        )
        return {groups[0]: future_of(lambda: group)}

    def list_topics(self, *topic: str, timeout: float) -> Any:
        self.called(timeout)
        partitions = {
            number: SimpleNamespace(leader=1 + number % 2, replicas=[2, 1], isrs=[2, 1])
            for number in self.ends
        }
        return SimpleNamespace(
            controller_id=1,
            brokers={2: None, 1: None},
            topics={EVENTS: SimpleNamespace(partitions=partitions, error=None)},
        )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster(ends={0: 10, 1: 10, 2: 10}, starts={0: 0, 1: 4, 2: 0})

    def client(bootstrap: str) -> FakeCluster:
        fake.bootstraps.append(bootstrap)
        return fake

    monkeypatch.setattr(kafka, "admin_client", client)
    return fake


def test_probes_go_to_the_brokers_own_addresses_and_to_no_one_else_s(cluster: FakeCluster) -> None:
    KafkaTopics(name="t", topics=(EVENTS,)).read(BROKERS, timeout_s=2)
    assert cluster.bootstraps == ["127.0.0.1:24001,127.0.0.1:24002"]
    with pytest.raises(ProbeError, match="no Kafka"):
        bootstrap_of(stack_of(orders=Address("127.0.0.1", 1)))


def test_lag_is_the_end_minus_what_is_committed(cluster: FakeCluster) -> None:
    cluster.committed = {0: 10, 1: 7}
    assert KafkaLag(name="lag", group="g").read(BROKERS, timeout_s=2) == {
        "group": "g",
        "total": 3,
        "partitions": [
            {"topic": EVENTS, "partition": 0, "committed": 10, "end": 10, "lag": 0},
            {"topic": EVENTS, "partition": 1, "committed": 7, "end": 10, "lag": 3},
        ],
    }


def test_a_partition_without_a_commit_counts_from_its_first_record(cluster: FakeCluster) -> None:
    cluster.committed = {0: 10}
    reading = KafkaLag(name="lag", group="g", topics=(EVENTS,)).read(BROKERS, timeout_s=2)
    assert isinstance(reading, dict)
    assert reading["total"] == 0 + 6 + 10


def test_a_group_that_never_was_has_no_lag_to_tell(cluster: FakeCluster) -> None:
    assert KafkaLag(name="lag", group="g").read(BROKERS, timeout_s=2) == {
        "group": "g",
        "total": 0,
        "partitions": [],
    }


def test_a_group_that_has_read_everything_has_no_unread_partition(cluster: FakeCluster) -> None:
    unread = KafkaUnread(name="unread", lag=KafkaLag(name="lag", group="g"))
    cluster.committed = {0: 10, 1: 7}
    behind = {"topic": EVENTS, "partition": 1, "committed": 7, "end": 10, "lag": 3}
    assert unread.read(BROKERS, timeout_s=2) == [behind]
    cluster.committed = {0: 10, 1: 10}
    assert unread.read(BROKERS, timeout_s=2) == []


def test_members_come_with_what_they_own(cluster: FakeCluster) -> None:
    places = [TopicPartition(EVENTS, 1), TopicPartition(EVENTS, 0)]
    cluster.members = [
        SimpleNamespace(
            member_id="b",
            client_id="c-2",
            group_instance_id=None,
            host="/127.0.0.1",
            assignment=SimpleNamespace(topic_partitions=[]),
        ),
        SimpleNamespace(
            member_id="a",
            client_id="c-1",
            group_instance_id="one",
            host="/127.0.0.1",
            assignment=SimpleNamespace(topic_partitions=places),
        ),
    ]
    reading = KafkaGroup(name="group", group="g").read(BROKERS, timeout_s=2)
    assert isinstance(reading, dict)
    assert (reading["state"], reading["type"], reading["coordinator"]) == ("STABLE", "CLASSIC", 2)
    members = reading["members"]
    assert isinstance(members, list)
    assert members[0] == {
        "id": "a",
        "client": "c-1",
        "instance": "one",
        "host": "/127.0.0.1",
        "partitions": ["order-events-0", "order-events-1"],
    }
    assert len(members) == 2


def test_leaders_and_in_sync_replicas_are_told_for_each_partition(cluster: FakeCluster) -> None:
    reading = KafkaTopics(name="t", topics=(EVENTS,)).read(BROKERS, timeout_s=2)
    assert isinstance(reading, dict)
    assert reading["brokers"] == [1, 2]
    topics = reading["topics"]
    assert isinstance(topics, dict)
    rows = topics[EVENTS]
    assert isinstance(rows, list)
    assert rows[1] == {"partition": 1, "leader": 2, "replicas": [1, 2], "isr": [1, 2]}


def test_a_topic_that_is_not_there_is_an_error_and_not_empty(cluster: FakeCluster) -> None:
    with pytest.raises(ProbeError, match="no topic 'order-evnts'"):
        KafkaTopics(name="t", topics=("order-evnts",)).read(BROKERS, timeout_s=2)


@pytest.mark.parametrize(
    "code", [KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError._TRANSPORT]
)
def test_a_coordinator_that_is_moving_is_asked_again(cluster: FakeCluster, code: int) -> None:
    cluster.committed = {0: 8}
    cluster.trouble = [code]
    reading = KafkaLag(name="lag", group="g").read(BROKERS, timeout_s=5)
    assert isinstance(reading, dict)
    assert reading["total"] == 2


def test_what_does_not_pass_is_told_with_kafka_s_own_words(cluster: FakeCluster) -> None:
    cluster.trouble = [KafkaError.GROUP_AUTHORIZATION_FAILED]
    with pytest.raises(ProbeError, match=r"lag: Kafka could not say committed offsets: .*authorization"):
        KafkaLag(name="lag", group="g").read(BROKERS, timeout_s=5)


def test_one_reading_has_one_limit_for_all_its_calls(cluster: FakeCluster) -> None:
    cluster.committed = {0: 8}
    KafkaLag(name="lag", group="g", topics=(EVENTS,)).read(BROKERS, timeout_s=3)
    assert len(cluster.limits) == 4
    assert all(
        later <= earlier <= 3 for earlier, later in zip(cluster.limits, cluster.limits[1:], strict=False)
    )


def test_a_cluster_that_never_settles_ends_with_the_time_limit(cluster: FakeCluster) -> None:
    cluster.trouble = [KafkaError.NOT_COORDINATOR] * 1000
    with pytest.raises(ProbeError, match="coordinator"):
        KafkaLag(name="lag", group="g").read(BROKERS, timeout_s=0.2)


def test_one_client_is_kept_for_the_same_brokers() -> None:
    kafka.admin_client.cache_clear()
    assert kafka.admin_client("127.0.0.1:24001") is kafka.admin_client("127.0.0.1:24001")
    kafka.admin_client.cache_clear()
