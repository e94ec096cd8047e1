"""Sagas in PostgreSQL.

Every change is one statement, hence one transaction, that begins with `mine`: the saga's row, locked and
changed only if its lease is still ours. Log, order, outbox and queue are changed from what `mine` returns,
so that none of them can happen without the lease. `clock_timestamp()` keeps the log's rows in order.

Sagas are taken up in the order in which they are due. By age, a few old ones that keep failing would be tried again
and again, and the others never.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from target_app.orders.saga import LeaseLost, Saga, Status, Step
from target_app.service.database import Database
from target_app.service.events import (
    COMPENSATION_EVENTS,
    INVENTORY_COMPENSATED,
    ORDER_CANCELLED,
    ORDER_CONFIRMED,
    ORDER_EVENTS,
    PAYMENT_COMPENSATED,
)
from target_app.variants import Variant

_UNDOING_EVENT = {Step.RESERVE_INVENTORY: INVENTORY_COMPENSATED, Step.PROCESS_PAYMENT: PAYMENT_COMPENSATED}

_PAST_LIMIT = "saga.created_at < now() - make_interval(secs => $4)"

_TAKE = """
WITH free AS (
    SELECT saga.saga_id, saga.status AS was, saga.lease_owner AS held_before
    FROM saga_state AS saga {source}
    WHERE {condition} AND (saga.lease_until IS NULL OR saga.lease_until < now())
    ORDER BY {due} LIMIT $3 FOR UPDATE OF saga SKIP LOCKED
), taken AS (
    UPDATE saga_state AS saga SET lease_owner = $1, lease_until = now() + make_interval(secs => $2),
        updated_at = now(), status = CASE saga.status WHEN 'COMPENSATING' THEN saga.status ELSE 'RUNNING' END
    FROM free WHERE saga.saga_id = free.saga_id RETURNING saga.*, free.was, free.held_before
), logged AS (
    INSERT INTO saga_execution_log (saga_id, step_name, status)
    SELECT saga_id, coalesce(compensating_step, current_step),
        CASE was WHEN 'STARTED' THEN 'STARTED' ELSE 'RESUMED' END
    FROM taken WHERE was = 'STARTED' OR held_before IS NOT NULL
)
SELECT taken.saga_id, taken.order_id, taken.status, taken.current_step, taken.compensating_step,
    taken.attempts, taken.traceparent, taken.held_before, orders.amount_cents, orders.card, orders.items,
    extract(epoch FROM now() - taken.created_at)::float8 AS age_s
FROM taken JOIN orders USING (order_id) ORDER BY taken.created_at
"""

_TAKE_NEW = _TAKE.format(
    source="", condition="saga.saga_id = $4 AND saga.status = 'STARTED'", due="saga.next_attempt_at"
)
_TAKE_DUE = _TAKE.format(
    source="",
    condition=f"saga.status = 'RUNNING' AND saga.next_attempt_at <= now() AND NOT {_PAST_LIMIT}",
    due="saga.next_attempt_at",
)
_TAKE_DUE_BUT_LEAVE_EXPIRED = _TAKE.format(  # the planted defect `expired-leases-are-left`
    source="",
    condition=f"saga.status = 'RUNNING' AND saga.next_attempt_at <= now() AND NOT {_PAST_LIMIT}"
    " AND saga.lease_owner IS NULL",
    due="saga.next_attempt_at",
)
_TAKE_TO_UNDO = _TAKE.format(
    source="",
    condition="(saga.status = 'COMPENSATING' AND saga.next_attempt_at <= now()"
    f" OR saga.status IN ('STARTED', 'RUNNING', 'PAYMENT_PENDING') AND {_PAST_LIMIT})",
    due="saga.next_attempt_at",
)
_TAKE_QUEUED = _TAKE.format(
    source="JOIN payment_queue AS queued USING (saga_id)",
    condition="saga.status = 'PAYMENT_PENDING' AND queued.next_attempt_at <= now()",
    due="queued.next_attempt_at",
)
_TAKE_PENDING = _TAKE.format(
    source="",
    condition="saga.status = 'PAYMENT_PENDING' AND saga.saga_id = ANY ($4::text[])",
    due="saga.next_attempt_at",
)

_STEP_DONE = """
WITH mine AS (
    UPDATE saga_state SET current_step = $4, attempts = 0, error_message = NULL, updated_at = now()
    WHERE saga_id = $1 AND lease_owner = $2 RETURNING saga_id
)
INSERT INTO saga_execution_log (saga_id, step_name, status)
SELECT mine.saga_id, row.step, row.status
FROM mine, (VALUES (1, $3, 'COMPLETED'), (2, $4, 'STARTED')) AS row (place, step, status) ORDER BY row.place
RETURNING 1
"""

# Order, saga, log, queue and outbox together: this is the moment in which the saga ends.
_END = """
WITH mine AS (
    UPDATE saga_state SET status = $3, updated_at = now(), lease_owner = NULL, lease_until = NULL,
        compensating_step = NULL
    WHERE saga_id = $1 AND lease_owner = $2 RETURNING saga_id, order_id, traceparent, error_message
), logged AS (
    INSERT INTO saga_execution_log (saga_id, step_name, status) SELECT saga_id, $5, $9 FROM mine
), settled AS (
    UPDATE orders SET status = $4, version = version + 1, updated_at = now(), event_timestamp = now()
    FROM mine WHERE orders.order_id = mine.order_id
    RETURNING orders.order_id, orders.version, orders.amount_cents
), dequeued AS (
    DELETE FROM payment_queue USING mine WHERE payment_queue.saga_id = mine.saga_id
)
INSERT INTO outbox (event_id, topic, order_id, saga_id, event_type, version, body, traceparent)
SELECT $6, $7, settled.order_id, mine.saga_id, $8, settled.version,
    jsonb_strip_nulls(jsonb_build_object(
        'status', $4::text, 'amount_cents', settled.amount_cents, 'reason', mine.error_message)),
    mine.traceparent
