"""The services as they are put together, with none of their servers there."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from target_app.order_consumer.app import create_app as create_order_consumer
from target_app.order_consumer.settings import OrderConsumerSettings
from target_app.orders.app import create_app as create_orders
from target_app.orders.backlog import Backlog
from target_app.orders.settings import OrdersSettings
from target_app.service.configuration import read
from target_app.service.database import DatabaseLost
from target_app.service.metrics import Metrics
from tests.target_app.client import ask
from tests.target_app.test_configuration import ORDERS

# Port 1 of this machine: nobody listens there, and connecting is refused at once.
NOWHERE = {
    **ORDERS,
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}
APPS = {
    "orders": lambda: create_orders(read(OrdersSettings, NOWHERE)),
    "order-consumer": lambda: create_order_consumer(read(OrderConsumerSettings, NOWHERE)),
}


def answers(app: FastAPI, *paths: str) -> list[httpx.Response]:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get(path) for path in paths]

    return ask(app, talk)


@pytest.mark.parametrize("service", APPS)
def test_without_its_servers_a_service_is_alive_not_ready_and_says_what_is_down(service: str) -> None:
    live, ready, health = answers(
        APPS[service](), "/actuator/health/liveness", "/actuator/health/readiness", "/actuator/health"
    )
    assert (live.status_code, ready.status_code, health.status_code) == (200, 503, 503)
    components = health.json()["components"]
    assert (components["db"]["status"], components["kafka"]["status"]) == ("DOWN", "DOWN")


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("orders", "/api/v1/orders/o1"),
        ("orders", "/api/v1/sagas/status?orderId=o1"),
        ("order-consumer", "/api/v1/views/orders/o1"),
    ],
)
def test_without_its_database_a_service_answers_at_once_that_it_cannot(service: str, path: str) -> None:
    (answer,) = answers(APPS[service](), path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_orders_has_the_guides_metrics_and_its_breakers_endpoints() -> None:
    names, health, events, other = answers(
        APPS["orders"](),
        "/actuator/metrics",
        "/actuator/health",
        "/actuator/circuitbreakerevents/paymentService",
        "/actuator/circuitbreakerevents/other",
    )
    assert {
        "http.server.requests",
        "resilience4j.circuitbreaker.state",
        "resilience4j.circuitbreaker.calls",
        "resilience4j.circuitbreaker.failure.rate",
        "saga.failures",
        "saga.completed",
        "saga.stuck",
        "event.processing.lag",
        "kafka.consumer.records.consumed.total",
        "outbox.pending",
        "payment.queue.size",
    } <= set(names.json()["names"])
    breakers = health.json()["components"]["circuitBreakers"]
    assert breakers["details"]["paymentService"]["details"]["state"] == "CLOSED"
    assert events.json() == {"circuitBreakerEvents": []}
    assert other.status_code == 404


class FakeDatabase:
    """Counts once, is away once, fails in a way nobody thought of, and counts again."""

    def __init__(self) -> None:
        self._answers: list[dict[str, int] | Exception] = [
            {"stuck": 1, "queued": 2},
            DatabaseLost("away"),
            RuntimeError("unforeseen"),
            {"stuck": 3},
        ]

    async def fetchrow(self, statement: str, *values: Any) -> dict[str, int]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_backlog_keeps_being_counted_after_the_database_was_away() -> None:
    metrics = Metrics()

    def value(name: str) -> float:
        described: Any = metrics.describe(name)
        return float(described["measurements"][0]["value"])

    async def watch() -> list[float]:
        backlog = Backlog(FakeDatabase(), metrics, stuck_after_s=1, every_s=0.001)  # type: ignore[arg-type] # a fake
        await backlog.start()
        await asyncio.sleep(0)
        first = [value("saga.stuck"), value("payment.queue.size"), value("outbox.pending")]
        async with asyncio.timeout(5):
            while value("saga.stuck") != 3.0:  # noqa: ASYNC110 - a gauge can only be asked
                await asyncio.sleep(0.001)
        await backlog.stop()
        return first

    assert asyncio.run(watch()) == [1.0, 2.0, 0.0]
