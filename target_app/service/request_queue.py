"""How many requests are worked on at once, how many wait for that, and that one more is refused at once.

A queue without an end makes everybody wait for answers that nobody listens to any more. Tomcat's `accept-count` is no
such end: it is the kernel's queue of connections, behind up to `max-connections` that Tomcat has taken in already. Here
the figures mean what they seem to: `threads.max` at work, `accept-count` waiting. As the queue fills, what can be asked
again without loss is refused first: reads, so that orders can still be placed.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from enum import StrEnum

from pydantic import BaseModel, Field

from target_app.service.configuration import Count, SecondsOrZero
from target_app.service.metrics import Metrics, tags
from target_app.service.problems import Unavailable
from target_app.variants import Variant


class RequestQueueSettings(BaseModel):
    """A service that bounds what it takes on."""

    server_tomcat_threads_max: Count = Field(default=200, description="requests worked on at once")
    server_tomcat_accept_count: int = Field(
        default=100, ge=0, description="requests that wait for that; one more is refused with 503"
    )
    request_queue_reads_share: float = Field(
        default=0.5, ge=0, le=1, description="of the waiting room that reads may fill; the rest is for orders"
    )
    request_simulated_wait_s: SecondsOrZero = Field(
        default=0.0,
        description="that each request is worked on longer: a capacity that does not depend on the machine",
    )


class Criticality(StrEnum):
    """What is lost when a request is refused."""

    CRITICAL = "critical"  # an order
    SHEDDABLE = "sheddable"  # a look, which can be taken later


class RequestQueue:
    """The requests of one service. Who waits is served in the order of coming."""

    def __init__(
        self,
        name: str,
        settings: RequestQueueSettings,
        metrics: Metrics,
        *,
        variants: Collection[Variant] = (),
    ) -> None:
        accept_count = settings.server_tomcat_accept_count
        self._room = {
            Criticality.CRITICAL: accept_count,
            Criticality.SHEDDABLE: int(accept_count * settings.request_queue_reads_share),
        }
        if Variant.READS_ARE_NOT_SHED in variants:
            self._room[Criticality.SHEDDABLE] = accept_count
        self._simulated_wait_s = settings.request_simulated_wait_s
        self._free = asyncio.Semaphore(settings.server_tomcat_threads_max)
        self._active = self._waiting = 0
        self._name = name
        self._is_bounded = Variant.UNBOUNDED_REQUEST_QUEUE not in variants
        self._refuses_late = Variant.REFUSED_AFTER_THE_WORK in variants
        of = tags(name=name)
        metrics.gauge("executor.active", "Requests being worked on", lambda: self._active, of=of)
        metrics.gauge("executor.queued", "Requests that wait", lambda: self._waiting, of=of)
        metrics.gauge(
            "executor.queue.remaining",
            "Room for requests to wait",
            lambda: accept_count - self._waiting,
            of=of,
        )
        self._rejected = metrics.counter(
            "executor.rejected", "Requests refused for want of room, by criticality"
        )

    @asynccontextmanager
    async def slot(self, criticality: Criticality) -> AsyncIterator[None]:
        """Work on one request inside, when it is its turn.

        Raises:
            Unavailable: There is no room to wait. Nothing was done.
        """
        if self._is_bounded:
            self._refuse_if_full(criticality)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        self._active += 1
        try:
            if self._simulated_wait_s:
                await asyncio.sleep(self._simulated_wait_s)
            yield
        finally:
            self._active -= 1
            self._free.release()
        if self._refuses_late:
            self._refuse_if_full(criticality)

    def _refuse_if_full(self, criticality: Criticality) -> None:
        if self._free.locked() and self._waiting >= self._room[criticality]:
            self._rejected.add(of=tags(name=self._name, criticality=criticality))
            raise Unavailable("as many requests as there is room for are waiting; this one was not begun")
