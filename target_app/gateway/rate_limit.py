"""Whether a request is passed on, by how many its client has made, and what the client is told about that.

Every answer says how many are left and when more come, so that a client can hold back before it is refused. Without
Redis nobody can count, and either policy is a risk that somebody has to choose: `open` keeps the shop selling, and what
protects the order service then is its own bounded queue; `closed` keeps the limit. Either way a request waits for
Redis's time-out once, and no longer.
"""

import logging
from collections.abc import Awaitable, Callable
from math import ceil

from starlette.responses import Response

from target_app.gateway.buckets import Buckets, Taken
from target_app.gateway.clients import Clients, Tier
from target_app.gateway.settings import GatewaySettings
from target_app.service.logs import fields
from target_app.service.metrics import Metrics, tags
from target_app.service.problems import Problem, Unavailable
from target_app.service.redis_client import RedisLost
from target_app.variants import Variant

log = logging.getLogger(__name__)

METRIC = "ratelimit.requests"


class RateLimit:
    """The limit of every client."""

    def __init__(self, settings: GatewaySettings, buckets: Buckets, metrics: Metrics) -> None:
        self._clients = Clients(settings)
        self._buckets = buckets
        self._period_s = settings.rate_limit_period_s
        self._is_open = settings.rate_limit_redis_lost == "open"
        self._rounds_down = Variant.RETRY_AFTER_ROUNDED_DOWN in settings.shop_variants
        self._asked = metrics.counter(METRIC, "Requests by tier, and by what the rate limit made of them")

    async def within(self, client_ids: list[str], pass_on: Callable[[], Awaitable[Response]]) -> Response:
        """The answer of `pass_on` if the client may still ask, with what is left to it.

        Raises:
            Problem: The client may not, or `pass_on` said so.
        """
        client = self._clients.named(client_ids)
        tier = self._clients.tier_of(client)
        limit = self._clients.limit_of(tier)
        if limit is None:
            self._count(tier, "admitted")
            return await pass_on()
        told = await self._take(client, tier, limit)
        try:
            answer = await pass_on()
        except Problem as problem:
            problem.headers = {**(problem.headers or {}), **told}
            raise
        answer.headers.update(told)
        return answer

    async def _take(self, client: str, tier: Tier, limit: int) -> dict[str, str]:
        """Take a token, and return the headers that tell of it."""
        try:
            taken = await self._buckets.take(client, limit)
        except RedisLost as error:
            return self._uncounted(client, tier, limit, error)
        told = _headers(limit, taken)
        wait_s = ceil(taken.refill_in_s)
        if self._rounds_down:
            wait_s = int(taken.refill_in_s)
        if taken.admitted:
            self._count(tier, "admitted")
            return told
        self._count(tier, "refused")
        # The guide's own search counts the fifth word: the client.
        log.warning(
            "Rate limit exceeded, client-id %s in tier %s",
            client,
            tier,
            extra=fields(client_id=client, tier=tier, limit=limit),
        )
        raise Problem(
            429,
            "Too Many Requests",
            f"{limit} requests in {self._period_s:g} s are what this client may make, and it has made them",
            headers={**told, "Retry-After": str(wait_s)},
        )

    def _uncounted(self, client: str, tier: Tier, limit: int, error: RedisLost) -> dict[str, str]:
        """The policy for when nobody can count. What is left, and until when, is not made up."""
        self._count(tier, "uncounted" if self._is_open else "refused_uncounted")
        log.warning(
            "Rate limit not checked: %s", error, extra=fields(client_id=client, tier=tier, open=self._is_open)
        )
        told = {"X-RateLimit-Limit": str(limit)}
        if self._is_open:
            return told
        refusal = Unavailable("the rate limit cannot be checked now; the request was not passed on")
        refusal.headers = {**(refusal.headers or {}), **told}
        raise refusal

    def _count(self, tier: Tier, result: str) -> None:
        self._asked.add(of=tags(tier=tier, result=result))


def _headers(limit: int, taken: Taken) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(taken.remaining),
        "X-RateLimit-Reset": str(taken.refill_at_s),
    }
