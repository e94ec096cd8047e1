"""The order saga: reserve-inventory → process-payment → confirm-order, and the way back.

One driver takes a saga from wherever it is to its end, or to a point where it has to wait. Before a step is
begun, the saga's row says so: after a crash the row tells what may have happened, and because every step and
every compensation is idempotent, doing it again is always right. A step whose outcome is unknown is undone
like one that succeeded; the callee knows what to do with the undoing of something it never saw.

- A *refusal* (declined card, no stock) is final: compensate.
- A *technical* failure is tried again a few times and then parked; a payment goes to the fallback queue.
- At the saga's limit whatever has been begun is undone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from target_app.service import events, trace
from target_app.service.backoff import Backoff
from target_app.service.logs import fields
from target_app.variants import Variant

log = logging.getLogger(__name__)


class Step(StrEnum):
    """The steps, in their order."""

    RESERVE_INVENTORY = "reserve-inventory"
    PROCESS_PAYMENT = "process-payment"
    CONFIRM_ORDER = "confirm-order"

    @property
    def following(self) -> "Step | None":
        """The step after this one."""
        steps = list(Step)
        place = steps.index(self) + 1
        return steps[place] if place < len(steps) else None


class Status(StrEnum):
    """The states of a saga, as in `saga_state.status`."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    COMPENSATING = "COMPENSATING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """A saga that this process holds the lease of.

    Attributes:
        lease: Proves that it is ours. Every taking of a saga makes a new one.
        current_step: The step that was begun last.
        compensating_step: While COMPENSATING, the next step to undo; None if all are undone.
        attempts: How often it was parked in a row.
        expires_at: When its limit is reached, on this process's monotonic clock.
    """

    saga_id: str
    order_id: str
    lease: str
    status: Status
    current_step: Step
    compensating_step: Step | None
    attempts: int
    expires_at: float
    amount_cents: int
    card: str
    items: str
    traceparent: str

    @property
    def payment_key(self) -> str:
        """The idempotency key of the saga's payment, the same on every attempt."""
        return f"{self.saga_id}:{Step.PROCESS_PAYMENT}"


class Refused(Exception):  # noqa: N818 - an outcome, as the saga speaks of it
    """A step was refused for good: it had no effect and never will."""


class Unsettled(Exception):  # noqa: N818 - an outcome, as the saga speaks of it
    """A step or a compensation did not come to a known end. Trying again is right."""


class LeaseLost(Exception):  # noqa: N818 - what happened, as the saga speaks of it
    """Somebody else works on this saga by now: leave it alone."""


class Steps(Protocol):
    """The steps' effects on others. Each is idempotent and raises `Refused` or `Unsettled`."""

    async def reserve_inventory(self, saga: Saga) -> None:
        """Hold the order's items."""
        ...

    async def process_payment(self, saga: Saga) -> None:
        """Take the money."""
        ...

    async def confirm_reservation(self, saga: Saga) -> None:
        """Sell what is held."""
        ...

    async def release_inventory(self, saga: Saga) -> None:
        """Put back what is or will be held."""
        ...

    async def refund_payment(self, saga: Saga) -> None:
        """Give back what was or will be taken."""
        ...


class SagaStore(Protocol):
    """Where sagas are kept. Each method is one transaction and raises `LeaseLost` if the saga is not ours."""

    async def step_done(self, saga: Saga, done: Step, begun: Step) -> None:
        """Log that a step is completed and that the next is begun."""
        ...

    async def complete(self, saga: Saga) -> None:
        """Confirm the order, publish it, and finish the saga."""
        ...

    async def begin_compensation(self, saga: Saga, first: Step | None, error: str) -> None:
        """Log the failure of the current step and turn round."""
        ...

    async def step_undone(self, saga: Saga, undone: Step, then: Step | None) -> None:
        """Log and publish a compensation."""
        ...

    async def cancel(self, saga: Saga) -> None:
        """Cancel the order, publish it, and finish the saga."""
        ...

    async def park(self, saga: Saga, delay_s: float, error: str) -> None:
        """Let go of the saga until `delay_s` have passed."""
        ...


class FallbackQueue(Protocol):
    """Where payments wait while the payment service is not well."""

    async def put(self, saga: Saga, error: str) -> None:
        """Queue the saga's payment (again), and let go of the saga: it is PAYMENT_PENDING."""
        ...


class Observer(Protocol):
    """Who counts what becomes of sagas."""

    def saga_failed(self, step: Step) -> None:
        """It has turned round."""
        ...

    def saga_compensation_done(self, step: Step) -> None:
        """One step was undone."""
        ...

    def saga_ended(self, saga: Saga) -> None:
        """It is COMPLETED or COMPENSATED."""
        ...


_UNDOING_EVENT = {
    Step.RESERVE_INVENTORY: events.INVENTORY_COMPENSATED,
    Step.PROCESS_PAYMENT: events.PAYMENT_COMPENSATED,
}


