"""The gateway's HTTP interface: `/api/v1/orders` and what is below it, passed on as it is.

| answer | what it says |
|---|---|
| 503 `rejected` | no connection to orders: certainly not passed on, try again |
| 504 `unknown` | passed on, not answered in time: try again with the same Idempotency-Key only |
| 502 `unknown` | passed on, and the connection broke before a whole answer |
| 429 `rejected` | the client has made the requests that it may for now: try again after `Retry-After` |
"""

from urllib.parse import unquote

import httpx
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from target_app.gateway.buckets import Buckets, SharedBuckets
from target_app.gateway.rate_limit import RateLimit
from target_app.gateway.settings import GatewaySettings
from target_app.service.http_client import NoAnswer, NotSent, Peer
from target_app.service.metrics import Metrics
from target_app.service.preference import preferred_wait_s
from target_app.service.problems import Problem, Unavailable, outcome_of
from target_app.service.redis_client import RedisClient
from target_app.service.server import build

# Only what means something to the order service or to the client; the rest belongs to one hop.
_PASSED_ON = ("idempotency-key", "prefer", "if-none-match", "content-type", "accept")
_PASSED_BACK = (
    "content-type",
    "x-resource-version",
    "x-event-timestamp",
    "etag",
    "location",
    "retry-after",
)


def create_app(
    settings: GatewaySettings,
    *,
    orders_transport: httpx.AsyncBaseTransport | None = None,
    buckets: Buckets | None = None,
) -> FastAPI:
    """The gateway. Tests hand in a way to reach orders in-process, and buckets that need no Redis."""
    metrics = Metrics()
    orders = Peer(
        "orders",
        settings.orders_url,
        settings=settings,
        timeout_s=settings.orders_timeout_s,
        transport=orders_transport,
    )
    redis = RedisClient(settings)
    shared = SharedBuckets(
        redis,
        period_s=settings.rate_limit_period_s,
        variants=settings.shop_variants,
        instance=f"{settings.host}-{settings.port}",
    )
    rate_limit = RateLimit(settings, buckets or shared, metrics)
    router = APIRouter(prefix="/api/v1/orders")

    async def pass_on(request: Request) -> Response:
        """One request to orders and its answer back."""
        body = await request.body()
        wait_s = preferred_wait_s(request.headers.get("prefer"), settings.order_wait_max_s)
        path = _as_it_came(request)
        try:
            answer = await orders.request(
                request.method,
                path,
                content=body or None,
                headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
                timeout_s=settings.orders_timeout_s + wait_s,
            )
        except NotSent as error:
            raise Unavailable(f"{error}; the request was not passed on") from error
        except NoAnswer as error:
            status, title = (504, "Gateway Timeout") if error.timed_out else (502, "Bad Gateway")
            raise Problem(
                status, title, f"{error}; the request was passed on", outcome=outcome_of(request.method)
            ) from error
        back = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return Response(answer.content, answer.status_code, back)

    async def limited(request: Request) -> Response:
        """The same, if the client may."""
        return await rate_limit.within(request.headers.getlist("x-client-id"), lambda: pass_on(request))

    router.add_api_route("", limited, methods=["POST", "GET"])
    router.add_api_route("/{rest:path}", limited, methods=["POST", "GET"])
    return build("gateway", settings, [redis, orders], [router], metrics)


def _as_it_came(request: Request) -> str:
    """Path and query, still quoted. What would lead out of `/api/v1/orders` on the way is not found."""
    raw = str(request.scope["raw_path"], "ascii", errors="replace")
    if any(unquote(segment) in {".", ".."} or "/" in unquote(segment) for segment in raw.split("/")):
        raise Problem(404, "Not Found", "no such resource")
    return raw + (f"?{request.url.query}" if request.url.query else "")
