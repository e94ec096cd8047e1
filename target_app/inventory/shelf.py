"""Holding, selling and putting back stock, once per order however often it is asked for.

Every operation first locks the order's row, then the stock rows in the order of their SKUs, so that two
operations never wait for each other in a circle. A release of an order that was never seen leaves a row
behind, its tombstone: the reservation that is still under way somewhere is refused when it arrives.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import asyncpg

from target_app.service.database import Database
from target_app.variants import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """So many units of one article."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What is, or was, held for an order."""

    order_id: str
    status: str
    items: tuple[Item, ...] = ()

    def shown(self) -> dict[str, Any]:
        """What clients are told."""
        return {
            "order_id": self.order_id,
            "status": self.status,
            "items": [{"sku": item.sku, "quantity": item.quantity} for item in self.items],
        }


class OutOfStock(Exception):  # noqa: N818 - what the shelf is, as a caller speaks of it
    """Not enough of an article, or no such article."""


class Shelf(Protocol):
    """Where stock is kept."""

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        """Hold the items; the reservation there is already, if any."""
        ...

    async def confirm(self, order_id: str) -> Reservation | None:
        """RESERVED → CONFIRMED; whatever there is otherwise."""
        ...

    async def release(self, order_id: str) -> Reservation:
        """Put everything back, for good."""
        ...

    async def find(self, order_id: str) -> Reservation | None:
        """The order's reservation."""
        ...

    async def supply(self, sku: str, available: int) -> None:
        """Make so many units of an article available."""
        ...

    async def stock(self) -> list[dict[str, Any]]:
        """All articles."""
        ...


# Each moves units between two columns of every stock row that the order's items name.
_TAKE = """
UPDATE stock SET available = available - item.quantity, reserved = reserved + item.quantity
FROM unnest($1::text[], $2::bigint[]) AS item (sku, quantity) WHERE stock.sku = item.sku
"""
_SELL = """
UPDATE stock SET reserved = reserved - item.quantity, sold = sold + item.quantity
FROM unnest($1::text[], $2::bigint[]) AS item (sku, quantity) WHERE stock.sku = item.sku
"""
_PUT_BACK = """
UPDATE stock SET reserved = reserved - item.quantity, available = available + item.quantity
FROM unnest($1::text[], $2::bigint[]) AS item (sku, quantity) WHERE stock.sku = item.sku
"""
_TAKE_BACK = """
UPDATE stock SET sold = sold - item.quantity, available = available + item.quantity
FROM unnest($1::text[], $2::bigint[]) AS item (sku, quantity) WHERE stock.sku = item.sku
"""


