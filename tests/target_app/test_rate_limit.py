"""What the gateway lets through, and what it tells a client of that."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from target_app.gateway.app import create_app
from target_app.gateway.clients import ANONYMOUS
from target_app.gateway.rate_limit import RateLimit
from target_app.gateway.settings import GatewaySettings
from target_app.service.configuration import SettingsError, read
from target_app.service.metrics import Metrics
from target_app.service.problems import Problem, Unavailable
from tests.target_app.client import ask
from tests.target_app.modelled_buckets import ModelledBuckets

ENVIRONMENT = {
    "ORDERS_URL": "http://orders",
    "REDIS_URL": "redis://127.0.0.1:1",
    "RATE_LIMIT_CLIENTS": "gold=premium, silver=standard,house=unlimited",
}
ORDER = "/api/v1/orders/o1"


class Shop:
    """A gateway's rate limit, and behind it an order service that counts what reaches it."""

    def __init__(self, buckets: ModelledBuckets | None = None, **environment: str) -> None:
        self.buckets = buckets or ModelledBuckets()
        self.reached = 0
        self.refusal: Problem | None = None
        self.metrics = Metrics()
        settings = read(GatewaySettings, {**ENVIRONMENT, **environment})
        self._limit = RateLimit(settings, self.buckets, self.metrics)

    async def _pass_on(self) -> Response:
        self.reached += 1
        if self.refusal:
            raise self.refusal
        return JSONResponse({})

    def ask(self, *client_ids: str, times: int = 1) -> list[Response]:
        """One request after the other, each with these `X-Client-ID`s."""

        async def one() -> Response:
            try:
                return await self._limit.within(list(client_ids), self._pass_on)
            except Problem as problem:
                return problem.response()

        async def all_of_them() -> list[Response]:
            return [await one() for _ in range(times)]

        return asyncio.run(all_of_them())

    def counted(self, *tags: str) -> float:
        described: Any = self.metrics.describe("ratelimit.requests", tags)
        return float(described["measurements"][0]["value"])


@pytest.mark.parametrize(("client", "limit"), [("gold", 1000), ("silver", 100), ("nobody-knows-me", 10)])
def test_a_tier_admits_what_the_guide_says(client: str, limit: int) -> None:
    shop = Shop()
    answers = shop.ask(client, times=limit + 3)
    assert [answer.status_code for answer in answers] == [200] * limit + [429] * 3
    assert shop.reached == limit
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {str(limit)}


def test_a_client_of_the_house_is_not_counted() -> None:
    shop = Shop()
    answers = shop.ask("house", times=1_100)
    assert {answer.status_code for answer in answers} == {200}
    assert "X-RateLimit-Limit" not in answers[0].headers
    assert not shop.buckets.made


def test_every_answer_says_what_is_left_and_when_more_comes() -> None:
    shop = Shop(ModelledBuckets(now_s=1_000.25))
    first, *_, last, refused = shop.ask("silver", times=101)
    assert (first.headers["X-RateLimit-Remaining"], last.headers["X-RateLimit-Remaining"]) == ("99", "0")
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert {answer.headers["X-RateLimit-Reset"] for answer in (first, last, refused)} == {"1061"}


@pytest.mark.parametrize(("passed_s", "retry_after"), [(0.0, "60"), (0.5, "60"), (59.0, "1"), (59.99, "1")])
def test_a_refused_client_is_told_how_long_to_wait_in_whole_seconds_and_never_too_short(
    passed_s: float, retry_after: str
) -> None:
    shop = Shop()
    shop.ask("silver", times=100)
    shop.buckets.now_s += passed_s
    (refused,) = shop.ask("silver")
    assert refused.headers["Retry-After"] == retry_after
    shop.buckets.now_s += float(retry_after)
    assert shop.ask("silver")[0].status_code == 200


def test_planted_a_wait_that_is_rounded_down_sends_clients_back_too_early() -> None:
    shop = Shop(SHOP_VARIANTS="retry-after-rounded-down")
    shop.ask("silver", times=100)
    shop.buckets.now_s += 0.5
    assert shop.ask("silver")[0].headers["Retry-After"] == "59"


