"""The order saga, reserve-inventory → process-payment → confirm-order, in words: steps, states, what can come of them.

Before a step is begun, the saga's row says so: after a crash the row tells what may have happened, and because
every step and every compensation is idempotent, doing it again is always right. `orchestrator` takes a saga
forward, `compensation` takes it back, and `coordinator` decides which sagas are worked on when.

Nobody sleeps over a saga that has to wait: it is put away with the time of its next attempt in its row, where it
survives the process and holds nothing up.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """The steps, in their order."""

    RESERVE_INVENTORY = "reserve-inventory"
    PROCESS_PAYMENT = "process-payment"
    CONFIRM_ORDER = "confirm-order"

    @property
    def following(self) -> "Step | None":
        """The step after this one."""
        return _neighbour(self, 1)

    @property
    def preceding(self) -> "Step | None":
        """The step before this one."""
        return _neighbour(self, -1)


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
        attempts: How often in a row the present step, or its compensation, has failed.
        expires_at: When its limit is reached, on this process's monotonic clock.
        payment_key_suffix: Nothing, but in a planted defect: with it the payment's key is another one.
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
    payment_key_suffix: str = ""

    @property
    def ids(self) -> dict[str, str]:
        """What its lines in the log are found by."""
        return {"order_id": self.order_id, "saga_id": self.saga_id}

    @property
    def payment_key(self) -> str:
        """The idempotency key of the saga's payment, the same on every attempt."""
        return f"{self.saga_id}:{Step.PROCESS_PAYMENT}{self.payment_key_suffix}"


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


def _neighbour(step: Step, distance: int) -> Step | None:
    steps = list(Step)
    place = steps.index(step) + distance
    return steps[place] if 0 <= place < len(steps) else None
