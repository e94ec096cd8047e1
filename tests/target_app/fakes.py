"""Stand-ins that behave: a saga store with leases, steps that do as they are told, payments in a dict."""

from collections import Counter
from dataclasses import dataclass, field, replace

from target_app.orders.saga import LeaseLost, Refused, Saga, Status, Step, Unsettled
from target_app.payments.store import Payment
from target_app.service.backoff import Backoff

QUICK = Backoff(first_s=0.1, most_s=1.0)


def saga(**changes: object) -> Saga:
    """A saga that has just been taken up, with an hour left."""
    fresh = Saga(
        saga_id="saga-1",
        order_id="order-1",
        lease="lease-1",
        status=Status.RUNNING,
        current_step=Step.RESERVE_INVENTORY,
        compensating_step=None,
        attempts=0,
        expires_at=3600.0,
        amount_cents=1500,
        card="tok_visa",
        items='[{"sku": "sku-1", "quantity": 2}]',
        traceparent="",
    )
    return replace(fresh, **changes)  # type: ignore[arg-type] # the fields' own names


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeSteps:
    """Does what is asked and notes it; fails with what is scripted, first come first served."""

    script: dict[str, list[Exception]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    def _act(self, name: str) -> None:
        self.asked[name] += 1
        if failures := self.script.get(name):
            raise failures.pop(0)
        self.done.append(name)

    async def reserve_inventory(self, saga: Saga) -> None:
        self._act("reserve")

    async def process_payment(self, saga: Saga) -> None:
        self._act("pay")

    async def confirm_reservation(self, saga: Saga) -> None:
        self._act("confirm")

    async def release_inventory(self, saga: Saga) -> None:
        self._act("release")

    async def refund_payment(self, saga: Saga) -> None:
        self._act("refund")


@dataclass
class FakeSagas:
    """A saga store, a fallback queue and an observer that keep a diary; another owner can take the lease."""

    lease: str = "lease-1"
    diary: list[tuple[str, ...]] = field(default_factory=list)
    parked_s: list[float] = field(default_factory=list)
    ended: list[Status] = field(default_factory=list)

    def _write(self, saga: Saga, *entry: str) -> None:
        if saga.lease != self.lease:
            raise LeaseLost(saga.saga_id)
        self.diary.append(entry)

    async def step_done(self, saga: Saga, done: Step, begun: Step) -> None:
        self._write(saga, "done", done)

    async def complete(self, saga: Saga) -> None:
        self._write(saga, "completed")

    async def begin_compensation(self, saga: Saga, first: Step | None, error: str) -> None:
        self._write(saga, "failed", saga.current_step)

    async def step_undone(self, saga: Saga, undone: Step, then: Step | None) -> None:
        self._write(saga, "undone", undone)

    async def cancel(self, saga: Saga) -> None:
        self._write(saga, "cancelled")

    async def park(self, saga: Saga, delay_s: float, error: str) -> None:
        self._write(saga, "parked")
        self.parked_s.append(delay_s)

    async def put(self, saga: Saga, error: str) -> None:
        self._write(saga, "queued")

    def saga_failed(self, step: Step) -> None:
        self.diary.append(("counted", "failed"))

    def saga_compensation_done(self, step: Step) -> None:
        self.diary.append(("counted", "undone"))

    def saga_ended(self, saga: Saga) -> None:
        self.ended.append(saga.status)

    @property
    def facts(self) -> list[tuple[str, ...]]:
        """The diary without what was only counted."""
        return [entry for entry in self.diary if entry[0] != "counted"]


@dataclass
class FakePayments:
    """The payments table as a dict by key."""

    rows: dict[str, Payment] = field(default_factory=dict)

    attempts: Counter[str] = field(default_factory=Counter)
    refunded_meanwhile: bool = False

    async def begin(self, *, key: str, order_id: str, amount_cents: int, card: str) -> Payment:
        if key not in self.rows:
            self.rows[key] = Payment(
                payment_id=f"id-of-{key}",
                idempotency_key=key,
                provider_key=key,
                order_id=order_id,
                amount_cents=amount_cents,
                card=card,
                status="PENDING",
            )
        return self.rows[key]

    async def use_key(self, payment: Payment, provider_key: str) -> Payment:
        row = replace(self.rows[payment.idempotency_key], provider_key=provider_key)
        self.rows[payment.idempotency_key] = row
        return row

    async def settle(self, payment: Payment, status: str, error: str | None = None) -> Payment:
        if self.refunded_meanwhile:
            await self.begin_refund(reference=payment.idempotency_key, order_id=payment.order_id)
        self.attempts[payment.idempotency_key] += 1
        row = self.rows[payment.idempotency_key]
        if row.status == "PENDING":
            row = replace(row, status=status, error_message=error)
            self.rows[payment.idempotency_key] = row
        return row

    async def unanswered(self, payment: Payment) -> None:
        self.attempts[payment.idempotency_key] += 1

    async def begin_refund(self, *, reference: str, order_id: str) -> Payment:
        by_id = {row.payment_id: key for key, row in self.rows.items()}
        key = by_id.get(reference, reference)
        if key not in self.rows:
            await self.begin(key=key, order_id=order_id, amount_cents=0, card="")
            self.rows[key] = replace(self.rows[key], status="VOIDED")
        elif self.rows[key].status in {"PENDING", "COMPLETED"}:
            self.rows[key] = replace(self.rows[key], status="REFUNDING")
        return self.rows[key]

    async def finish_refund(self, payment: Payment, status: str) -> None:
        self.rows[payment.idempotency_key] = replace(self.rows[payment.idempotency_key], status=status)

    async def of_order(self, order_id: str) -> list[Payment]:
        return [row for row in self.rows.values() if row.order_id == order_id]

    async def notified(self, provider_key: str) -> bool:
        for key, row in self.rows.items():
            if row.provider_key == provider_key and row.status == "PENDING":
                self.rows[key] = replace(row, status="COMPLETED")
                return True
        return False


REFUSED = Refused("402: declined")
SILENT = Unsettled("no answer within 5 s")