def test_a_refusal_says_that_nothing_was_done_and_is_found_by_the_guides_own_search(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        *_, refused = Shop().ask("silver", times=101)
    assert json.loads(bytes(refused.body))["outcome"] == "rejected"
    assert refused.headers["content-type"] == "application/problem+json"
    (said,) = [text for text in caplog.messages if "Rate limit exceeded" in text]
    words = said.split()
    assert (words[4], words[7]) == ("silver", "standard")  # what `awk '{print $5, $8}'` prints


def test_a_refusal_of_the_shop_itself_has_the_headers_too() -> None:
    shop = Shop()
    shop.refusal = Unavailable("orders: no connection")
    (answer,) = shop.ask("silver")
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (503, "99")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "odd",
    [
        (),
        ("",),
        ("a b",),
        ("x" * 65,),
        ("../etc",),
        ("a:b",),
        ("ü",),
        ("{slot}",),
        ("a\n",),
        ("gold", "silver"),
    ],
)
def test_who_does_not_say_who_he_is_shares_one_bucket_with_all_such(odd: tuple[str, ...]) -> None:
    shop = Shop()
    shop.ask("*", times=9)
    assert [answer.status_code for answer in shop.ask(*odd, times=2)] == [200, 429]
    assert list(shop.buckets.made) == [ANONYMOUS]


def test_one_clients_flood_is_nobody_elses() -> None:
    shop = Shop()
    shop.ask("silver", times=150)
    assert shop.ask("other")[0].headers["X-RateLimit-Remaining"] == "9"


def test_open_without_redis_everybody_passes_and_nothing_is_made_up() -> None:
    shop = Shop(ModelledBuckets(is_lost=True), RATE_LIMIT_REDIS_LOST="open")
    answers = shop.ask("nobody", times=12)
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["X-RateLimit-Limit"] == "10"
    assert "X-RateLimit-Remaining" not in answers[0].headers
    assert shop.counted("result:uncounted") == 12


def test_closed_without_redis_nobody_passes_and_everybody_is_told_so() -> None:
    shop = Shop(ModelledBuckets(is_lost=True), RATE_LIMIT_REDIS_LOST="closed")
    (answer,) = shop.ask("nobody")
    assert (answer.status_code, json.loads(bytes(answer.body))["outcome"]) == (503, "rejected")
    assert answer.headers["Retry-After"] == "1"
    assert not shop.reached
    assert shop.ask("house")[0].status_code == 200


def test_what_the_limit_did_is_counted_by_tier() -> None:
    shop = Shop()
    shop.ask("silver", times=103)
    shop.ask("nobody", times=4)
    assert shop.counted("tier:standard", "result:admitted") == 100
    assert shop.counted("tier:standard", "result:refused") == 3
    assert shop.counted("result:admitted") == 104


@pytest.mark.parametrize("clients", ["gold", "gold=platinum", "a=premium,a=default"])
def test_a_list_of_clients_that_makes_no_sense_is_refused(clients: str) -> None:
    with pytest.raises(SettingsError, match="RATE_LIMIT_CLIENTS"):
        read(GatewaySettings, {**ENVIRONMENT, "RATE_LIMIT_CLIENTS": clients})


def test_a_gateway_without_redis_is_ready_and_says_what_is_down() -> None:
    found = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    app = create_app(read(GatewaySettings, ENVIRONMENT), orders_transport=found)

    async def talk(http: httpx.AsyncClient) -> list[httpx.Response]:
        return [await http.get(path) for path in ("/actuator/health/readiness", "/actuator/health", ORDER)]

    ready, health, order = ask(app, talk)
    assert (ready.status_code, order.status_code) == (200, 200)
    assert health.json()["components"]["redis"]["status"] == "DOWN"


def test_a_refused_request_is_counted_among_the_gateways_requests() -> None:
    found = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    app = create_app(read(GatewaySettings, ENVIRONMENT), orders_transport=found, buckets=ModelledBuckets())

    async def talk(http: httpx.AsyncClient) -> tuple[int, httpx.Response]:
        last = [await http.get(ORDER, headers={"X-Client-ID": "me"}) for _ in range(11)][-1]
        metric = "/actuator/metrics/http.server.requests?tag=status:429"
        return last.status_code, await http.get(metric)

    status, metric = ask(app, talk)
    assert status == 429
    assert metric.json()["measurements"][0] == {"statistic": "COUNT", "value": 1.0}
