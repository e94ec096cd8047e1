"""Orders, and reading sagas for those who ask how an order is doing.

An order, its saga and its first event are written by one statement: either all three exist or none does.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from target_app.service.database import Database
from target_app.service.events import ORDER_CREATED, ORDER_EVENTS

_CREATE = """
WITH created AS (
    INSERT INTO orders (order_id, customer_id, amount_cents, items, card, request)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, version, event_timestamp, created_at
), saga AS (
    INSERT INTO saga_state (saga_id, order_id, traceparent) SELECT $7, order_id, $8 FROM created
), event AS (
    INSERT INTO outbox (event_id, topic, order_id, saga_id, event_type, version, body, traceparent)
    SELECT $9, $10, order_id, $7, $11, version, $12, $8 FROM created WHERE $13
)
SELECT version, event_timestamp, created_at FROM created
"""

_FIND = """
SELECT orders.order_id, customer_id, orders.status, version, amount_cents, items, request, event_timestamp,
    orders.created_at, saga_id
FROM orders JOIN saga_state USING (order_id) WHERE order_id = $1
"""

_SAGA = """
SELECT saga_id, saga_type, order_id, current_step, status, error_message, created_at, updated_at
FROM saga_state WHERE {column} = $1
"""

_LOG = """
SELECT step_name, status, executed_at, error_message FROM saga_execution_log WHERE saga_id = $1 ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One article of an order."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for."""

    order_id: str
    customer_id: str
    lines: tuple[Line, ...]
    amount_cents: int
    card: str

    @property
    def items(self) -> list[dict[str, Any]]:
        """The lines as JSON."""
        return [{"sku": line.sku, "quantity": line.quantity} for line in self.lines]

    @property
    def event_body(self) -> dict[str, Any]:
        """What its first event tells."""
        return {
            "status": "PENDING",
            "customer_id": self.customer_id,
            "amount_cents": self.amount_cents,
            "items": self.items,
        }

    @property
    def fingerprint(self) -> str:
        """The same for the same request, without keeping a copy of it."""
        content = json.dumps([self.customer_id, self.items, self.amount_cents, self.card])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it is now."""

    order_id: str
    customer_id: str
    status: str
    version: int
    amount_cents: int
    items: Sequence[dict[str, Any]]
    fingerprint: str
    event_timestamp: datetime
    created_at: datetime
    saga_id: str

    @property
    def is_settled(self) -> bool:
        """Whether it will not change any more."""
        return self.status != "PENDING"

    @property
    def headers(self) -> dict[str, str]:
        """What a client needs to recognise a later version, or this one."""
        return {
            "X-Resource-Version": str(self.version),
            "X-Event-Timestamp": self.event_timestamp.isoformat(),
            "ETag": f'"{self.version}"',
        }

    def shown(self) -> dict[str, Any]:
        """What clients are told."""
        return {
            "order_id": self.order_id,
            "customer_id": self.customer_id,
            "status": self.status,
            "version": self.version,
            "amount_cents": self.amount_cents,
            "items": self.items,
            "saga_id": self.saga_id,
            "created_at": self.created_at.isoformat(),
        }


class Orders(Protocol):
    """Where orders are kept."""

    async def create(self, order: NewOrder, traceparent: str) -> Order | None:
        """The new order, or None if its id is taken."""
        ...

    async def find(self, order_id: str) -> Order | None:
        """The order as it is now."""
        ...

    async def saga(self, *, saga_id: str | None = None, order_id: str | None = None) -> dict[str, Any] | None:
        """A saga and its execution log, as JSON."""
        ...


class OrderTables:
    """Orders in PostgreSQL.

    Args:
        database: Where.
        with_event: Whether a new order's event is written with it. Not so in the planted defect
            `publish-outside-transaction`.
    """

    def __init__(self, database: Database, *, with_event: bool = True) -> None:
        self._db = database
        self._with_event = with_event

    async def create(self, order: NewOrder, traceparent: str) -> Order | None:
        """See `Orders.create`."""
        saga_id = str(uuid4())
        items = order.items
        encoded = json.dumps(items)
        row = await self._db.fetchrow(
            _CREATE,
            order.order_id,
            order.customer_id,
            order.amount_cents,
            encoded,
            order.card,
            order.fingerprint,
            saga_id,
            traceparent,
            str(uuid4()),
            ORDER_EVENTS,
            ORDER_CREATED,
            json.dumps(order.event_body),
            self._with_event,
        )
        if row is None:
            return None
        return Order(
            order_id=order.order_id,
            customer_id=order.customer_id,
            status="PENDING",
            version=row["version"],
            amount_cents=order.amount_cents,
            items=items,
            fingerprint=order.fingerprint,
            event_timestamp=row["event_timestamp"],
            created_at=row["created_at"],
            saga_id=saga_id,
        )

    async def find(self, order_id: str) -> Order | None:
        """See `Orders.find`."""
        row = await self._db.fetchrow(_FIND, order_id)
        if row is None:
            return None
        found = dict(row)
        return Order(items=json.loads(found.pop("items")), fingerprint=found.pop("request"), **found)

    async def saga(self, *, saga_id: str | None = None, order_id: str | None = None) -> dict[str, Any] | None:
        """See `Orders.saga`."""
        column, value = ("saga_id", saga_id) if order_id is None else ("order_id", order_id)
        row = await self._db.fetchrow(_SAGA.format(column=column), value)
        if row is None:
            return None
        steps = await self._db.fetch(_LOG, row["saga_id"])
        return {**_plain(row), "steps": [_plain(step) for step in steps]}


def _plain(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
