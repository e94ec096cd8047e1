"""The payments table. Every change is one statement that says which state it expects."""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from target_app.service.database import Database

_COLUMNS = "payment_id, idempotency_key, provider_key, order_id, amount_cents, card, status, error_message"

# Two requests with one key meet at the unique constraint; the second finds the first one's row.
_BEGIN = f"""
INSERT INTO payment (payment_id, idempotency_key, provider_key, order_id, amount_cents, card, status)
VALUES ($1, $2, $2, $3, $4, $5, 'PENDING') ON CONFLICT (idempotency_key) DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants of this file
_BEGIN_AGAIN = f"""
UPDATE payment SET attempts = attempts + 1 WHERE idempotency_key = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 - see above

# A key that was never seen gets a VOIDED row: its tombstone.
_BAR = f"""
INSERT INTO payment (payment_id, idempotency_key, provider_key, order_id, amount_cents, card, status)
SELECT $1, $2, $2, $3, 0, '', 'VOIDED' WHERE NOT EXISTS (SELECT FROM payment WHERE payment_id = $2)
ON CONFLICT (idempotency_key) DO UPDATE SET updated_at = now(), status =
    CASE WHEN payment.status IN ('PENDING', 'COMPLETED') THEN 'REFUNDING' ELSE payment.status END
RETURNING {_COLUMNS}
"""  # noqa: S608 - see above
_BAR_BY_ID = f"""
UPDATE payment SET updated_at = now(), status =
    CASE WHEN status IN ('PENDING', 'COMPLETED') THEN 'REFUNDING' ELSE status END
WHERE payment_id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 - see above
_OF_ORDER = f"SELECT {_COLUMNS} FROM payment WHERE order_id = $1 ORDER BY created_at"  # noqa: S608 - see above


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One row."""

    payment_id: str
    idempotency_key: str
    provider_key: str
    order_id: str
    amount_cents: int
    card: str
    status: str
    error_message: str | None = None

    def shown(self) -> dict[str, Any]:
        """What clients are told. The card is the provider's business."""
        return {
            "payment_id": self.payment_id,
            "order_id": self.order_id,
            "amount_cents": self.amount_cents,
            "status": self.status,
        }


class Payments(Protocol):
    """Where payments are kept."""

    async def begin(self, *, key: str, order_id: str, amount_cents: int, card: str) -> tuple[Payment, bool]:
        """The payment with this key, made PENDING if there was none; and whether it was made now."""
        ...

    async def use_key(self, payment: Payment, provider_key: str) -> None:
        """Remember another provider key."""
        ...

    async def settle(self, payment: Payment, status: str, error: str | None = None) -> bool:
        """PENDING → `status`. False if it was no longer PENDING."""
        ...

    async def begin_refund(self, *, reference: str, order_id: str) -> Payment:
        """Bar the payment (by id or key) from being completed, whether or not it exists yet."""
        ...

    async def finish_refund(self, payment: Payment, status: str) -> None:
        """REFUNDING → REFUNDED or VOIDED."""
        ...

    async def of_order(self, order_id: str) -> list[Payment]:
        """All payments of an order, oldest first."""
        ...

    async def notified(self, provider_key: str) -> bool:
        """PENDING → COMPLETED because the provider says so by itself. False if it was not PENDING."""
        ...


class PaymentTable:
    """Payments in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def begin(self, *, key: str, order_id: str, amount_cents: int, card: str) -> tuple[Payment, bool]:
        """See `Payments.begin`."""
        row = await self._db.fetchrow(_BEGIN, str(uuid4()), key, order_id, amount_cents, card)
        if row is not None:
            return Payment(**row), True
        return Payment(**await self._db.fetchrow(_BEGIN_AGAIN, key)), False

    async def use_key(self, payment: Payment, provider_key: str) -> None:
        """See `Payments.use_key`."""
        await self._db.execute(
            "UPDATE payment SET provider_key = $2 WHERE payment_id = $1", payment.payment_id, provider_key
        )

    async def settle(self, payment: Payment, status: str, error: str | None = None) -> bool:
        """See `Payments.settle`."""
        done = await self._db.execute(
            "UPDATE payment SET status = $2, error_message = $3, updated_at = now()"
            " WHERE payment_id = $1 AND status = 'PENDING'",
            payment.payment_id,
            status,
            error,
        )
        return done == "UPDATE 1"

    async def begin_refund(self, *, reference: str, order_id: str) -> Payment:
        """See `Payments.begin_refund`."""
        row = await self._db.fetchrow(_BAR, str(uuid4()), reference, order_id)
        if row is None:
            row = await self._db.fetchrow(_BAR_BY_ID, reference)
        return Payment(**row)

    async def finish_refund(self, payment: Payment, status: str) -> None:
        """See `Payments.finish_refund`."""
        await self._db.execute(
            "UPDATE payment SET status = $2, updated_at = now()"
            " WHERE payment_id = $1 AND status = 'REFUNDING'",
            payment.payment_id,
            status,
        )

    async def of_order(self, order_id: str) -> list[Payment]:
        """See `Payments.of_order`."""
        rows = await self._db.fetch(_OF_ORDER, order_id)
        return [Payment(**row) for row in rows]

    async def notified(self, provider_key: str) -> bool:
        """See `Payments.notified`."""
        done = await self._db.execute(
            "UPDATE payment SET status = 'COMPLETED', updated_at = now()"
            " WHERE provider_key = $1 AND status = 'PENDING'",
            provider_key,
        )
        return done != "UPDATE 0"
