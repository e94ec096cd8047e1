"""How much waits: read from the database at intervals, so that asking for a metric costs nothing."""

import asyncio
import logging

from target_app.service.database import Database, DatabaseLost
from target_app.service.lifecycle import Health
from target_app.service.metrics import Metrics

log = logging.getLogger(__name__)

_COUNT = """
SELECT (SELECT count(*) FROM saga_state WHERE status NOT IN ('COMPLETED', 'COMPENSATED')) AS active,
    (SELECT count(*) FROM saga_state WHERE status NOT IN ('COMPLETED', 'COMPENSATED')
        AND created_at < now() - make_interval(secs => $1)) AS stuck,
    (SELECT count(*) FROM payment_queue) AS queued,
    (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS unpublished
"""


class Backlog:
    """Gauges of what is unfinished. A part of the order service."""

    name = ""

    def __init__(self, database: Database, metrics: Metrics, *, stuck_after_s: float, every_s: float) -> None:
        self._db = database
        self._stuck_after_s = stuck_after_s
        self._every_s = every_s
        self._counts: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        for name, key, meaning in (
            ("saga.active", "active", "Sagas that have not ended"),
            ("saga.stuck", "stuck", "Sagas unfinished for longer than the guide finds normal"),
            ("payment.queue.size", "queued", "Payments in the fallback queue"),
            ("outbox.pending", "unpublished", "Events not yet acknowledged by Kafka"),
        ):
            metrics.gauge(name, meaning, lambda key=key: self._counts.get(key, 0))  # type: ignore[misc] # bound early

    async def start(self) -> None:
        """Begin counting."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop counting."""
        if self._task is not None:
            self._task.cancel()

    async def health(self) -> Health:
        """Not shown."""
        return Health()

    async def _run(self) -> None:
        while True:
            try:
                self._counts = dict(await self._db.fetchrow(_COUNT, self._stuck_after_s))
            except DatabaseLost:
                log.debug("Backlog not counted, the database is away")
            except Exception:
                log.exception("Backlog not counted, the next round follows")
            await asyncio.sleep(self._every_s)
