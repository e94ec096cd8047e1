"""A connection to Redis that costs a caller a known time at most, whatever Redis does.

redis-py tries again by itself and so turns a time-out of half a second into many; here it does not, and one
`asyncio.timeout` around the whole call, connecting included, is the bound that counts. A call that was given up may
still take effect.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from target_app.service.configuration import Count, Seconds
from target_app.service.lifecycle import Health

log = logging.getLogger(__name__)


class RedisSettings(BaseModel):
    """A service that keeps something in Redis."""

    redis_url: str = Field(..., pattern=r"^rediss?://[^/\s]+", description="redis://host:port")
    redis_timeout_s: Seconds = Field(default=0.25, description="for one call, connecting included")
    redis_max_connections: Count = Field(
        default=50, description="one more call at once counts as Redis being lost, and does not wait"
    )


class RedisLost(Exception):  # noqa: N818 - what happened, as a caller speaks of it
    """Redis did not answer in time, or not with what was asked for."""


class RedisClient:
    """One Redis, as a part of a service. The service is ready without it: it has to say what it does then."""

    def __init__(self, settings: RedisSettings) -> None:
        self._timeout_s = settings.redis_timeout_s
        self._redis = Redis.from_url(
            settings.redis_url,
            socket_timeout=settings.redis_timeout_s,
            socket_connect_timeout=settings.redis_timeout_s,
            max_connections=settings.redis_max_connections,
            retry=Retry(NoBackoff(), 0),
        )
        self._scripts: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Its name among the health components."""
        return "redis"

    async def start(self) -> None:
        """Connections are opened when they are needed."""

    async def stop(self) -> None:
        """Close the pool. What Redis says to that is of no interest."""
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._redis.aclose()

    async def health(self) -> Health:
        """Whether it answers."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError) as error:
            return Health(status="DOWN", details={"error": type(error).__name__})
        return Health()

    async def run(self, script: str, key: str, arguments: Sequence[str | int]) -> Any:
        """Run a Lua script on one key: nothing else happens in Redis between its commands.

        Raises:
            RedisLost: No answer, or an error. The script may have had its effect, or may still have it.
        """
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._redis.register_script(script)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await known(keys=[key], args=list(arguments))
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisLost(f"redis: {str(error) or 'no answer in time'} ({type(error).__name__})") from error