class StockTables:
    """Stock in PostgreSQL."""

    def __init__(self, database: Database, *, variants: frozenset[Variant] = frozenset()) -> None:
        self._db = database
        self._puts_back_one = Variant.RELEASE_PUTS_BACK_ONE in variants

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        """See `Shelf.reserve`. A refusal is kept too, so that a later repetition cannot succeed."""
        wanted = _merged(items)
        try:
            async with self._db.connection() as connection, connection.transaction():
                is_new = await connection.fetchval(
                    "INSERT INTO reservation (order_id, status, items) VALUES ($1, 'RESERVED', $2)"
                    " ON CONFLICT (order_id) DO NOTHING RETURNING true",
                    order_id,
                    _encode(wanted),
                )
                if not is_new:
                    return _present(await self._locked(connection, order_id))
                await self._move(connection, _TAKE, wanted)
                return Reservation(order_id=order_id, status="RESERVED", items=wanted)
        except (OutOfStock, asyncpg.CheckViolationError):
            status = await self._db.fetchval(
                "INSERT INTO reservation (order_id, status) VALUES ($1, 'REFUSED')"
                " ON CONFLICT (order_id) DO UPDATE SET updated_at = now() RETURNING status",
                order_id,
            )
            return Reservation(order_id=order_id, status=status)

    async def confirm(self, order_id: str) -> Reservation | None:
        """See `Shelf.confirm`."""
        async with self._db.connection() as connection, connection.transaction():
            found = await self._locked(connection, order_id)
            if found is None or found.status != "RESERVED":
                return found
            await self._move(connection, _SELL, found.items)
            await self._mark(connection, order_id, "CONFIRMED")
            return Reservation(order_id=order_id, status="CONFIRMED", items=found.items)

    async def release(self, order_id: str) -> Reservation:
        """See `Shelf.release`."""
        async with self._db.connection() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO reservation (order_id, status) VALUES ($1, 'RELEASED')"
                " ON CONFLICT (order_id) DO NOTHING",
                order_id,
            )
            found = _present(await self._locked(connection, order_id))
            if found.status in {"RESERVED", "CONFIRMED"}:
                items = found.items
                if self._puts_back_one:
                    items = tuple(replace(item, quantity=1) for item in items)
                await self._move(connection, _PUT_BACK if found.status == "RESERVED" else _TAKE_BACK, items)
                await self._mark(connection, order_id, "RELEASED")
            return Reservation(order_id=order_id, status="RELEASED", items=found.items)

    async def find(self, order_id: str) -> Reservation | None:
        """See `Shelf.find`."""
        row = await self._db.fetchrow("SELECT status, items FROM reservation WHERE order_id = $1", order_id)
        return None if row is None else _reservation(order_id, row)

    async def supply(self, sku: str, available: int) -> None:
        """See `Shelf.supply`."""
        await self._db.execute(
            "INSERT INTO stock (sku, supplied, available) VALUES ($1, $2, $2) ON CONFLICT (sku) DO UPDATE"
            " SET available = $2, supplied = $2 + stock.reserved + stock.sold",
            sku,
            available,
        )

    async def stock(self) -> list[dict[str, Any]]:
        """See `Shelf.stock`."""
        rows = await self._db.fetch("SELECT sku, supplied, available, reserved, sold FROM stock ORDER BY sku")
        return [dict(row) for row in rows]

    async def _locked(self, connection: Any, order_id: str) -> Reservation | None:
        row = await connection.fetchrow(
            "SELECT status, items FROM reservation WHERE order_id = $1 FOR UPDATE", order_id
        )
        return None if row is None else _reservation(order_id, row)

    async def _move(self, connection: Any, statement: str, items: Sequence[Item]) -> None:
        skus = [item.sku for item in items]
        if len(skus) > 1:
            await connection.execute("SELECT FROM stock WHERE sku = ANY ($1) ORDER BY sku FOR UPDATE", skus)
        done = await connection.execute(statement, skus, [item.quantity for item in items])
        if done != f"UPDATE {len(skus)}":
            raise OutOfStock(f"not every one of {skus} is an article of ours")

    async def _mark(self, connection: Any, order_id: str, status: str) -> None:
        await connection.execute(
            "UPDATE reservation SET status = $2, updated_at = now(),"
            " confirmed_at = CASE $2 WHEN 'CONFIRMED' THEN now() ELSE confirmed_at END WHERE order_id = $1",
            order_id,
            status,
        )


def _present(found: Reservation | None) -> Reservation:
    if found is None:
        raise AssertionError("rows of this table are never deleted, and this one was there a moment ago")
    return found


def _merged(items: Sequence[Item]) -> tuple[Item, ...]:
    """One item per SKU: an UPDATE touches a row once, however often it is named."""
    totals: dict[str, int] = {}
    for item in items:
        totals[item.sku] = totals.get(item.sku, 0) + item.quantity
    return tuple(Item(sku=sku, quantity=quantity) for sku, quantity in sorted(totals.items()))


def _encode(items: Sequence[Item]) -> str:
    return json.dumps([{"sku": item.sku, "quantity": item.quantity} for item in items])


def _reservation(order_id: str, row: Any) -> Reservation:
    items = tuple(Item(**item) for item in json.loads(row["items"]))
    return Reservation(order_id=order_id, status=row["status"], items=items)
