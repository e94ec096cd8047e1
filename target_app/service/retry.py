"""A retry with resilience4j's settings and metrics: a few tries in quick succession, for what passes by itself.

It is the outermost of the decorators, as in resilience4j: each try asks the circuit breaker and the bulkhead anew, and
what they refuse is not tried again. What outlasts a few tries is not for a retry: it waits where it survives the
process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, Field

from target_app.service.backoff import Backoff
from target_app.service.configuration import Seconds
from target_app.service.metrics import Metrics, tags

T = TypeVar("T")


class RetrySettings(BaseModel):
    """The settings of `paymentService`; the guide names none, these are resilience4j's defaults."""

    retry_max_attempts: int = Field(
        default=3, ge=1, le=10, description="tries of one payment call, the first one included"
    )
    retry_wait_duration_s: Seconds = Field(
        default=0.5, description="pause before the second try, doubling, half of it drawn by chance"
    )


class Retry:
    """One named retry."""

    def __init__(
        self,
        instance: str,
        settings: RetrySettings,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.instance = instance
        self._now = now
        self._sleep = sleep
        self._attempts_max = settings.retry_max_attempts
        wait_s = settings.retry_wait_duration_s
        self._backoff = Backoff(first_s=wait_s, most_s=wait_s * 2.0**self._attempts_max)
        self._calls = metrics.counter(
            "resilience4j.retry.calls", "Calls by how they ended, with or without a retry"
        )

    async def call(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        on: tuple[type[Exception], ...],
        never_on: tuple[type[Exception], ...] = (),
        until: float,
    ) -> T:
        """Await `work()`, again while it fails in a way that may pass.

        Args:
            work: The call. It must be idempotent.
            on: Exceptions after which it is tried again.
            never_on: Those of them after which it is not.
            until: On this process's monotonic clock; no try begins later, for nobody would want its result.
        """
        attempt = 1
        while True:
            try:
                result = await work()
            except Exception as error:
                pause_s = self._backoff.after(attempt)
                passing = isinstance(error, on) and not isinstance(error, never_on)
                if not passing or attempt == self._attempts_max or self._now() + pause_s >= until:
                    self._count("failed", attempt)
                    raise
            else:
                self._count("successful", attempt)
                return result
            await self._sleep(pause_s)
            attempt += 1

    def _count(self, ended: str, attempts: int) -> None:
        retried = "with" if attempts > 1 else "without"
        self._calls.add(of=tags(name=self.instance, kind=f"{ended}_{retried}_retry"))
