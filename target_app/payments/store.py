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
_FIND = f"SELECT {_COLUMNS} FROM payment WHERE idempotency_key = $1"  # noqa: S608 - see above
_USE_KEY = f"""
UPDATE payment SET provider_key = $2, updated_at = now() WHERE payment_id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 - see above

# The request that brought the answer is counted, even where a refund or a notification was quicker: then the answer
# changes nothing else, and what that left is what counts.
_SETTLE = f"""
UPDATE payment SET attempts = attempts + 1, updated_at = now(),
    status = CASE status WHEN 'PENDING' THEN $2 ELSE status END,
    error_message = CASE status WHEN 'PENDING' THEN $3 ELSE error_message END
WHERE payment_id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608 - see above
_UNANSWERED = "UPDATE payment SET attempts = attempts + 1, updated_at = now() WHERE payment_id = $1"

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

    async def begin(self, *, key: str, order_id: str, amount_cents: int, card: str) -> Payment:
        """The payment with this key, made PENDING if there was none."""
        ...

    async def use_key(self, payment: Payment, provider_key: str) -> Payment:
        """Remember another provider key."""
        ...

    async def settle(self, payment: Payment, status: str, error: str | None = None) -> Payment:
        """Count a request that was answered. PENDING → `status`; any other status stays what it is."""
        ...

    async def unanswered(self, payment: Payment) -> None:
        """Count a request that went out and brought no usable answer."""
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

    async def begin(self, *, key: str, order_id: str, amount_cents: int, card: str) -> Payment:
        """See `Payments.begin`."""
        row = await self._db.fetchrow(_BEGIN, str(uuid4()), key, order_id, amount_cents, card)
        return Payment(**(row or await self._db.fetchrow(_FIND, key)))

    async def use_key(self, payment: Payment, provider_key: str) -> Payment:
        """See `Payments.use_key`."""
        return Payment(**await self._db.fetchrow(_USE_KEY, payment.payment_id, provider_key))

    async def settle(self, payment: Payment, status: str, error: str | None = None) -> Payment:
        """See `Payments.settle`."""
        return Payment(**await self._db.fetchrow(_SETTLE, payment.payment_id, status, error))

    async def unanswered(self, payment: Payment) -> None:
        """See `Payments.unanswered`."""
        await self._db.execute(_UNANSWERED, payment.payment_id)

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