FROM mine JOIN settled USING (order_id) RETURNING 1
"""

_BEGIN_COMPENSATION = """
WITH mine AS (
    UPDATE saga_state SET status = 'COMPENSATING', compensating_step = $3, error_message = $5, attempts = 0,
        updated_at = now()
    WHERE saga_id = $1 AND lease_owner = $2 RETURNING saga_id
), dequeued AS (
    DELETE FROM payment_queue USING mine WHERE payment_queue.saga_id = mine.saga_id
)
INSERT INTO saga_execution_log (saga_id, step_name, status, error_message)
SELECT saga_id, $4, 'FAILED', $5 FROM mine RETURNING 1
"""

_STEP_UNDONE = """
WITH mine AS (
    UPDATE saga_state SET compensating_step = $4, attempts = 0, updated_at = now()
    WHERE saga_id = $1 AND lease_owner = $2 RETURNING saga_id, order_id, traceparent
), logged AS (
    INSERT INTO saga_execution_log (saga_id, step_name, status) SELECT saga_id, $3, 'COMPENSATED' FROM mine
)
INSERT INTO outbox (event_id, topic, order_id, saga_id, event_type, version, body, traceparent)
SELECT $5, $6, mine.order_id, mine.saga_id, $7, orders.version, $8, mine.traceparent
FROM mine JOIN orders USING (order_id) RETURNING 1
"""

# Each failed try is logged: its error is gone from the saga's row as soon as the step has succeeded.
_PARK = """
WITH mine AS (
    UPDATE saga_state SET lease_owner = NULL, lease_until = NULL, attempts = attempts + 1, error_message = $3,
        next_attempt_at = now() + make_interval(secs => $4), updated_at = now()
    WHERE saga_id = $1 AND lease_owner = $2 RETURNING saga_id, status, current_step, compensating_step
)
INSERT INTO saga_execution_log (saga_id, step_name, status, error_message)
SELECT saga_id, coalesce(compensating_step, current_step),
    CASE status WHEN 'COMPENSATING' THEN 'COMPENSATION_RETRYING' ELSE 'RETRYING' END, $3
