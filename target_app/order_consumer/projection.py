"""The effects of order events: the read view, the record of what was applied, and the customer's confirmation.

They change in one statement, an event at a time. An event takes effect only if its version is above the view's, so a
repetition changes nothing and an event that comes after its successor is left out: its successor already said more.
Offsets are committed for a whole batch later, so a crash in between has events delivered again that had their effect.
"""

from dataclasses import dataclass
from typing import Protocol

from target_app.service.consumer import Record
from target_app.service.database import Database
from target_app.service.events import ORDER_CONFIRMED, Event
from target_app.variants import Variant

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
), told AS (
    INSERT INTO confirmation (order_id, event_id)
    SELECT order_id, $9 FROM moved WHERE $8 = $12
)
INSERT INTO applied_events (order_id, version, event_type, event_id, partition, kafka_offset)
SELECT order_id, $3, $8, $9, $10, $11 FROM moved
"""
# The planted defect `confirmation-per-delivery`: the confirmation asks nobody whether the event is new.
_TELL = "INSERT INTO confirmation (order_id, event_id) VALUES ($1, $2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An event and the record that brought it."""

    event: Event
    record: Record


class Projection(Protocol):
    """Where the effects are kept."""

    async def apply(self, item: Received) -> None:
        """Let it take effect, if it has not yet."""
        ...


class ViewTables:
    """The effects in PostgreSQL."""

    def __init__(self, database: Database, *, variants: frozenset[Variant] = frozenset()) -> None:
        self._db = database
        self._tells_each_delivery = Variant.CONFIRMATION_PER_DELIVERY in variants

    async def apply(self, item: Received) -> None:
        """See `Projection`."""
        event, record = item.event, item.record
        confirming = ORDER_CONFIRMED
        if self._tells_each_delivery:
            confirming = ""
            if event.event_type == ORDER_CONFIRMED:
                await self._db.execute(_TELL, event.order_id, event.event_id)
        await self._db.execute(
            _APPLY,
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
            confirming,
        )

    async def find(self, order_id: str) -> dict[str, object] | None:
        """What the view shows of an order."""
        row = await self._db.fetchrow(
            "SELECT order_id, status, version, amount_cents, customer_id FROM order_view WHERE order_id = $1",
            order_id,
        )
        return None if row is None else dict(row)
