from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType, KafkaError, KafkaException, TopicPartition

from harness.errors import ProbeError
from harness.probes import kafka
from harness.probes.kafka import KafkaGroup, bootstrap_of
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

    members: Sequence[Any] = ()
    trouble: list[int] = field(default_factory=list)  # error codes of the next calls
    limits: list[float] = field(default_factory=list)
    bootstraps: list[str] = field(default_factory=list)

    def called(self, limit_s: float) -> None:
        self.limits.append(limit_s)
        if self.trouble:
            raise KafkaException(KafkaError(self.trouble.pop(0)))

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


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()

    def client(bootstrap: str) -> FakeCluster:
        fake.bootstraps.append(bootstrap)
        return fake

    monkeypatch.setattr(kafka, "admin_client", client)
    return fake


def test_probes_go_to_the_brokers_own_addresses_and_to_no_one_else_s(cluster: FakeCluster) -> None:
    KafkaGroup(name="group", group="g").read(BROKERS, timeout_s=2)
    assert cluster.bootstraps == ["127.0.0.1:24001,127.0.0.1:24002"]
    with pytest.raises(ProbeError, match="no Kafka"):
        bootstrap_of(stack_of(orders=Address("127.0.0.1", 1)), "group")


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


@pytest.mark.parametrize(
    "code", [KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError._TRANSPORT]
)
def test_a_coordinator_that_is_moving_is_asked_again(cluster: FakeCluster, code: int) -> None:
    cluster.trouble = [code]
    reading = KafkaGroup(name="group", group="g").read(BROKERS, timeout_s=5)
    assert isinstance(reading, dict)
    assert reading["state"] == "STABLE"


def test_what_does_not_pass_is_told_with_kafka_s_own_words(cluster: FakeCluster) -> None:
    cluster.trouble = [KafkaError.GROUP_AUTHORIZATION_FAILED]
    with pytest.raises(ProbeError, match=r"group: Kafka could not say who is in the group: .*authorization"):
        KafkaGroup(name="group", group="g").read(BROKERS, timeout_s=5)


def test_one_reading_has_one_limit_for_all_its_calls(cluster: FakeCluster) -> None:
    cluster.trouble = [KafkaError.NOT_COORDINATOR] * 3
    KafkaGroup(name="group", group="g").read(BROKERS, timeout_s=3)
    assert len(cluster.limits) == 4
    assert all(
        later <= earlier <= 3 for earlier, later in zip(cluster.limits, cluster.limits[1:], strict=False)
    )


def test_a_cluster_that_never_settles_ends_with_the_time_limit(cluster: FakeCluster) -> None:
    cluster.trouble = [KafkaError.NOT_COORDINATOR] * 1000
    with pytest.raises(ProbeError, match="coordinator"):
        KafkaGroup(name="group", group="g").read(BROKERS, timeout_s=0.2)


def test_one_client_is_kept_for_the_same_brokers() -> None:
    kafka.admin_client.cache_clear()
    assert kafka.admin_client("127.0.0.1:24001") is kafka.admin_client("127.0.0.1:24001")
    kafka.admin_client.cache_clear()
