"""The relay: what the outbox holds goes to Kafka, in order, at least once.

One relay works at a time: whoever holds the advisory lock, on a connection kept for it. If that connection
is lost the lock is, too, and the next one may take over. A row is marked as published only after Kafka has
acknowledged it and every earlier event of the same order; a crash in between publishes twice, and consumers
know an event by its id and version.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from json import loads
from typing import Any

from target_app.service.backoff import RECONNECT
from target_app.service.database import Database, DatabaseLost
from target_app.service.events import Event
from target_app.service.lifecycle import Health
from target_app.service.logs import fields
from target_app.service.metrics import Metrics, tags
from target_app.service.producer import EventProducer, NotDelivered

log = logging.getLogger(__name__)

_LOCK = 0x0B0C  # any number that no other advisory lock of this database uses
_LAST_ROUND_S = 1.0  # at the end, for what was written just now; the rest is published after the next start

_UNPUBLISHED = """
SELECT seq, event_id, topic, order_id, saga_id, event_type, version, body, traceparent, occurred_at
FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT $1
"""
_PUBLISHED = "UPDATE outbox SET published_at = now() WHERE seq = ANY ($1::bigint[])"


class OutboxRelay:
    """Publishes the outbox. A part of the order service."""

    name = ""

    def __init__(
        self,
        database: Database,
        producer: EventProducer,
        metrics: Metrics,
        *,
        poll_interval_s: float,
        batch: int,
    ) -> None:
        self._db = database
        self._producer = producer
        self._poll_interval_s = poll_interval_s
        self._batch = batch
        self._news = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None
        self._published = metrics.counter("outbox.published", "Events published by type")

    def wake(self) -> None:
        """There is something in the outbox."""
        self._news.set()

    async def start(self) -> None:
        """Begin relaying."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Publish what is there, once more, and let go of the lock."""
        self._ending = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST_ROUND_S)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def health(self) -> Health:
        """Not shown: the outbox has a metric."""
        return Health()

    async def _run(self) -> None:
        failures = 0
        while not self._ending:
            try:
                async with self._db.connection() as connection:
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                        try:
                            await self._relay(connection)
                        finally:
                            await _unlock(connection)
                failures = 0
            except DatabaseLost as error:
                failures += 1
                log.warning("Outbox relay lost its database", extra=fields(error=str(error)))
            except Exception:
                failures += 1
                log.exception("Outbox relay failed, trying again")
            if not self._ending:
                await asyncio.sleep(RECONNECT.after(failures) if failures else self._poll_interval_s)

    async def _relay(self, connection: Any) -> None:
        failures = 0
        while True:
            self._news.clear()
            rows = await connection.fetch(_UNPUBLISHED, self._batch)
            acknowledged = await self._publish(rows)
            if acknowledged:
                await connection.execute(_PUBLISHED, acknowledged)
            if self._ending:
                return
            if len(acknowledged) < len(rows):
                failures += 1
                await asyncio.sleep(RECONNECT.after(failures))
                continue
            failures = 0
            if len(rows) < self._batch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_interval_s):
                        await self._news.wait()

    async def _publish(self, rows: Sequence[Any]) -> list[int]:
        """The sequence numbers that may be marked as published."""
        events = [(row["seq"], row["topic"], _event(row)) for row in rows]
        reports = [
            self._producer.send(topic, event.key, event.encode(), event.headers) for _, topic, event in events
        ]
        outcomes = await asyncio.gather(*reports, return_exceptions=True)
        acknowledged: list[int] = []
        held_back: set[str] = set()
        for (seq, topic, event), outcome in zip(events, outcomes, strict=True):
            if isinstance(outcome, NotDelivered):
                held_back.add(event.order_id)
                log.warning(
                    "Event not acknowledged, it will be sent again",
                    extra=fields(order_id=event.order_id, event_id=event.event_id, error=str(outcome)),
                )
            elif isinstance(outcome, BaseException):
                raise outcome
            elif event.order_id not in held_back:
                acknowledged.append(seq)
                self._published.add(of=tags(type=event.event_type))
                log.info(
                    "Event published: %s",
                    event.event_type,
                    extra=fields(
                        order_id=event.order_id,
                        saga_id=event.saga_id,
                        event_id=event.event_id,
                        version=event.version,
                        topic=topic,
                        trace_id=event.traceparent[3:35],
                    ),
                )
        return acknowledged


async def _unlock(connection: Any) -> None:
    """Let go of the lock, if need be with the connection: back in the pool it would keep all others from relaying."""
    try:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    except BaseException as error:
        connection.terminate()
        if not isinstance(error, Exception):
            raise


def _event(row: Any) -> Event:
    return Event(
        event_id=row["event_id"],
        event_type=row["event_type"],
        order_id=row["order_id"],
        saga_id=row["saga_id"],
        version=row["version"],
        occurred_at=row["occurred_at"],
        traceparent=row["traceparent"],
        body=loads(row["body"]),
    )
