"""The effects of order events: the read view and the record of what was applied.

View and record change in one statement. An event takes effect only if its version is above the view's, so a
repetition changes nothing and an event that comes after its successor is left out: its successor already
said more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from target_app.service.consumer import Record
from target_app.service.database import Database
from target_app.service.events import Event

_APPLY = """
WITH moved AS (
    INSERT INTO order_view AS shown
        (order_id, status, version, amount_cents, customer_id, saga_id, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, version = excluded.version,
        amount_cents = coalesce(excluded.amount_cents, shown.amount_cents),
        customer_id = coalesce(excluded.customer_id, shown.customer_id),
        occurred_at = excluded.occurred_at, updated_at = now()
    WHERE shown.version < excluded.version RETURNING order_id
)
INSERT INTO applied_events (order_id, version, event_type, event_id, partition, kafka_offset)
SELECT order_id, $3, $8, $9, $10, $11 FROM moved
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An event and the record that brought it."""

    event: Event
    record: Record


class Projection(Protocol):
    """Where the effects are kept."""

    async def apply(self, batch: Sequence[Received]) -> None:
        """Let all of them take effect, or none, in their order."""
        ...


class ViewTables:
    """The effects in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def apply(self, batch: Sequence[Received]) -> None:
        """See `Projection`. The batch is sent in one go and is one transaction."""
        async with self._db.connection() as connection:
            await connection.executemany(_APPLY, [_values(item) for item in batch])

    async def find(self, order_id: str) -> dict[str, object] | None:
        """What the view shows of an order."""
        row = await self._db.fetchrow(
            "SELECT order_id, status, version, amount_cents, customer_id FROM order_view WHERE order_id = $1",
            order_id,
        )
        return None if row is None else dict(row)


def _values(item: Received) -> tuple[object, ...]:
    event, record = item.event, item.record
    return (
        event.order_id,
        event.body["status"],
        event.version,
        event.body.get("amount_cents"),
        event.body.get("customer_id"),
        event.saga_id,
        event.occurred_at,
        event.event_type,
        event.event_id,
        record.partition,
        record.offset,
    )
