"""Events: the envelope, the relay's promises, and what the order consumer does with records."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_app.order_consumer.processor import EventProcessor
from target_app.order_consumer.projection import Received
from target_app.orders.outbox import OutboxRelay
from target_app.service.consumer import Record
from target_app.service.events import ORDER_EVENTS_DLQ, Event, Unreadable, decode
from target_app.service.metrics import Metrics
from target_app.service.producer import NotDelivered

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


def event(version: int = 1, order_id: str = "o1", **body: Any) -> Event:
    return Event(
        event_id=f"{order_id}-{version}",
        event_type="OrderCreated",
        order_id=order_id,
        saga_id="s1",
        version=version,
        occurred_at=NOW,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        body={"status": "PENDING", **body},
    )


def record(value: bytes | None, offset: int = 0, headers: Any = ()) -> Record:
    return Record(
        topic="order-events",
        partition=2,
        offset=offset,
        timestamp_ms=0,
        key=b"o1",
        value=value,
        headers=tuple(headers),
    )


@given(NAMES, NAMES, NAMES, st.integers(1, 10**6), st.dictionaries(st.just("reason"), NAMES))
def test_an_event_survives_the_way_through_kafka(
    event_id: str, order_id: str, saga_id: str, version: int, body: dict[str, str]
) -> None:
    sent = Event(
        event_id=event_id,
        event_type="OrderCancelled",
        order_id=order_id,
        saga_id=saga_id,
        version=version,
        occurred_at=NOW,
        body=body,
    )
    assert decode(sent.encode(), sent.headers) == sent


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff",
        event().encode().replace(b'"version":1', b'"version":0'),
        event().encode().replace(b'"o1"', b'""'),
        event().encode().replace(b"2026-01-01T12", b"yesterday"),
        # What PostgreSQL would refuse at every try, with all the records behind it waiting.
        event().encode().replace(b'"version":1', b'"version":true'),
        event().encode().replace(b'"version":1', b'"version":2147483648'),
        event().encode().replace(b'"version":1', b'"version":"%s"' % (b"x" * 800_000)),
        event().encode().replace(b'"o1"', b'"o\\u00001"'),
        event().encode().replace(b'"s1"', b'"\\ud800"'),
        event().encode().replace(b"+00:00", b""),
        b"[" * 200_000,
    ],
)
def test_a_record_that_is_no_event_is_unreadable(value: bytes | None) -> None:
    with pytest.raises(Unreadable) as refused:
        decode(value)
    assert len(str(refused.value)) < 500, "it becomes a header, and a record must fit"


def test_the_headers_carry_id_version_and_trace() -> None:
    headers = dict(event(version=3).headers)
    assert (headers["event-id"], headers["version"]) == (b"o1-3", b"3")
    assert decode(event().encode(), event().headers).traceparent.startswith("00-0af7")


class FakeProducer:
    """Acknowledges everything but the events it is told to lose."""

    def __init__(self, *lost: str) -> None:
        self.lost = lost
        self.sent: list[tuple[str, bytes, dict[str, bytes]]] = []

    def send(self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> Any:
        self.sent.append((topic, value, dict(headers)))
        report = asyncio.get_running_loop().create_future()
        if dict(headers).get("event-id", b"").decode() in self.lost:
            report.set_exception(NotDelivered("no acknowledgement"))
        else:
            report.set_result(None)
        return report


def rows(*events: tuple[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "seq": seq,
            "event_id": f"{order}-{version}",
            "topic": "order-events",
            "order_id": order,
            "saga_id": "s",
            "event_type": "OrderCreated",
            "version": version,
            "body": json.dumps({"status": "PENDING"}),
            "traceparent": "",
            "occurred_at": NOW,
        }
        for seq, (order, version) in enumerate(events, start=1)
    ]


def published(producer: FakeProducer, outbox: Sequence[Any]) -> list[int]:
    relay = OutboxRelay(None, producer, Metrics(), poll_interval_s=1, batch=10)  # type: ignore[arg-type] # no database
    return asyncio.run(relay._publish(outbox))


def test_what_is_acknowledged_is_marked() -> None:
    assert published(FakeProducer(), rows(("a", 1), ("b", 1))) == [1, 2]


def test_an_event_behind_an_unacknowledged_one_of_its_order_is_sent_again_too() -> None:
    outbox = rows(("a", 1), ("b", 1), ("a", 2))
    assert published(FakeProducer("a-1"), outbox) == [2]


def test_events_leave_in_the_order_of_the_outbox() -> None:
    producer = FakeProducer()
    published(producer, rows(("a", 1), ("a", 2), ("a", 3)))
    assert [headers["version"] for _, _, headers in producer.sent] == [b"1", b"2", b"3"]


class FakeProjection:
    def __init__(self) -> None:
        self.applied: list[str] = []

    async def apply(self, item: Received) -> None:
        self.applied.append(item.event.event_id)


def processed(*records: Record, producer: FakeProducer | None = None) -> tuple[list[str], FakeProducer]:
    projection, producer = FakeProjection(), producer or FakeProducer()
    asyncio.run(EventProcessor(projection, producer, Metrics()).on_records(records))  # type: ignore[arg-type] # fakes
    return projection.applied, producer


def test_a_poison_record_is_buried_with_its_origin_and_the_others_take_effect() -> None:
    applied, producer = processed(record(b"poison", offset=7), record(event().encode(), offset=8))
    assert applied == ["o1-1"]
    ((topic, value, headers),) = producer.sent
    assert (topic, value) == (ORDER_EVENTS_DLQ, b"poison")
    assert headers["dlq-original-offset"] == b"7"
    assert headers["dlq-original-partition"] == b"2"


@pytest.mark.parametrize(
    "body",
    [
        {"status": "LOST"},
        {"status": []},
        {"amount_cents": "12"},
        {"amount_cents": True},
        {"amount_cents": 2**63},
        {"customer_id": 5},
        {"customer_id": "a\0b"},
    ],
)
def test_an_event_that_the_read_view_cannot_take_is_buried(body: dict[str, Any]) -> None:
    applied, producer = processed(record(event(**body).encode()), record(event(2).encode()))
    assert (applied, len(producer.sent)) == (["o1-2"], 1)


def test_a_burial_that_is_not_acknowledged_keeps_the_batch_from_being_committed() -> None:
    with pytest.raises(NotDelivered):
        processed(record(b"poison", headers=[("event-id", b"x")]), producer=FakeProducer("x"))
