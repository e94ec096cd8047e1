"""A pool of connections to the service's own PostgreSQL database, with a bound on every wait.

Whatever goes wrong on the way to the database becomes `DatabaseLost`, so that a caller need not know the
driver's many errors; errors of the statement itself (a violated constraint) stay what they are. A request that
meets it is answered with 503 (see `problems`), unless its handler has something better to say.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from target_app.service.backoff import RECONNECT
from target_app.service.configuration import DatabaseSettings
from target_app.service.lifecycle import Health
from target_app.service.logs import fields
from target_app.service.metrics import Metrics, tags
from target_app.service.problems import ServerLost

log = logging.getLogger(__name__)

_HEALTH_LOOK_S = 1.0

_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)


class DatabaseLost(ServerLost):
    """The database did not answer. A statement that was under way may or may not have been committed."""


class Database:
    """The pool. A part of its service."""

    name = "db"

    def __init__(self, settings: DatabaseSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._pool: Any = None
        self._waiting = 0
        pool_tag = tags(pool="asyncpg")
        metrics.gauge(
            "hikaricp.connections.pending", "Waiting for a connection", lambda: self._waiting, of=pool_tag
        )
        metrics.gauge("hikaricp.connections.active", "Connections in use", self._active, of=pool_tag)
        metrics.gauge(
            "hikaricp.connections.max", "Size of the pool", lambda: settings.database_pool_size, of=pool_tag
        )

    async def start(self) -> None:
        """Connect, as often as it takes."""
        failures = 0
        while self._pool is None:
            try:
                self._pool = await asyncpg.create_pool(
                    self._settings.database_url,
                    min_size=1,
                    max_size=self._settings.database_pool_size,
                    timeout=self._settings.database_connect_timeout_s,
                    command_timeout=self._settings.database_command_timeout_s,
                    # The usual reset is one more round trip per use. No statement of ours leaves anything
                    # behind in its session: no SET, no LISTEN, no cursor.
                    reset=_leave_as_it_is,
                )
            except (*_LOST, asyncpg.PostgresError) as error:
                failures += 1
                log.warning("Database not reachable yet", extra=fields(error=repr(error), attempt=failures))
                await asyncio.sleep(RECONNECT.after(failures))

    async def stop(self) -> None:
        """Close the connections, waiting for those in use no longer than a statement may take."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(self._settings.database_command_timeout_s):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def health(self) -> Health:
        """Ask it something trivial."""
        try:
            async with asyncio.timeout(_HEALTH_LOOK_S):
                await self.fetchval("SELECT 1")
        except (DatabaseLost, TimeoutError) as error:
            return Health(status="DOWN", details={"database": "PostgreSQL", "error": repr(error)})
        return Health(details={"database": "PostgreSQL", "validationQuery": "SELECT 1"})

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """One connection, for several statements that belong together.

        Raises:
            DatabaseLost: None could be had in time, or it was lost meanwhile.
        """
        if self._pool is None:
            raise DatabaseLost("not connected yet")
        try:
            self._waiting += 1
            try:
                connection = await self._pool.acquire(timeout=self._settings.database_acquire_timeout_s)
            finally:
                self._waiting -= 1
            try:
                yield connection
            finally:
                await self._pool.release(connection)
        except _LOST as error:
            raise DatabaseLost(f"{type(error).__name__}: {error}") from error

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(statement, *values)

    async def fetchrow(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(statement, *values)

    async def fetch(self, statement: str, *values: Any) -> Sequence[Any]:
        """All rows."""
        async with self.connection() as connection:
            rows: Sequence[Any] = await connection.fetch(statement, *values)
            return rows

    async def execute(self, statement: str, *values: Any) -> str:
        """What was done, as PostgreSQL says it: "UPDATE 1"."""
        async with self.connection() as connection:
            return str(await connection.execute(statement, *values))

    def _active(self) -> float:
        return 0.0 if self._pool is None else float(self._pool.get_size() - self._pool.get_idle_size())


async def _leave_as_it_is(_connection: Any) -> None:
    return
