"""The order service's interface over orders in a dict."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from target_app.orders.api import order_routes, saga_routes
from target_app.orders.order_store import NewOrder, Order
from target_app.orders.outcomes import Outcomes
from target_app.orders.saga import Status
from target_app.orders.settings import OrdersSettings
from target_app.service.configuration import read
from target_app.service.database import DatabaseLost
from target_app.service.metrics import Metrics
from target_app.service.request_queue import Criticality, RequestQueue, RequestQueueSettings
from target_app.service.server import build
from tests.target_app.client import ask
from tests.target_app.fakes import saga

SETTINGS = read(
    OrdersSettings,
    {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "INVENTORY_URL": "http://inventory",
        "PAYMENTS_URL": "http://payments",
    },
)
BODY = {
    "customer_id": "c1",
    "items": [{"sku": "sku-1", "quantity": 2}],
    "amount_cents": 900,
    "card": "tok_visa",
}


class FakeOrders:
    def __init__(self) -> None:
        self.rows: dict[str, Order] = {}
        self.lost = False

    async def create(self, order: NewOrder, traceparent: str) -> Order | None:
        if self.lost:
            raise DatabaseLost("gone")
        if order.order_id in self.rows:
            return None
        self.rows[order.order_id] = Order(
            order_id=order.order_id,
            customer_id=order.customer_id,
            status="PENDING",
            version=1,
            amount_cents=order.amount_cents,
            items=order.items,
            fingerprint=order.fingerprint,
            event_timestamp=datetime(2026, 1, 1, tzinfo=UTC),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            saga_id="saga-1",
        )
        return self.rows[order.order_id]

    async def find(self, order_id: str) -> Order | None:
        return self.rows.get(order_id)

    async def saga(self, *, saga_id: str | None = None, order_id: str | None = None) -> dict[str, Any] | None:
        return {"saga_id": "saga-1", "steps": []} if saga_id == "saga-1" or order_id in self.rows else None

    def confirm(self, order_id: str) -> None:
        self.rows[order_id] = replace(self.rows[order_id], status="CONFIRMED", version=2)


class Desk:
    def __init__(self) -> None:
        self.orders = FakeOrders()
        self.outcomes = Outcomes(SETTINGS, Metrics())
        self.woken = 0
        one = RequestQueueSettings(server_tomcat_threads_max=1, server_tomcat_accept_count=0)
        self.queue = RequestQueue("orders", one, Metrics())
        routes = order_routes(SETTINGS, self.orders, self.outcomes, self._wake, self.queue)
        self.app = build("orders", SETTINGS, [], [routes, saga_routes(self.orders, self.queue)], Metrics())

    def _wake(self) -> None:
        self.woken += 1

    def post(self, body: dict[str, Any] = BODY, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return ask(self.app, lambda client: client.post("/api/v1/orders", json=body, headers=headers))

    def get(self, path: str, **headers: str) -> httpx.Response:
        return ask(self.app, lambda client: client.get(path, headers=headers))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_order_is_accepted_as_pending_with_its_version(desk: Desk) -> None:
    answer = desk.post(key="o1")
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["X-Resource-Version"] == "1"
    assert answer.headers["X-Event-Timestamp"] == "2026-01-01T00:00:00+00:00"
    assert desk.woken == 1


def test_the_same_id_gets_the_same_order_and_creates_no_second_one(desk: Desk) -> None:
    first, second = desk.post(key="o1"), desk.post({**BODY, "order_id": "o1"})
    assert first.json() == second.json()
    assert (len(desk.orders.rows), desk.woken) == (1, 1)


def test_the_same_id_for_another_order_is_refused(desk: Desk) -> None:
    desk.post(key="o1")
    assert desk.post({**BODY, "amount_cents": 901}, key="o1").status_code == 422


@pytest.mark.parametrize(
    "body",
    [{**BODY, "amount_cents": 0}, {**BODY, "items": []}, {**BODY, "order_id": "other"}, {"card": "x"}],
)
def test_what_makes_no_sense_is_refused_as_a_problem(desk: Desk, body: dict[str, Any]) -> None:
    answer = desk.post(body, key="o1")
    assert (answer.status_code, answer.json()["outcome"]) == (400, "rejected")
    assert desk.orders.rows == {}


@pytest.mark.parametrize("order_id", [".", "..", "-1", "заказ-1", "a/b", "a b", "a" * 101, "a\n"])
def test_an_id_that_no_path_or_header_can_carry_is_refused(desk: Desk, order_id: str) -> None:
    assert desk.post({**BODY, "order_id": order_id}).status_code == 400
    assert desk.orders.rows == {}


def test_a_lost_database_leaves_the_outcome_unknown(desk: Desk) -> None:
    desk.orders.lost = True
    answer = desk.post()
    assert (answer.status_code, answer.json()["outcome"]) == (503, "unknown")
    assert answer.headers["Retry-After"] == "1"


def test_whoever_prefers_to_wait_gets_the_outcome(desk: Desk) -> None:
    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        headers = {"Idempotency-Key": "o1", "Prefer": "wait=5"}
        waiting = asyncio.create_task(client.post("/api/v1/orders", json=BODY, headers=headers))
        while not desk.outcomes._waiting:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(0)
        desk.orders.confirm("o1")
        desk.outcomes.saga_ended(saga(order_id="o1", status=Status.COMPLETED))
        return await waiting

    answer = ask(desk.app, talk)
    assert (answer.status_code, answer.json()["status"]) == (200, "CONFIRMED")
    assert answer.headers["ETag"] == '"2"'


def test_without_room_an_order_is_refused_before_anything_is_done(desk: Desk) -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        async with desk.queue.slot(Criticality.CRITICAL):
            paths = ("/api/v1/orders/o1", "/api/v1/sagas/status?orderId=o1", "/api/v1/sagas/saga-1/status")
            placed = await client.post("/api/v1/orders", json=BODY, headers={"Idempotency-Key": "o1"})
            return [placed, *[await client.get(path) for path in paths]]

    answers = ask(desk.app, talk)
    assert [(answer.status_code, answer.json()["outcome"]) for answer in answers] == [(503, "rejected")] * 4
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    assert desk.orders.rows == {}


def test_who_waits_for_an_outcome_takes_nobodys_place(desk: Desk) -> None:
    async def talk(client: httpx.AsyncClient) -> int:
        headers = {"Idempotency-Key": "o1", "Prefer": "wait=5"}
        waiting = asyncio.create_task(client.post("/api/v1/orders", json=BODY, headers=headers))
        while not desk.outcomes._waiting:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(0)
        other = await client.post("/api/v1/orders", json=BODY, headers={"Idempotency-Key": "o2"})
        desk.app.state.lifecycle.draining.set()
        await waiting
        return other.status_code

    assert ask(desk.app, talk) == 202


def test_a_waiting_client_is_told_to_come_back_when_the_service_drains(desk: Desk) -> None:
    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        headers = {"Idempotency-Key": "o1", "Prefer": "wait=30"}
        waiting = asyncio.create_task(client.post("/api/v1/orders", json=BODY, headers=headers))
        while not desk.outcomes._waiting:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(0)
        desk.app.state.lifecycle.draining.set()
        return await waiting

    assert ask(desk.app, talk).status_code == 202


def test_an_order_is_read_with_its_version_and_not_sent_twice(desk: Desk) -> None:
    desk.post(key="o1")
    assert desk.get("/api/v1/orders/o1").json()["order_id"] == "o1"
    unchanged = desk.get("/api/v1/orders/o1", **{"If-None-Match": '"1"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert desk.get("/api/v1/orders/unheard-of").status_code == 404


def test_a_saga_is_found_by_its_id_and_by_its_order(desk: Desk) -> None:
    desk.post(key="o1")
    assert desk.get("/api/v1/sagas/status?orderId=o1").json()["saga_id"] == "saga-1"
    assert desk.get("/api/v1/sagas/saga-1/status").status_code == 200
    assert desk.get("/api/v1/sagas/unheard-of/status").status_code == 404
