"""The breaker's fallback: payments wait in a table until the payment service is well again.

A queued payment survives its process, is tried again at intervals for as long as its saga lives, and leaves
the queue in the statement that settles its saga, whichever way.
"""

import logging
from collections import deque
from typing import Protocol

from target_app.orders.saga import FallbackQueue, LeaseLost, Saga
from target_app.orders.saga_store import SagaTables
from target_app.service.database import Database
from target_app.service.logs import fields

log = logging.getLogger(__name__)

# A payment is logged as QUEUED when it enters the queue; how often it was tried from there is `attempts`.
_PUT = """
WITH mine AS (
    UPDATE saga_state SET status = 'PAYMENT_PENDING', error_message = $3, updated_at = now(),
        lease_owner = NULL, lease_until = NULL
    WHERE saga_id = $1 AND lease_owner = $2 RETURNING saga_id, order_id, current_step
), queued AS (
    INSERT INTO payment_queue AS queue (saga_id, order_id, last_error, next_attempt_at)
    SELECT saga_id, order_id, $3, now() + make_interval(secs => $4) FROM mine
    ON CONFLICT (saga_id) DO UPDATE SET attempts = queue.attempts + 1, last_error = excluded.last_error,
        next_attempt_at = excluded.next_attempt_at
    RETURNING attempts
), logged AS (
    INSERT INTO saga_execution_log (saga_id, step_name, status, error_message)
    SELECT mine.saga_id, mine.current_step, 'QUEUED', $3 FROM mine, queued WHERE queued.attempts = 0
)
SELECT attempts FROM queued
"""

_PEND = """
UPDATE saga_state SET status = 'PAYMENT_PENDING', error_message = $3, updated_at = now(),
    lease_owner = NULL, lease_until = NULL
WHERE saga_id = $1 AND lease_owner = $2
"""


class PaymentQueue(FallbackQueue, Protocol):
    """A fallback queue that can be drained."""

    async def take_due(self, limit: int) -> list[Saga]:
        """Sagas whose payment shall be tried again now, ours from here on."""
        ...


class DurablePaymentQueue:
    """The queue as a table."""

    def __init__(self, database: Database, sagas: SagaTables, *, retry_interval_s: float) -> None:
        self._db = database
        self._sagas = sagas
        self._retry_interval_s = retry_interval_s

    async def put(self, saga: Saga, error: str) -> None:
        """See `FallbackQueue`."""
        attempts = await self._db.fetchval(_PUT, saga.saga_id, saga.lease, error, self._retry_interval_s)
        if attempts is None:
            raise LeaseLost(f"saga {saga.saga_id} is no longer ours")
        if attempts == 0:
            log.warning(
                "Payment service unavailable, using fallback: payment queued",
                extra=fields(**saga.ids, error=error),
            )

    async def take_due(self, limit: int) -> list[Saga]:
        """See `PaymentQueue`."""
        return await self._sagas.take_queued(limit)


class InMemoryPaymentQueue:
    """The planted defect `fallback-queue-in-memory`: the guide's `paymentQueue.enqueue(request)`, taken at its word.

    It is lost with its process, and a full one drops its oldest entry without a word. Nobody but the saga's limit
    remembers those orders then.
    """

    _ROOM = 10

    def __init__(self, database: Database, sagas: SagaTables) -> None:
        self._db = database
        self._sagas = sagas
        self._waiting: deque[str] = deque(maxlen=self._ROOM)

    async def put(self, saga: Saga, error: str) -> None:
        """See `FallbackQueue`."""
        await self._db.execute(_PEND, saga.saga_id, saga.lease, error)
        self._waiting.append(saga.saga_id)

    async def take_due(self, limit: int) -> list[Saga]:
        """See `PaymentQueue`."""
        due = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        return await self._sagas.take_pending(due) if due else []
