"""The way back: what a saga has done, or may have done, is undone step by step, the last one first.

The guide: "Implement idempotent compensation operations". A step whose outcome is unknown is undone like one that
succeeded; the callee knows what to do with the undoing of something it never saw. A compensation cannot be refused
and is never given up: one that fails is put away and tried again later, with growing pauses.
"""

import logging
from dataclasses import replace

from target_app.orders.saga import Observer, Saga, SagaStore, Status, Step, Steps, Unsettled
from target_app.service import trace
from target_app.service.backoff import Backoff
from target_app.service.logs import fields
from target_app.variants import Variant

log = logging.getLogger(__name__)


class OrderSagaCompensation:
    """Takes a saga back."""

    def __init__(
        self,
        store: SagaStore,
        steps: Steps,
        observer: Observer,
        backoff: Backoff,
        *,
        variants: frozenset[Variant] = frozenset(),
    ) -> None:
        self._store = store
        self._steps = steps
        self._observer = observer
        self._backoff = backoff
        self._variants = variants

    async def begin(self, saga: Saga, first: Step | None, error: str) -> Saga:
        """Turn a RUNNING saga round: from now on it is COMPENSATING, and `first` is undone first."""
        if (
            first is Step.PROCESS_PAYMENT
            and saga.current_step is Step.CONFIRM_ORDER
            and self._variants
            & {
                Variant.CONFIRM_REFUSAL_KEEPS_PAYMENT,
                Variant.COMPENSATION_IN_WRONG_ORDER,
            }
        ):
            first = Step.RESERVE_INVENTORY
        if first is Step.CONFIRM_ORDER:
            first = Step.PROCESS_PAYMENT  # releasing the stock undoes its sale as well
        if Variant.COMPENSATION_STOPS_HALF_WAY in self._variants and first is Step.RESERVE_INVENTORY:
            first = None
        await self._store.begin_compensation(saga, first, error)
        self._observer.saga_failed(saga.current_step)
        log.warning(
            "Saga failed: compensation begins", extra=fields(**saga.ids, step=saga.current_step, error=error)
        )
        return replace(saga, status=Status.COMPENSATING, compensating_step=first, attempts=0)

    async def begin_past_limit(self, saga: Saga) -> Saga:
        """Turn a saga round whose time is over: its present step may have happened as well."""
        first: Step | None = saga.current_step
        if Variant.UNHEARD_PAYMENT_IS_KEPT in self._variants:
            first = saga.current_step.preceding
        return await self.begin(saga, first, "saga timeout: its limit is reached")

    async def unwind(self, saga: Saga) -> Saga | None:
        """Undo what is left to undo until the saga is COMPENSATED; None if it has been put away to wait.

        Args:
            saga: COMPENSATING, or RUNNING and past its limit.

        Raises:
            LeaseLost: Somebody else has it.
        """
        trace.enter(saga.traceparent)
        if saga.status is Status.RUNNING:
            saga = await self.begin_past_limit(saga)
        while (step := saga.compensating_step) is not None:
            try:
                await self._undo(saga, step)
            except Unsettled as failure:
                log.warning(
                    "Compensation failed, it will be tried again",
                    extra=fields(**saga.ids, step=step, error=str(failure)),
                )
                await self._store.park(saga, self._backoff.after(saga.attempts + 1), str(failure))
                return None
            then = self._following(saga, step)
            await self._store.step_undone(saga, step, then)
            self._observer.saga_compensation_done(step)
            log.info("Compensation of %s done", step, extra=fields(**saga.ids, step=step))
            saga = replace(saga, compensating_step=then, attempts=0)
        await self._store.cancel(saga)
        log.info("Compensation complete, order cancelled", extra=fields(**saga.ids))
        saga = replace(saga, status=Status.COMPENSATED)
        self._observer.saga_ended(saga)
        return saga

    def _following(self, saga: Saga, undone: Step) -> Step | None:
        """What is undone next."""
        wrongly = Variant.COMPENSATION_IN_WRONG_ORDER in self._variants
        if wrongly and saga.current_step is Step.CONFIRM_ORDER:
            return Step.PROCESS_PAYMENT if undone is Step.RESERVE_INVENTORY else None
        return undone.preceding

    async def _undo(self, saga: Saga, step: Step) -> None:
        if step is Step.PROCESS_PAYMENT:
            await self._steps.refund_payment(saga)
        else:
            await self._steps.release_inventory(saga)
