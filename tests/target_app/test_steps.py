"""What the answers of other services mean for a saga."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from target_app.orders.saga import Refused, Saga, Unsettled
from target_app.orders.steps import RemoteSteps
from target_app.service.breaker import BreakerSettings, CircuitBreaker
from target_app.service.bulkhead import Bulkhead
from target_app.service.configuration import PeerSettings
from target_app.service.http_client import NoAnswer, NotSent, Peer
from target_app.service.metrics import Metrics
from target_app.service.retry import Retry, RetrySettings
from tests.target_app.fakes import FakeClock, saga


class Remote:
    """Both services behind one transport that answers as told, and the steps that call them."""

    def __init__(self, *answers: int | Exception, attempts: int = 1) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        transport = httpx.MockTransport(self._answer)
        inventory, payments = (
            Peer(name, "http://peer", settings=PeerSettings(), timeout_s=5.0, transport=transport)
            for name in ("inventory", "payments")
        )
        self.breaker = CircuitBreaker("paymentService", BreakerSettings(), Metrics())
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.bulkhead = Bulkhead("paymentService", 25, self.metrics)
        self.steps = RemoteSteps(
            inventory,
            payments,
            retry=Retry(
                "paymentService",
                RetrySettings(retry_max_attempts=attempts),
                self.metrics,
                now=self.clock.monotonic,
                sleep=self.clock.sleep,
            ),
            breaker=self.breaker,
            bulkhead=self.bulkhead,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if self._answers else 200
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, json={"detail": "because"})

    def __call__(self, step: Callable[[Saga], Awaitable[None]]) -> None:
        asyncio.run(step(saga()))  # type: ignore[arg-type] # coroutine functions, all of them


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (402, Refused),
        (409, Refused),
        (422, Refused),
        (400, Unsettled),
        (404, Unsettled),
        (408, Unsettled),
        (425, Unsettled),
        (429, Unsettled),
        (500, Unsettled),
        (503, Unsettled),
        (504, Unsettled),
        (httpx.ConnectError("refused"), Unsettled),
        (httpx.ReadTimeout("silent"), Unsettled),
    ],
)
def test_only_a_refusal_is_final(answer: int | Exception, meaning: type[Exception]) -> None:
    remote = Remote(answer)
    with pytest.raises(meaning):
        remote(remote.steps.process_payment)


@pytest.mark.parametrize("answer", [400, 404, 413])
def test_a_request_that_the_payment_service_refuses_is_no_sign_of_its_ill_health(answer: int) -> None:
    remote = Remote(*[answer] * 10)
    for _ in range(10):
        with pytest.raises(Unsettled):  # an earlier request may have been answered to nobody
            remote(remote.steps.process_payment)
    assert remote.breaker.state == "CLOSED"


def test_a_payment_bears_its_sagas_key_amount_and_card() -> None:
    remote = Remote()
    remote(remote.steps.process_payment)
    (request,) = remote.requests
    assert request.headers["Idempotency-Key"] == "saga-1:process-payment"
    assert b'"amount_cents":1500' in request.content
    assert b'"card":"tok_visa"' in request.content


def test_an_open_breaker_leaves_the_payment_unsettled_without_a_request() -> None:
    remote = Remote(*[500] * 5)
    for _ in range(6):
        with pytest.raises(Unsettled):
            remote(remote.steps.process_payment)
    assert (len(remote.requests), remote.breaker.state) == (5, "OPEN")


def test_a_payment_that_fails_is_tried_again_and_each_try_counts_for_the_breaker() -> None:
    remote = Remote(500, httpx.ReadTimeout("silent"), 200, attempts=3)
    remote(remote.steps.process_payment)
    assert len(remote.requests) == 3
    described: Any = remote.breaker  # what it counted is in its health
    details = asyncio.run(described.health()).details["paymentService"]["details"]
    assert (details["bufferedCalls"], details["failedCalls"]) == (3, 2)


def test_no_try_begins_past_the_sagas_limit() -> None:
    remote = Remote(500, 500, 500, attempts=3)
    with pytest.raises(Unsettled):
        asyncio.run(remote.steps.process_payment(saga(expires_at=0.2)))
    assert len(remote.requests) == 1


@pytest.mark.parametrize(("answer", "meaning"), [(402, Refused), (404, Unsettled)])
def test_what_the_payment_service_will_not_take_is_not_tried_again(
    answer: int, meaning: type[Exception]
) -> None:
    remote = Remote(answer, attempts=3)
    with pytest.raises(meaning):
        remote(remote.steps.process_payment)
    assert len(remote.requests) == 1


def test_an_open_breaker_is_not_asked_again() -> None:
    remote = Remote(*[500] * 9, attempts=9)
    with pytest.raises(Unsettled):
        remote(remote.steps.process_payment)
    assert (len(remote.requests), remote.breaker.state) == (5, "OPEN")


def test_a_full_bulkhead_makes_no_call_and_says_nothing_of_the_payment_service() -> None:
    remote = Remote(attempts=3)

    async def pay_ten_times_while_it_is_full() -> None:
        assert await remote.bulkhead.acquire(25) == 25
        for _ in range(10):
            with pytest.raises(Unsettled, match="is full"):
                await remote.steps.process_payment(saga())

    asyncio.run(pay_ten_times_while_it_is_full())
    assert (remote.requests, remote.breaker.state) == ([], "CLOSED")


def test_declined_cards_do_not_open_the_breaker() -> None:
    remote = Remote(*[402] * 12)
    for _ in range(12):
        with pytest.raises(Refused):
            remote(remote.steps.process_payment)
    assert remote.breaker.state == "CLOSED"


@pytest.mark.parametrize("status", [402, 404, 409, 500])
def test_a_compensation_cannot_be_refused(status: int) -> None:
    remote = Remote(status, status)
    for compensation in (remote.steps.refund_payment, remote.steps.release_inventory):
        with pytest.raises(Unsettled):
            remote(compensation)


def test_the_stock_of_the_order_is_reserved_confirmed_and_released_under_its_id() -> None:
    remote = Remote()
    for step in (
        remote.steps.reserve_inventory,
        remote.steps.confirm_reservation,
        remote.steps.release_inventory,
    ):
        remote(step)
    assert [request.url.path for request in remote.requests] == [
        "/api/v1/inventory/reservations",
        "/api/v1/inventory/reservations/order-1/confirm",
        "/api/v1/inventory/reservations/order-1/release",
    ]
    assert remote.requests[0].read() == b'{"order_id":"order-1","items":[{"sku":"sku-1","quantity":2}]}'


def request(transport: httpx.AsyncBaseTransport) -> Any:
    peer = Peer("peer", "http://peer", settings=PeerSettings(), timeout_s=0.01, transport=transport)
    return asyncio.run(peer.request("POST", "/"))


class Trickling(httpx.AsyncBaseTransport):
    """Never silent for long and never done: httpx's own time-outs would not end this."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async def drops() -> Any:
            while True:
                await asyncio.sleep(0.001)
                yield b"."

        return httpx.Response(200, content=drops())


def test_a_server_that_trickles_is_given_up_in_time() -> None:
    with pytest.raises(NoAnswer) as error:
        request(Trickling())
    assert error.value.timed_out


def test_no_connection_means_that_nothing_was_sent() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(NotSent):
        request(httpx.MockTransport(refuse))


def test_a_payment_that_is_not_tried_again_tells_what_went_wrong_before() -> None:
    remote = Remote(*[503] * 10, attempts=10)
    with pytest.raises(Unsettled, match=r"^status 503: .*; then Circuit breaker is open"):
        remote(remote.steps.process_payment)
    assert len(remote.requests) == 5, "then the breaker opened"
    with pytest.raises(Unsettled, match=r"^Circuit breaker is open"):
        remote(remote.steps.process_payment)
