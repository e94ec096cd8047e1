"""Every record up to the end, and an end that was not reached is an error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from harness.errors import ProbeError
from harness.probes import kafka_records
from harness.probes.kafka_records import KafkaRecords
from harness.stack import Address
from tests.probes.fake_target import stack_of

STACK = stack_of(kafka_1=Address("127.0.0.1", 24001), orders=Address("127.0.0.1", 24010))
RECORDS = KafkaRecords(name="records", topics=("events",), headers=("event-id",))


@dataclass
class FakeMessage:
    """As confluent-kafka gives one: a record, or word that a partition is at its end, or trouble."""

    partition_: int = 0
    offset_: int = 0
    code: int | None = None
    key_: bytes | None = b"o1"
    headers_: Sequence[tuple[str, bytes | None]] = (("event-id", b"e1"),)

    def error(self) -> KafkaError | None:
        return None if self.code is None else KafkaError(self.code)

    def topic(self) -> str:
        return "events"

    def partition(self) -> int:
        return self.partition_

    def offset(self) -> int:
        return self.offset_

    def leader_epoch(self) -> int:
        return 3

    def key(self) -> bytes | None:
        return self.key_

    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        return self.headers_

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_790_000_000_000


def end(partition: int) -> FakeMessage:
    return FakeMessage(partition, code=KafkaError._PARTITION_EOF)


@dataclass
class FakeConsumer:
    """Gives what it was told to give, a batch a call; it forgets nothing of how it was configured and used."""

    batches: list[list[FakeMessage]] = field(default_factory=list)
    partitions: int = 2
    config: dict[str, Any] = field(default_factory=dict)
    assigned: list[TopicPartition] = field(default_factory=list)
    closed: bool = False

    def list_topics(self, topic: str, timeout: float) -> Any:
        del timeout
        error = None if topic == "events" else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        there = SimpleNamespace(partitions=dict.fromkeys(range(self.partitions)), error=error)
        return SimpleNamespace(topics={topic: there})

    def assign(self, places: list[TopicPartition]) -> None:
        self.assigned = places

    def consume(self, most: int, timeout: float) -> list[FakeMessage]:
        assert most > 0
        assert timeout > 0
        return self.batches.pop(0) if self.batches else []

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    fake = FakeConsumer()

    def made(config: dict[str, Any]) -> FakeConsumer:
        fake.config = config
        return fake

    monkeypatch.setattr(kafka_records, "Consumer", made)
    return fake


def test_a_row_is_what_kafka_keeps_of_a_record_in_the_order_of_place(consumer: FakeConsumer) -> None:
    consumer.batches = [[FakeMessage(1, 0), FakeMessage(0, 4), end(1)], [FakeMessage(0, 3), end(0)]]
    rows: Any = RECORDS.read(STACK, timeout_s=2)
    first = {"topic": "events", "partition": 0, "offset": 3, "epoch": 3, "key": "o1"}
    assert rows[0] == {**first, "timestamp_ms": 1_790_000_000_000, "event-id": "e1"}
    assert [(row["partition"], row["offset"]) for row in rows] == [(0, 3), (0, 4), (1, 0)]
    assert consumer.closed


def test_a_record_without_a_key_or_the_header_has_neither(consumer: FakeConsumer) -> None:
    consumer.partitions = 1
    consumer.batches = [[FakeMessage(key_=None, headers_=()), end(0)]]
    rows: Any = RECORDS.read(STACK, timeout_s=2)
    [row] = rows
    assert (row["key"], row["event-id"]) == ("", "")


def test_it_reads_past_the_links_from_the_beginning_and_leaves_no_trace(consumer: FakeConsumer) -> None:
    consumer.batches = [[end(0), end(1)]]
    assert RECORDS.read(STACK, timeout_s=2) == []
    assert consumer.config["bootstrap.servers"] == "127.0.0.1:24001"
    assert consumer.config["enable.auto.commit"] is False
    assert [(place.partition, place.offset) for place in consumer.assigned] == [(0, -2), (1, -2)]


def test_an_end_that_was_not_reached_is_an_error_and_not_a_shorter_list(consumer: FakeConsumer) -> None:
    consumer.batches = [[FakeMessage(0), end(0)]]
    with pytest.raises(ProbeError, match="1 records were read in time, and the end of events-1 was not"):
        RECORDS.read(STACK, timeout_s=0.05)
    assert consumer.closed


def test_trouble_that_passes_is_waited_out_and_other_trouble_told(consumer: FakeConsumer) -> None:
    consumer.partitions = 1
    passing = KafkaException(KafkaError(KafkaError._TRANSPORT, retriable=True)).args[0]
    message = FakeMessage(code=KafkaError._TRANSPORT)
    message.error = lambda: passing  # type: ignore[method-assign]
    consumer.batches = [[message], [FakeMessage(), end(0)]]
    rows: Any = RECORDS.read(STACK, timeout_s=2)
    assert len(rows) == 1
    consumer.batches = [[FakeMessage(code=KafkaError.TOPIC_AUTHORIZATION_FAILED)]]
    with pytest.raises(ProbeError, match=r"Kafka could not give events: .*authorization"):
        RECORDS.read(STACK, timeout_s=2)


def test_a_topic_that_is_not_there_is_an_error(consumer: FakeConsumer) -> None:
    del consumer
    with pytest.raises(ProbeError, match="there is no topic 'evnts'"):
        KafkaRecords(name="records", topics=("evnts",)).read(STACK, timeout_s=2)
