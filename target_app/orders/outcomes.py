"""Waiting for what becomes of an order, and counting what became of all.

A client that prefers to wait is told by the saga's own end, if the saga is driven in this process, and
otherwise finds out when its time is over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from target_app.orders.saga import Saga, Status, Step
from target_app.orders.settings import OrdersSettings
from target_app.service.metrics import Metrics, tags


class Outcomes:
    """Observes sagas for those who wait and those who count."""

    def __init__(self, settings: OrdersSettings, metrics: Metrics) -> None:
        self._limit_s = settings.saga_timeout_s
        self._waiting: dict[str, list[asyncio.Event]] = {}
        self._completed = metrics.counter("saga.completed", "Sagas that confirmed their order")
        self._failures = metrics.counter("saga.failures", "Sagas that turned round, by the step they were at")
        self._compensated = metrics.counter("saga.compensated", "Sagas that have undone everything")
        self._compensations = metrics.counter("saga.compensations", "Steps undone, by step")
        self._duration = metrics.timer("saga.duration", "From the order to its end")

    async def wait_for(
        self,
        order_id: str,
        within_s: float,
        draining: asyncio.Event,
        has_ended: Callable[[], Awaitable[bool]],
    ) -> None:
        """Return when the order's saga has ended, the time is over, or the service is to stop.

        Args:
            order_id: Of the order.
            within_s: At most this long.
            draining: Set when the service is to stop.
            has_ended: Asked once there is a listener: what ended just before would be waited for in vain.
        """
        ended = asyncio.Event()
        self._waiting.setdefault(order_id, []).append(ended)
        waits = [asyncio.create_task(ended.wait()), asyncio.create_task(draining.wait())]
        try:
            if await has_ended():
                return
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            with suppress(KeyError, ValueError):
                self._waiting[order_id].remove(ended)
                if not self._waiting[order_id]:
                    del self._waiting[order_id]

    def saga_failed(self, step: Step) -> None:
        """See `saga.Observer`."""
        self._failures.add(of=tags(step=step.value))

    def saga_compensation_done(self, step: Step) -> None:
        """See `saga.Observer`."""
        self._compensations.add(of=tags(step=step.value))

    def saga_ended(self, saga: Saga) -> None:
        """See `saga.Observer`."""
        counter = self._completed if saga.status is Status.COMPLETED else self._compensated
        counter.add()
        age_s = time.monotonic() - (saga.expires_at - self._limit_s)
        self._duration.record(age_s, of=tags(status=saga.status.value))
        for ended in self._waiting.pop(saga.order_id, ()):
            ended.set()
