"""A token bucket for each client in Redis, shared by all gateways: Bucket4j's `Refill.intervally`.

All tokens of an interval come at its end at once, and intervals are counted from when the bucket was made. So a client
may spend a whole bucket just before a refill and another just after it. Taking a token is one script: two gateways
that read, decided and wrote would both give away the last one. The time is Redis's own, as gateways' clocks differ.

A bucket is forgotten a whole interval after the refill that would have filled it; who comes later gets a new, full one,
as it would have been.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from target_app.service.redis_client import RedisClient
from target_app.variants import Variant

US_PER_S = 1_000_000

# What Lua turns into text by itself keeps 14 digits, and a time in microseconds has 16.
_TAKE = """
local capacity, period_us, now_us = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not now_us then
    local now = redis.call('TIME')
    now_us = now[1] * 1000000 + now[2]
end
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'refilled_at_us')
local tokens, refilled_at_us = tonumber(kept[1]), tonumber(kept[2])
if not (tokens and refilled_at_us) then
    tokens, refilled_at_us = capacity, now_us
elseif now_us < refilled_at_us then
    refilled_at_us = now_us
elseif ARGV[4] == 'greedily' then
    tokens = tokens + (now_us - refilled_at_us) * capacity / period_us
    refilled_at_us = now_us
else
    local intervals = math.floor((now_us - refilled_at_us) / period_us)
    if intervals > 0 then
        tokens = capacity
        refilled_at_us = refilled_at_us + intervals * period_us
    end
end
tokens = math.min(tokens, capacity)
local admitted = 0
if tokens >= 1 then
    admitted, tokens = 1, tokens - 1
end
local wait_us = refilled_at_us + period_us - now_us
redis.call('HSET', KEYS[1], 'tokens', string.format('%.14g', tokens),
    'refilled_at_us', string.format('%.0f', refilled_at_us))
redis.call('PEXPIRE', KEYS[1], math.ceil((wait_us + period_us) / 1000))
return {admitted, tokens, wait_us, now_us + wait_us}
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of asking for one token.

    Attributes:
        admitted: Whether there was one.
        remaining: How many are left until the next refill.
        refill_in_s: How long until then.
        refill_at_s: When that is, in whole seconds since 1970 by Redis's clock, rounded up.
    """

    admitted: bool
    remaining: int
    refill_in_s: float
    refill_at_s: int


class Buckets(Protocol):
    """Where clients' tokens are."""

    async def take(self, client: str, limit: int) -> Taken:
        """Take one token of a client whose bucket holds `limit`.

        Raises:
            RedisLost: Nobody knows whether there was one.
        """
        ...


class SharedBuckets:
    """The buckets of all clients, in one Redis."""

    def __init__(
        self, redis: RedisClient, *, period_s: float, variants: Collection[Variant] = (), instance: str = ""
    ) -> None:
        self._redis = redis
        self._period_us = round(period_s * US_PER_S)
        self._refill = "greedily" if Variant.RATE_LIMIT_REFILLS_GREEDILY in variants else "intervally"
        self._owner = f"{instance}-" if Variant.RATE_LIMIT_PER_INSTANCE in variants else ""

    async def take(self, client: str, limit: int, *, now_us: int | None = None) -> Taken:
        """See `Buckets`. `now_us` is for those who cannot wait: Redis's own time otherwise."""
        now = "" if now_us is None else now_us
        admitted, remaining, wait_us, refill_at_us = await self._redis.run(
            _TAKE, key_of(self._owner + client), (limit, self._period_us, now, self._refill)
        )
        return Taken(
            admitted=bool(admitted),
            remaining=remaining,
            refill_in_s=wait_us / US_PER_S,
            refill_at_s=-(-refill_at_us // US_PER_S),
        )


def key_of(client: str) -> str:
    """Where an operator finds the bucket of a client: `HGETALL ratelimit:<client-id>:bucket`."""
    return f"ratelimit:{client}:bucket"
