"""Records are published again where they were, and nobody claims that they were if they were not."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from harness.errors import ConfigError, FaultError
from harness.faults import republished
from harness.faults.republished import Copies, Republished
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack

TOPIC = "events"


def record(partition: int, offset: int, key: bytes = b"k") -> SimpleNamespace:
    values = {"partition": partition, "offset": offset, "key": key, "value": b"v", "headers": [("a", b"1")]}
    return SimpleNamespace(
        error=lambda: None, **{name: (lambda value=value: value) for name, value in values.items()}
    )


def end(partition: int) -> SimpleNamespace:
    return SimpleNamespace(
        error=lambda: KafkaError(KafkaError._PARTITION_EOF), partition=lambda: partition, offset=lambda: 0
    )


class FakeLog:
    """A topic of two partitions that takes what is produced, while its brokers do."""

    def __init__(self) -> None:
        self.given: list[Any] = [record(0, 0, b"a"), end(1), record(0, 1, b"b"), end(0)]
        self.there: list[tuple[int, bytes, bytes, Any]] = []
        self.refuses_after: int | None = None
        self.unreadable: KafkaException | None = None

    def taken(self, partition: int, key: bytes, value: bytes, headers: Any) -> int | None:
        if self.refuses_after is not None and len(self.there) >= self.refuses_after:
            return None
        self.there.append((partition, key, value, headers))
        return sum(place == partition for place, *_ in self.there) + 1  # behind the two that were there


class FakeConsumer:
    log: ClassVar[FakeLog]

    def __init__(self, _config: dict[str, Any]) -> None:
        self._left = list(self.log.given)

    def list_topics(self, topic: str, *, timeout: float) -> Any:
        del timeout
        if self.log.unreadable:
            raise self.log.unreadable
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions={0: None, 1: None})})

    def assign(self, places: list[Any]) -> None:
        assert [place.partition for place in places] == [0, 1]

    def poll(self, _timeout: float) -> Any:
        return self._left.pop(0)

    def close(self) -> None: ...


class FakeProducer:
    log: ClassVar[FakeLog]

    def __init__(self, _config: dict[str, Any]) -> None:
        self._reports: list[Any] = []

    def produce(
        self, topic: str, *, value: bytes, key: bytes, partition: int, headers: Any, on_delivery: Any
    ) -> None:
        assert topic == TOPIC
        offset = self.log.taken(partition, key, value, headers)
        error = KafkaError(KafkaError._MSG_TIMED_OUT) if offset is None else None
        self._reports.append(lambda: on_delivery(error, record(partition, offset or 0)))

    def poll(self, _timeout: float) -> None:
        while self._reports:
            self._reports.pop(0)()

    def flush(self, timeout: float) -> None:
        self.poll(timeout)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> FakeLog:
    made = FakeLog()
    for name, kind in (("Consumer", FakeConsumer), ("Producer", FakeProducer)):
        monkeypatch.setattr(kind, "log", made, raising=False)
        monkeypatch.setattr(republished, name, kind)
    return made


@pytest.mark.usefixtures("log")
def test_it_keeps_the_contract_of_every_fault(stack: FakeStack) -> None:
    keeps_the_contract(Republished(topic=TOPIC, records=3, per_s=1e6), stack)


def test_records_are_published_again_as_they_were_from_the_first_on(stack: FakeStack, log: FakeLog) -> None:
    effect = Republished(topic=TOPIC, records=5, per_s=1e6).inject(stack)
    assert [key for _, key, _, _ in log.there] == [b"a", b"b", b"a", b"b", b"a"]
    assert {(place, value, tuple(headers)) for place, _, value, headers in log.there} == {
        (0, b"v", (("a", b"1"),))
    }
    assert (effect.measured["records"], effect.measured["copied"]) == (5.0, 2.0)


def test_where_they_end_is_told_for_whoever_waits_for_them(stack: FakeStack, log: FakeLog) -> None:
    assert Copies(stack, TOPIC).publish(3).ends == {0: 5}
    assert len(log.there) == 3


def test_one_each_goes_to_every_partition_that_has_records(stack: FakeStack, log: FakeLog) -> None:
    log.given = [record(0, 0, b"a"), record(1, 0, b"c"), end(1), record(0, 1, b"b"), end(0)]
    assert Copies(stack, TOPIC).publish_one_each().records == 2
    assert sorted((place, key) for place, key, _, _ in log.there) == [(0, b"a"), (1, b"c")]


def test_the_rate_is_kept() -> None:
    assert [republished._due(second * 1_000_000_000, 2.0, 5) for second in range(4)] == [1, 3, 5, 5]
    assert republished._due(0, float("inf"), 5) == 5


def test_an_empty_topic_has_nothing_to_publish_again(stack: FakeStack, log: FakeLog) -> None:
    log.given = [end(0), end(1)]
    with pytest.raises(FaultError, match="there is nothing to publish again"):
        Republished(topic=TOPIC, records=3, per_s=1e6).inject(stack)


def test_what_was_not_acknowledged_was_not_published(stack: FakeStack, log: FakeLog) -> None:
    log.refuses_after = 2
    with pytest.raises(FaultError, match=r"2 of 3 records that were published again were acknowledged"):
        Republished(topic=TOPIC, records=3, per_s=1e6).inject(stack)


def test_brokers_that_cannot_be_read_are_told_of(stack: FakeStack, log: FakeLog) -> None:
    log.unreadable = KafkaException(KafkaError(KafkaError._TRANSPORT))
    with pytest.raises(FaultError, match="could not be read"):
        Republished(topic=TOPIC, records=3, per_s=1e6).inject(stack)


@pytest.mark.parametrize("wrong", [{"records": 0}, {"per_s": 0.0}, {"per_s": float("inf")}])
def test_what_changes_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="nothing would be published"):
        Republished(**{"topic": TOPIC, "records": 1, "per_s": 1.0, **wrong})
