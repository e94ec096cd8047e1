"""The gateway: what it passes on, and what its refusals allow a client to conclude."""

import asyncio
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from target_app.gateway.app import create_app
from target_app.gateway.settings import GatewaySettings
from target_app.service.configuration import read
from target_app.service.preference import preferred_wait_s
from tests.target_app.client import ask
from tests.target_app.modelled_buckets import ModelledBuckets

Handler = httpx.MockTransport


def passing_on(transport: httpx.AsyncBaseTransport) -> FastAPI:
    settings = read(GatewaySettings, {"ORDERS_URL": "http://orders", "REDIS_URL": "redis://redis"})
    return create_app(settings, orders_transport=transport, buckets=ModelledBuckets())


def gateway(transport: httpx.AsyncBaseTransport, method: str = "POST", **headers: str) -> httpx.Response:
    app = passing_on(transport)
    return ask(
        app, lambda client: client.request(method, "/api/v1/orders/7?x=1", json={"a": 1}, headers=headers)
    )


def failing(error: Exception) -> httpx.MockTransport:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    return Handler(answer)


@pytest.mark.parametrize(
    ("error", "method", "status", "outcome"),
    [
        (httpx.ConnectError("refused"), "POST", 503, "rejected"),
        (httpx.PoolTimeout("none free"), "POST", 503, "rejected"),
        (httpx.ReadTimeout("silent"), "POST", 504, "unknown"),
        (httpx.RemoteProtocolError("hung up"), "POST", 502, "unknown"),
        (httpx.ReadTimeout("silent"), "GET", 504, "rejected"),
    ],
)
def test_a_refusal_says_whether_the_order_may_have_been_placed(
    error: Exception, method: str, status: int, outcome: str
) -> None:
    answer = gateway(failing(error), method)
    assert (answer.status_code, answer.json()["outcome"]) == (status, outcome)
    assert answer.headers["content-type"] == "application/problem+json"


def test_key_body_and_trace_are_passed_on_and_version_headers_back() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"ok": True}, headers={"ETag": '"1"', "X-Secret": "inside"})

    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    came_back = gateway(Handler(answer), "POST", **{"Idempotency-Key": "o7", "traceparent": parent})
    (request,) = seen
    assert request.url.raw_path == b"/api/v1/orders/7?x=1"
    assert request.headers["idempotency-key"] == "o7"
    assert request.headers["traceparent"][3:35] == parent[3:35]
    assert request.headers["traceparent"] != parent
    assert request.headers["x-request-id"] == came_back.headers["x-request-id"]
    assert (came_back.status_code, came_back.headers["etag"]) == (202, '"1"')
    assert "x-secret" not in came_back.headers


def test_a_header_that_is_no_ascii_is_passed_on_as_it_came() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={})

    app = passing_on(Handler(answer))
    headers = {b"Idempotency-Key": "größe".encode("latin-1"), b"X-Request-ID": b"\xfc"}
    came_back = ask(app, lambda client: client.post("/api/v1/orders", json={}, headers=headers))
    assert came_back.status_code == 202
    assert dict(seen[0].headers.raw)[b"Idempotency-Key".lower()] == "größe".encode("latin-1")
    assert came_back.headers["x-request-id"].isascii()  # one that no log could tell is not taken over


@pytest.mark.parametrize(
    "way_out",
    ["..%2F..%2Factuator%2Fhealth", "%2e%2e/sagas/status", "o1%2F..", "%2E", "../../../actuator/health"],
)
def test_nobody_is_passed_on_to_what_is_not_below_orders(way_out: str) -> None:
    app = passing_on(failing(AssertionError("passed on")))
    path = f"/api/v1/orders/{way_out}"
    sent = {"status": 0}

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.update({"status": message["status"]} if "status" in message else {})

    scope = {  # by hand: a client library would tidy the path up
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(app(scope, receive, send))
    assert sent["status"] == 404


def test_what_is_quoted_is_passed_on_quoted() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(404)

    app = passing_on(Handler(answer))
    ask(app, lambda client: client.get("/api/v1/orders/a%3Fb%20c"))
    assert seen == [b"/api/v1/orders/a%3Fb%20c"]


def test_a_request_without_a_trace_gets_one() -> None:
    answer = gateway(failing(httpx.ConnectError("refused")))
    assert len(answer.json()["traceId"]) == 32


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("wait=5", 5), ("respond-async, wait=7", 7), ("wait=9999", 30), ("awaiting=3", 0)],
)
def test_a_preferred_wait_is_understood_and_bounded(header: str | None, seconds: float) -> None:
    assert preferred_wait_s(header, 30.0) == seconds
