"""What is done with a batch of records: effects for events, the dead-letter topic for what is none.

A record that can never be processed goes to `order-events-dlq` with where it came from and why, and only
once that is acknowledged does the batch count as processed. A failure of the database is no fault of the
record: the whole batch is tried again by the consumer, and what had its effect already has none again.
"""

import logging
from collections.abc import Sequence

from target_app.order_consumer.projection import Projection, Received
from target_app.service import trace
from target_app.service.consumer import Record
from target_app.service.events import ORDER_EVENTS_DLQ, Event, Unreadable, decode, is_text
from target_app.service.logs import fields
from target_app.service.metrics import Metrics, tags
from target_app.service.producer import EventProducer

log = logging.getLogger(__name__)

STATUSES = frozenset({"PENDING", "CONFIRMED", "CANCELLED"})
AMOUNT_MAX = 2**63 - 1


class EventProcessor:
    """Handles the batches of the group `order-processing-group`."""

    def __init__(self, projection: Projection, producer: EventProducer, metrics: Metrics) -> None:
        self._projection = projection
        self._producer = producer
        self._processed = metrics.counter("event.processed", "Events processed, by type")
        self._failed = metrics.counter(
            "event.processing.failed", "Records that went to the dead-letter topic"
        )

    async def on_records(self, records: Sequence[Record]) -> None:
        """Process one batch."""
        batch = []
        for record in records:
            try:
                batch.append(Received(event=_usable(record), record=record))
            except Unreadable as error:
                await self._bury(record, str(error))
        for item in batch:
            event = item.event
            trace.enter(event.traceparent)
            await self._projection.apply(item)
            self._processed.add(of=tags(type=event.event_type))
            log.info(
                "Event received: %s",
                event.event_type,
                extra=fields(
                    order_id=event.order_id,
                    saga_id=event.saga_id,
                    event_id=event.event_id,
                    version=event.version,
                    partition=item.record.partition,
                    offset=item.record.offset,
                ),
            )

    async def _bury(self, record: Record, reason: str) -> None:
        key = record.key or b""
        log.error(
            "Event processing failed: sent to the dead-letter topic",
            extra=fields(
                order_id=key.decode(errors="replace"),
                partition=record.partition,
                offset=record.offset,
                error=reason,
            ),
        )
        headers = [(name, value) for name, value in record.headers if value is not None]
        headers += [
            ("dlq-original-topic", record.topic.encode()),
            ("dlq-original-partition", str(record.partition).encode()),
            ("dlq-original-offset", str(record.offset).encode()),
            ("dlq-exception", reason.encode()),
        ]
        await self._producer.send(ORDER_EVENTS_DLQ, key, record.value or b"", headers)
        self._failed.add()


def _usable(record: Record) -> Event:
    """The event in a record, with a body that the read view takes."""
    event = decode(record.value, record.headers)
    status, amount, customer = (event.body.get(name) for name in ("status", "amount_cents", "customer_id"))
    if not isinstance(status, str) or status not in STATUSES:
        raise Unreadable(f"status is {status!r:.100}, wanted one of {', '.join(sorted(STATUSES))}")
    if amount is not None and (type(amount) is not int or abs(amount) > AMOUNT_MAX):
        raise Unreadable(f"amount_cents is {amount!r:.100}, wanted an integer of 64 bits")
    if customer is not None and not is_text(customer):
        raise Unreadable(f"customer_id is {customer!r:.100}, wanted a text")
    return event
