"""Which sagas are worked on now, and by whom.

Sagas come from four sides: a new order's event; recovery, which finds what a crash left and what was parked; the
fallback queue; and the way back, which finds what is to be undone and what has passed its limit. However a saga comes,
a slot is had first and its lease second, so that no lease runs out in a waiting line, and one task works on it until
the saga ends or is put away. A lease is renewed while its task runs.

Slots are kept in three bulkheads (the guide: "Implement Bulkhead Pattern"). Undoing calls the very service whose
failure made it necessary, and would soon hold every slot of a single one; a long queue would do so after an outage.
A saga that turns round therefore gives its slot back and needs another.

The offset of an event is committed once the saga's row says that it was taken up: from then on recovery, and not
redelivery, is what brings it to an end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from target_app.orders.compensation import OrderSagaCompensation
from target_app.orders.orchestrator import OrderSagaOrchestrator
from target_app.orders.payment_queue import PaymentQueue
from target_app.orders.saga import LeaseLost, Saga, Status
from target_app.orders.saga_store import SagaTables
from target_app.orders.settings import OrdersSettings
from target_app.service import trace
from target_app.service.breaker import CircuitBreaker
from target_app.service.bulkhead import Bulkhead
from target_app.service.consumer import Record
from target_app.service.database import DatabaseLost
from target_app.service.events import ORDER_CREATED, Unreadable, decode
from target_app.service.lifecycle import Health
from target_app.service.logs import fields
from target_app.service.metrics import Metrics

log = logging.getLogger(__name__)

Take = Callable[[int], Awaitable[list[Saga]]]
Work = Callable[[Saga], Awaitable[Saga | None]]


class SagaCoordinator:
    """Takes sagas up and keeps their leases. A part of the order service."""

    name = ""

    def __init__(
        self,
        settings: OrdersSettings,
        sagas: SagaTables,
        queue: PaymentQueue,
        breaker: CircuitBreaker,
        orchestrator: OrderSagaOrchestrator,
        compensation: OrderSagaCompensation,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._sagas = sagas
        self._queue = queue
        self._breaker = breaker
        self._orchestrator = orchestrator
        self._compensation = compensation
        self._forward = Bulkhead("orderSaga", settings.bulkhead_order_saga_max_concurrent_calls, metrics)
        self._back = Bulkhead("compensation", settings.bulkhead_compensation_max_concurrent_calls, metrics)
        self._queued = Bulkhead("paymentQueue", settings.bulkhead_payment_queue_max_concurrent_calls, metrics)
        self._held: dict[asyncio.Task[Saga | None], Saga] = {}
        self._loops: list[asyncio.Task[None]] = []
        metrics.gauge("saga.coordinator.active", "Sagas being worked on by this process", lambda: self.active)

    @property
    def active(self) -> int:
        """Sagas being worked on."""
        return len(self._held)

    async def start(self) -> None:
        """Begin with recovery: what the last process left is due as soon as its leases are over."""
        every = self._settings
        self._loops = [
            asyncio.create_task(self._repeat(every.saga_sweep_interval_s, self._recover)),
            asyncio.create_task(self._repeat(every.saga_sweep_interval_s, self._compensate)),
            asyncio.create_task(self._repeat(every.payment_queue_interval_s, self._drain)),
            asyncio.create_task(self._repeat(every.saga_lease_s / 4, self._renew)),
        ]

    async def stop(self) -> None:
        """Take up nothing more, let what runs come to an end for a while, and give up the other leases."""
        for loop in self._loops:
            loop.cancel()
        if self._held:
            await asyncio.wait(self._held, timeout=self._settings.shutdown_grace_s * 0.3)
        left = dict(self._held)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if left:
            log.info("Sagas left to recovery", extra=fields(sagas=len(left)))
            with suppress(DatabaseLost):
                await self._sagas.release([(saga.saga_id, saga.lease) for saga in left.values()])

    async def health(self) -> Health:
        """Not shown: sagas have metrics."""
        return Health()

    async def on_events(self, records: Sequence[Record]) -> None:
        """Take up the sagas of new orders. Returns when each is ours, or was somebody's before."""
        for record in records:
            try:
                event = decode(record.value, record.headers)
            except Unreadable as error:
                log.error(  # noqa: TRY400 - what is wrong is in the record, not in a stack trace
                    "Event processing failed: not an event of ours, skipped",
                    extra=fields(partition=record.partition, offset=record.offset, error=str(error)),
                )
                continue
            if event.event_type != ORDER_CREATED:
                continue
            trace.enter(event.traceparent)
            log.info(
                "Event received: %s",
                event.event_type,
                extra=fields(order_id=event.order_id, saga_id=event.saga_id, event_id=event.event_id),
            )
            await self._take_up_new(event.saga_id)

    async def _take_up_new(self, saga_id: str) -> None:
        await self._take_up(lambda _: self._sagas.take_new(saga_id), self._forward, self._advance, at_most=1)

    async def _recover(self) -> None:
        while await self._take_up(self._sagas.take_due, self._forward, self._advance):
            pass

    async def _compensate(self) -> None:
        while await self._take_up(self._sagas.take_to_undo, self._back, self._compensation.unwind):
            pass

    async def _drain(self) -> None:
        """As fast as the breaker permits: not at all, a few probes at a time, or without a pause.

        Probes are shared with new orders, so the queue tries its share of them and waits for what they bring.
        """
        while self._breaker.may_permit:
            if self._breaker.is_closed:
                if not await self._take_up(self._queue.take_due, self._queued, self._advance):
                    return
                continue
            probes = self._settings.breaker_permitted_calls_in_half_open_state
            tried = await self._take_up(self._queue.take_due, self._queued, self._advance, at_most=probes)
            if not tried:
                return
            await asyncio.wait(tried)
            if not all(task.result() for task in tried if not task.cancelled()):
                return

    async def _renew(self) -> None:
        if held := [(saga.saga_id, saga.lease) for saga in self._held.values()]:
            await self._sagas.renew(held)

    async def _take_up(
        self, take: Take, bulkhead: Bulkhead, work: Work, *, at_most: int | None = None
    ) -> list[asyncio.Task[Saga | None]]:
        """Wait for a slot, take as many sagas as there are slots then, and begin to work on them."""
        slots = await bulkhead.acquire(at_most or bulkhead.max_concurrent_calls)
        sagas: list[Saga] = []
        try:
            sagas = await take(slots)
        finally:
            bulkhead.release(slots - len(sagas))
        return [self._spawn(saga, bulkhead, work) for saga in sagas]

    def _spawn(self, saga: Saga, bulkhead: Bulkhead, work: Work) -> asyncio.Task[Saga | None]:
        """Work on a saga in a slot that has been acquired for it. The task says how it ended, if it did."""
        task = asyncio.create_task(self._contain(saga, work))
        self._held[task] = saga

        def forget(_task: asyncio.Task[Saga | None]) -> None:
            del self._held[task]
            bulkhead.release()

        task.add_done_callback(forget)
        return task

    async def _advance(self, saga: Saga) -> Saga | None:
        after = await self._orchestrator.advance(saga)
        if after is not None and after.status is Status.COMPENSATING:
            if await self._back.try_acquire():
                self._spawn(after, self._back, self._compensation.unwind)
            else:
                await self._sagas.release([(after.saga_id, after.lease)])
        return after

    async def _contain(self, saga: Saga, work: Work) -> Saga | None:
        here = fields(order_id=saga.order_id, saga_id=saga.saga_id)
        try:
            return await work(saga)
        except LeaseLost:
            log.warning("Saga is worked on elsewhere, leaving it", extra=here)
        except DatabaseLost as error:
            log.warning("Saga left to recovery, the database is away: %s", error, extra=here)
        except Exception:
            log.exception("Saga left to recovery after an unexpected error", extra=here)
        return None

    async def _repeat(self, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except DatabaseLost as error:
                log.warning("Database away: %s", error)
            except Exception:
                log.exception("A background round failed, the next one follows")
            await asyncio.sleep(every_s)