def undoing_event(step: Step) -> str:
    """The event type that tells of a step's compensation."""
    return _UNDOING_EVENT[step]


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How technical failures are tried again, and by which clock.

    Attributes:
        attempts: Tries of a step or compensation before the saga is parked.
        backoff: Pauses between them, and from then on between two rounds of them.
    """

    attempts: int
    backoff: Backoff
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic


class SagaDriver:
    """Takes one saga as far as it will go now."""

    def __init__(
        self,
        store: SagaStore,
        steps: Steps,
        queue: FallbackQueue,
        observer: Observer,
        retries: Retries,
        *,
        variants: frozenset[Variant] = frozenset(),
        wrote_events: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._steps = steps
        self._queue = queue
        self._observer = observer
        self._attempts = retries.attempts
        self._backoff = retries.backoff
        self._sleep = retries.sleep
        self._now = retries.now
        self._variants = variants
        self._wrote_events = wrote_events

    async def drive(self, saga: Saga) -> Saga | None:
        """Work on `saga` until it ends, and return how; or None if it has been put away to wait.

        Raises:
            LeaseLost: Somebody else has it.
        """
        trace.enter(saga.traceparent)
        while saga.status is Status.RUNNING:
            after = await self._forward(saga)
            if after is None:
                return None
            saga = after
        while saga.status is Status.COMPENSATING and saga.compensating_step is not None:
            after = await self._undo(saga, saga.compensating_step)
            if after is None:
                return None
            saga = after
        if saga.status is Status.COMPENSATING:
            await self._store.cancel(saga)
            saga = replace(saga, status=Status.COMPENSATED)
            log.info("Compensation complete, order cancelled", extra=_ids(saga))
        self._wrote_events()
        self._observer.saga_ended(saga)
        return saga

    async def _forward(self, saga: Saga) -> Saga | None:
        step = saga.current_step
        if self._now() >= saga.expires_at:
            return await self._turn_round(saga, step, "saga timeout: its limit is reached")
        try:
            await self._try(saga, step)
        except Refused as refusal:
            log.warning("Saga step failed: %s refused", step, extra=_ids(saga, error=str(refusal)))
            return await self._turn_round(saga, _before(step), str(refusal))
        except Unsettled as failure:
            log.warning("Saga step failed: %s", step, extra=_ids(saga, error=str(failure)))
            await self._put_away(saga, str(failure))
            return None
        if step.following is not None:
            await self._store.step_done(saga, step, step.following)
            return replace(saga, current_step=step.following, attempts=0)
        await self._store.complete(saga)
        return replace(saga, status=Status.COMPLETED)

    async def _try(self, saga: Saga, step: Step) -> None:
        if step is Step.PROCESS_PAYMENT:
            # Not tried again here: that is for the fallback queue to do, when the breaker permits it.
            await self._steps.process_payment(saga)
        elif step is Step.RESERVE_INVENTORY:
            await self._again(lambda: self._steps.reserve_inventory(saga), until=saga.expires_at)
        else:
            await self._again(lambda: self._steps.confirm_reservation(saga), until=saga.expires_at)

    async def _put_away(self, saga: Saga, error: str) -> None:
        if saga.current_step is Step.PROCESS_PAYMENT:
            await self._queue.put(saga, error)
        else:
            await self._store.park(saga, self._backoff.after(saga.attempts + self._attempts), error)

    async def _turn_round(self, saga: Saga, first: Step | None, error: str) -> Saga:
        if first is Step.CONFIRM_ORDER:
            first = Step.PROCESS_PAYMENT  # releasing the stock undoes its sale as well
        if Variant.COMPENSATION_STOPS_HALF_WAY in self._variants and first is Step.RESERVE_INVENTORY:
            first = None
        await self._store.begin_compensation(saga, first, error)
        self._observer.saga_failed(saga.current_step)
        log.warning("Saga failed: compensation begins", extra=_ids(saga, step=saga.current_step, error=error))
        return replace(saga, status=Status.COMPENSATING, compensating_step=first, attempts=0)

    async def _undo(self, saga: Saga, step: Step) -> Saga | None:
        undo = self._steps.refund_payment if step is Step.PROCESS_PAYMENT else self._steps.release_inventory
        try:
            await self._again(lambda: undo(saga))
        except Unsettled as failure:
            log.warning(
                "Compensation failed, it will be tried again", extra=_ids(saga, step=step, error=str(failure))
            )
            await self._store.park(saga, self._backoff.after(saga.attempts + self._attempts), str(failure))
            return None
        then = _before(step)
        await self._store.step_undone(saga, step, then)
        self._observer.saga_compensation_done(step)
        log.info("Compensation of %s done", step, extra=_ids(saga, step=step))
        return replace(saga, compensating_step=then, attempts=0)

    async def _again(self, work: Callable[[], Awaitable[None]], *, until: float | None = None) -> None:
        for attempt in range(1, self._attempts + 1):
            try:
                return await work()
            except Unsettled:
                if attempt == self._attempts or (until is not None and self._now() >= until):
                    raise
            await self._sleep(self._backoff.after(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")


def _before(step: Step) -> Step | None:
    steps = list(Step)
    place = steps.index(step)
    return steps[place - 1] if place else None


def _ids(saga: Saga, **more: object) -> dict[str, object]:
    return fields(order_id=saga.order_id, saga_id=saga.saga_id, **more)
