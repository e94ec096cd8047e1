"""What a service consists of while it runs: parts that start in order and stop in reverse.

A part's `start` returns once its server has been seen, however long that takes: a service whose database
is not up yet waits for it, alive but not ready, instead of dying and being restarted until it is.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from target_app.service.logs import fields

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a part is, as Actuator shows it."""

    status: str = "UP"
    details: dict[str, Any] = field(default_factory=dict)


class Part(Protocol):
    """One thing that has to run for the service to serve."""

    @property
    def name(self) -> str:
        """Its name among Actuator's health components."""
        ...

    async def start(self) -> None:
        """Return once it works; keep trying until then. May be cancelled."""
        ...

    async def stop(self) -> None:
        """Finish what is in flight and let go. Safe if it never started."""
        ...

    async def health(self) -> Health:
        """Look at it now, within about a second."""
        ...


class Lifecycle:
    """Starts, watches over and stops the parts of one service."""

    def __init__(self, parts: Sequence[Part], *, stop_within_s: float) -> None:
        self.parts = tuple(parts)
        self._stop_within_s = stop_within_s
        self._starting: asyncio.Task[None] | None = None
        self._started = False
        self._draining = asyncio.Event()
        self.failed = False  # a part cannot start, and never will: its settings make no sense, for one

    @property
    def draining(self) -> asyncio.Event:
        """Set once the service has been asked to end."""
        return self._draining

    @property
    def is_ready(self) -> bool:
        """Whether everything has started and nobody has asked for the end.

        A server that is lost later does not make the service unready: it answers quickly and clearly
        without it, and there would be nobody else to take the request.
        """
        return self._started and not self._draining.is_set()

    def begin(self) -> None:
        """Start the parts in the background: the health endpoints answer meanwhile."""
        self._starting = asyncio.create_task(self._start_all())

    async def end(self) -> None:
        """Stop the parts in reverse, within the grace."""
        self._draining.set()
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
        try:
            async with asyncio.timeout(self._stop_within_s):
                for part in reversed(self.parts):
                    await self._stop(part)
        except TimeoutError:
            log.warning("Shutdown grace is over, leaving the rest to recovery")
        log.info("Service stopped")

    async def _start_all(self) -> None:
        for part in self.parts:
            try:
                await part.start()
            except Exception:  # whatever it is, a service without this part would look alive and serve nobody
                log.exception("A part cannot start, the service ends", extra=fields(part=part.name))
                self.failed = True
                return
        self._started = True
        log.info("Service ready")

    async def _stop(self, part: Part) -> None:
        try:
            await part.stop()
        except Exception:  # one part that cannot stop must not keep the others from it
            log.exception("A part did not stop cleanly", extra=fields(part=part.name))