FROM mine RETURNING 1
"""

_RENEW = """
UPDATE saga_state SET lease_until = now() + make_interval(secs => $3)
FROM unnest($1::text[], $2::text[]) AS held (saga_id, lease)
WHERE saga_state.saga_id = held.saga_id AND saga_state.lease_owner = held.lease
"""

_RELEASE = """
UPDATE saga_state SET lease_owner = NULL, lease_until = NULL
FROM unnest($1::text[], $2::text[]) AS held (saga_id, lease)
WHERE saga_state.saga_id = held.saga_id AND saga_state.lease_owner = held.lease
"""


class SagaTables:
    """Sagas, their leases and their log."""

    def __init__(
        self,
        database: Database,
        *,
        lease_s: float,
        timeout_s: float,
        wrote_events: Callable[[], None],
        variants: frozenset[Variant] = frozenset(),
    ) -> None:
        self._db = database
        self._lease_s = lease_s
        self._timeout_s = timeout_s
        self._wrote_events = wrote_events
        self._variants = variants

    # Taking sagas up ---------------------------------------------------------------------------------------

    async def take_new(self, saga_id: str) -> list[Saga]:
        """A saga that has just been created; none if it has been taken up before."""
        return await self._take(_TAKE_NEW, 1, saga_id)

    async def take_due(self, limit: int) -> list[Saga]:
        """Sagas on their way forward whose process died, or whose next attempt is due."""
        leave = Variant.EXPIRED_LEASES_ARE_LEFT in self._variants
        return await self._take(_TAKE_DUE_BUT_LEAVE_EXPIRED if leave else _TAKE_DUE, limit, self._timeout_s)

    async def take_to_undo(self, limit: int) -> list[Saga]:
        """Sagas on their way back whose process died or whose next attempt is due, and all past their limit."""
        return await self._take(_TAKE_TO_UNDO, limit, self._timeout_s)

    async def take_queued(self, limit: int) -> list[Saga]:
        """Sagas whose queued payment is due for another try."""
        return await self._take(_TAKE_QUEUED, limit)

    async def take_pending(self, saga_ids: Sequence[str]) -> list[Saga]:
        """Of these sagas, those that wait for their payment."""
        return await self._take(_TAKE_PENDING, len(saga_ids), saga_ids)

    async def renew(self, held: Sequence[tuple[str, str]]) -> None:
        """Lengthen the leases of (saga, lease) pairs."""
        await self._db.execute(
            _RENEW, [saga for saga, _ in held], [lease for _, lease in held], self._lease_s
        )

    async def release(self, held: Sequence[tuple[str, str]]) -> None:
        """Give up leases in the middle: whoever comes first resumes the sagas."""
        await self._db.execute(_RELEASE, [saga for saga, _ in held], [lease for _, lease in held])

    # Moving a saga on: see `SagaStore` ---------------------------------------------------------------------

    async def step_done(self, saga: Saga, done: Step, begun: Step) -> None:
        """See `SagaStore`."""
        await self._change(_STEP_DONE, saga, done.value, begun.value)

    async def complete(self, saga: Saga) -> None:
        """See `SagaStore`."""
        step = (Step.CONFIRM_ORDER.value, "COMPLETED")
        await self._end(saga, Status.COMPLETED, "CONFIRMED", step, ORDER_CONFIRMED)

    async def cancel(self, saga: Saga) -> None:
        """See `SagaStore`."""
        await self._end(saga, Status.COMPENSATED, "CANCELLED", ("cancel-order", "CANCELLED"), ORDER_CANCELLED)

    async def begin_compensation(self, saga: Saga, first: Step | None, error: str) -> None:
        """See `SagaStore`."""
        await self._change(_BEGIN_COMPENSATION, saga, first and first.value, saga.current_step.value, error)

    async def step_undone(self, saga: Saga, undone: Step, then: Step | None) -> None:
        """See `SagaStore`."""
        body = json.dumps({"step": undone.value})
        await self._change(
            _STEP_UNDONE,
            saga,
            undone.value,
            then and then.value,
            str(uuid4()),
            COMPENSATION_EVENTS,
            _UNDOING_EVENT[undone],
            body,
        )

    async def park(self, saga: Saga, delay_s: float, error: str) -> None:
        """See `SagaStore`."""
        await self._change(_PARK, saga, error, delay_s)

    async def _end(
        self, saga: Saga, status: Status, order_status: str, logged: tuple[str, str], event: str
    ) -> None:
        step, step_status = logged
        event_id = str(uuid4())
        await self._change(
            _END, saga, status.value, order_status, step, event_id, ORDER_EVENTS, event, step_status
        )
        self._wrote_events()

    async def _change(self, statement: str, saga: Saga, *values: Any) -> None:
        if await self._db.fetchval(statement, saga.saga_id, saga.lease, *values) is None:
            raise LeaseLost(f"saga {saga.saga_id} is no longer ours")

    async def _take(self, statement: str, limit: int, *values: Any) -> list[Saga]:
        lease = str(uuid4())
        rows = await self._db.fetch(statement, lease, self._lease_s, limit, *values)
        return [self._saga(row, lease) for row in rows]

    def _saga(self, row: Any, lease: str) -> Saga:
        undoing = row["compensating_step"]
        # Whoever held it before has died with it: who puts a saga away gives its lease up.
        again = row["held_before"] and Variant.CRASH_RESUMES_WITH_A_NEW_PAYMENT_KEY in self._variants
        return Saga(
            saga_id=row["saga_id"],
            order_id=row["order_id"],
            lease=lease,
            status=Status(row["status"]),
            current_step=Step(row["current_step"]),
            compensating_step=Step(undoing) if undoing else None,
            attempts=row["attempts"],
            expires_at=time.monotonic() + self._timeout_s - row["age_s"],
            amount_cents=row["amount_cents"],
            card=row["card"],
            items=row["items"],
            traceparent=row["traceparent"],
            payment_key_suffix=f":{lease}" if again else "",
        )
