"""The way forward: one saga, step by step, to its completion, or to where it has to wait or turn round.

After the guide's "Use Saga Pattern Instead", with what its nested `try` leaves out: an outcome that is not known.

- A *refusal* (declined card, no stock) is final: compensate.
- A *technical* failure is tried again later, with growing pauses; a payment waits in the fallback queue.
- At the saga's limit ("saga timeout policies (e.g., 10 minutes max)") whatever has been begun is undone.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from target_app.orders.compensation import OrderSagaCompensation
from target_app.orders.saga import (
    FallbackQueue,
    Observer,
    Refused,
    Saga,
    SagaStore,
    Status,
    Step,
    Steps,
    Unsettled,
)
from target_app.service import trace
from target_app.service.backoff import Backoff
from target_app.service.logs import fields
from target_app.variants import Variant

log = logging.getLogger(__name__)


class OrderSagaOrchestrator:
    """Takes a saga forward."""

    def __init__(
        self,
        store: SagaStore,
        steps: Steps,
        queue: FallbackQueue,
        compensation: OrderSagaCompensation,
        observer: Observer,
        backoff: Backoff,
        *,
        variants: frozenset[Variant] = frozenset(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._steps = steps
        self._queue = queue
        self._compensation = compensation
        self._observer = observer
        self._backoff = backoff
        self._gives_up = Variant.ERROR_TAKEN_FOR_REFUSAL in variants
        self._now = now

    async def advance(self, saga: Saga) -> Saga | None:
        """Work on a RUNNING saga until it is COMPLETED or COMPENSATING; None if it has been put away to wait.

        Raises:
            LeaseLost: Somebody else has it.
        """
        trace.enter(saga.traceparent)
        while saga.status is Status.RUNNING:
            if self._now() >= saga.expires_at:
                return await self._compensation.begin_past_limit(saga)
            try:
                await self._perform(saga)
            except Refused as refusal:
                log.warning("Saga step failed: %s refused", saga.current_step, extra=_told(saga, refusal))
                return await self._compensation.begin(saga, saga.current_step.preceding, str(refusal))
            except Unsettled as failure:
                log.warning("Saga step failed: %s", saga.current_step, extra=_told(saga, failure))
                if self._gives_up:
                    return await self._compensation.begin(saga, saga.current_step, str(failure))
                await self._put_away(saga, str(failure))
                return None
            saga = await self._proceed(saga)
        self._observer.saga_ended(saga)
        return saga

    async def _perform(self, saga: Saga) -> None:
        match saga.current_step:
            case Step.RESERVE_INVENTORY:
                await self._steps.reserve_inventory(saga)
            case Step.PROCESS_PAYMENT:
                await self._steps.process_payment(saga)
            case Step.CONFIRM_ORDER:
                await self._steps.confirm_reservation(saga)

    async def _put_away(self, saga: Saga, error: str) -> None:
        if saga.current_step is Step.PROCESS_PAYMENT:
            await self._queue.put(saga, error)
        else:
            await self._store.park(saga, self._backoff.after(saga.attempts + 1), error)

    async def _proceed(self, saga: Saga) -> Saga:
        following = saga.current_step.following
        if following is None:
            await self._store.complete(saga)
            return replace(saga, status=Status.COMPLETED)
        await self._store.step_done(saga, saga.current_step, following)
        return replace(saga, current_step=following, attempts=0)


def _told(saga: Saga, error: Exception) -> dict[str, object]:
    return fields(**saga.ids, error=str(error))
