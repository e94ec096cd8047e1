"""Bulkheads: how many at once, and in which order."""

import asyncio
from typing import Any

from target_app.service.bulkhead import Bulkhead
from target_app.service.metrics import Metrics


def available(metrics: Metrics, name: str) -> float:
    described: Any = metrics.describe("resilience4j.bulkhead.available.concurrent.calls", [f"name:{name}"])
    return float(described["measurements"][0]["value"])


def test_it_gives_what_is_free_up_to_what_is_asked_for() -> None:
    bulkhead = Bulkhead("b", 5, Metrics())

    async def ask() -> list[int | bool]:
        return [
            await bulkhead.acquire(3),
            await bulkhead.acquire(3),
            await bulkhead.try_acquire(),
        ]

    assert asyncio.run(ask()) == [3, 2, False]


def test_who_waits_is_served_before_who_only_tries() -> None:
    bulkhead = Bulkhead("b", 1, Metrics())

    async def ask() -> tuple[bool, bool]:
        await bulkhead.acquire()
        waiting = asyncio.create_task(bulkhead.acquire())
        await asyncio.sleep(0)
        bulkhead.release()
        tried = await bulkhead.try_acquire()
        return tried, await waiting == 1

    assert asyncio.run(ask()) == (False, True)


def test_two_bulkheads_share_a_metric_and_not_a_permission() -> None:
    metrics = Metrics()
    one, other = Bulkhead("one", 2, metrics), Bulkhead("other", 3, metrics)

    async def take() -> list[float]:
        await one.acquire(2)
        await other.acquire()
        during = [available(metrics, "one"), available(metrics, "other")]
        one.release(2)
        return [*during, available(metrics, "one")]

    assert asyncio.run(take()) == [0.0, 2.0, 2.0]
