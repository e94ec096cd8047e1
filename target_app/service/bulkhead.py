"""A bulkhead: at most so many pieces of one kind of work at once, so that one kind cannot sink the others.

It is resilience4j's semaphore bulkhead, with its words and its metrics. Work that waits for somebody who does not
answer holds its permissions for as long as its time-outs last; whoever shares them waits along.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from target_app.service.metrics import Metrics, tags

T = TypeVar("T")


class BulkheadFull(Exception):  # noqa: N818 - resilience4j's own name
    """There is no permission free: the call was not made."""


class Bulkhead:
    """One named bulkhead. Who waits for a permission is served in the order of asking."""

    def __init__(self, instance: str, max_concurrent_calls: int, metrics: Metrics) -> None:
        self.instance = instance
        self.max_concurrent_calls = max_concurrent_calls
        self._available = max_concurrent_calls
        self._free = asyncio.Semaphore(max_concurrent_calls)
        of = tags(name=instance)
        metrics.gauge(
            "resilience4j.bulkhead.available.concurrent.calls",
            "Permissions that are free",
            lambda: self._available,
            of=of,
        )
        metrics.gauge(
            "resilience4j.bulkhead.max.allowed.concurrent.calls",
            "Permissions there are",
            lambda: max_concurrent_calls,
            of=of,
        )

    async def acquire(self, at_most: int = 1) -> int:
        """Wait for one permission, and take what else is free then. Returns how many: 1 to `at_most`."""
        await self._free.acquire()
        taken = 1
        while taken < at_most and not self._free.locked():
            await self._free.acquire()  # does not wait
            taken += 1
        self._available -= taken
        return taken

    async def try_acquire(self) -> bool:
        """One permission, if it can be had without waiting and without overtaking anybody."""
        if self._free.locked():
            return False
        return await self.acquire() == 1

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work()` with a permission, and refuse it at once where there is none (a `maxWaitDuration` of 0).

        Raises:
            BulkheadFull: The call was not made.
        """
        if not await self.try_acquire():
            raise BulkheadFull(f"Bulkhead '{self.instance}' is full and does not permit further calls")
        try:
            return await work()
        finally:
            self.release()

    def release(self, permissions: int = 1) -> None:
        """Give permissions back."""
        self._available += permissions
        for _ in range(permissions):
            self._free.release()
