"""Which sagas are worked on now, and by whom.

Sagas come from three sides: a new order's event; the sweep, which finds what a crash left, what was parked
and what has passed its limit; and the fallback queue. However it comes, a saga is taken by a lease in its
row, driven as one task, and the number of tasks is bounded. A lease is renewed while its task runs.

The offset of an event is committed once the saga's row says that it was taken up: from then on recovery,
and not redelivery, is what brings it to an end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from target_app.orders.payment_queue import PaymentQueue
from target_app.orders.saga import LeaseLost, Saga, SagaDriver
from target_app.orders.saga_store import SagaTables
from target_app.orders.settings import OrdersSettings
from target_app.service import trace
from target_app.service.consumer import Record
from target_app.service.database import DatabaseLost
from target_app.service.events import ORDER_CREATED, Unreadable, decode
from target_app.service.lifecycle import Health
from target_app.service.logs import fields

log = logging.getLogger(__name__)


class SagaCoordinator:
    """Takes sagas up and keeps their leases. A part of the order service."""

    name = ""

    def __init__(
        self, settings: OrdersSettings, sagas: SagaTables, queue: PaymentQueue, driver: SagaDriver
    ) -> None:
        self._settings = settings
        self._sagas = sagas
        self._queue = queue
        self._driver = driver
        self._slots = asyncio.Semaphore(settings.saga_concurrency)
        self._driven: dict[asyncio.Task[bool], Saga] = {}
        self._loops: list[asyncio.Task[None]] = []

    @property
    def active(self) -> int:
        """Sagas being worked on."""
        return len(self._driven)

    async def start(self) -> None:
        """Begin with recovery: what the last process left is due as soon as its leases are over."""
        every = self._settings
        self._loops = [
            asyncio.create_task(self._repeat(every.saga_sweep_interval_s, self._sweep)),
            asyncio.create_task(self._repeat(every.payment_queue_interval_s, self._drain)),
            asyncio.create_task(self._repeat(every.saga_lease_s / 4, self._renew)),
        ]

    async def stop(self) -> None:
        """Take up nothing more, let what runs come to an end for a while, and give up the other leases."""
        for loop in self._loops:
            loop.cancel()
        if self._driven:
            await asyncio.wait(self._driven, timeout=self._settings.shutdown_grace_s * 0.3)
        left = dict(self._driven)
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
            await self._slots.acquire()
            try:
                saga = await self._sagas.take_new(event.saga_id)
            except BaseException:
                self._slots.release()
                raise
            if saga is None:
                self._slots.release()
            else:
                self._spawn(saga)

    async def _sweep(self) -> None:
        for saga in await self._sagas.take_due(self._free_slots()):
            await self._slots.acquire()
            log.info("Saga taken up again", extra=fields(order_id=saga.order_id, saga_id=saga.saga_id))
            self._spawn(saga)

    async def _drain(self) -> None:
        """One payment alone first: while the breaker does not permit it, the others need not be asked for."""
        for first in await self._queue.take_due(1):
            await self._slots.acquire()
            if not await self._spawn(first):
                return
            while more := await self._queue.take_due(
                self._settings.breaker_permitted_calls_in_half_open_state
            ):
                tasks = []
                for saga in more:
                    await self._slots.acquire()
                    tasks.append(self._spawn(saga))
                if not all(await asyncio.gather(*tasks)):
                    return

    async def _renew(self) -> None:
        held = [(saga.saga_id, saga.lease) for saga in self._driven.values()]
        held += self._queue.held()
        if held:
            await self._sagas.renew(held)

    def _free_slots(self) -> int:
        return max(1, self._settings.saga_concurrency - len(self._driven))

    def _spawn(self, saga: Saga) -> asyncio.Task[bool]:
        """Drive a saga in a slot that has been acquired for it. The task says whether it came to an end."""
        task = asyncio.create_task(self._drive(saga))
        self._driven[task] = saga
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[bool]) -> None:
        del self._driven[task]
        self._slots.release()

    async def _drive(self, saga: Saga) -> bool:
        here = fields(order_id=saga.order_id, saga_id=saga.saga_id)
        try:
            return await self._driver.drive(saga) is not None
        except LeaseLost:
            log.warning("Saga is worked on elsewhere, leaving it", extra=here)
        except DatabaseLost as error:
            log.warning("Saga left to recovery, the database is away: %s", error, extra=here)
        except Exception:
            log.exception("Saga left to recovery after an unexpected error", extra=here)
        return False

    async def _repeat(self, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except DatabaseLost as error:
                log.warning("Database away: %s", error)
            except Exception:
                log.exception("A background round failed, the next one follows")
            await asyncio.sleep(every_s)
