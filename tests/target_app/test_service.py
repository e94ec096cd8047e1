"""What every service has: readiness, health, metrics, problems, logs and traces."""

import asyncio
import json
import logging
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import APIRouter

from target_app.service import trace
from target_app.service.actuator import worst
from target_app.service.backoff import Backoff
from target_app.service.configuration import Settings
from target_app.service.lifecycle import Health, Lifecycle
from target_app.service.logs import JsonLines, fields
from target_app.service.metrics import Metrics, tags
from target_app.service.problems import Problem
from target_app.service.server import build
from tests.target_app.client import ask, get


@dataclass
class FakePart:
    """A part that starts when its server is there."""

    name: str = "db"
    state: Health = field(default_factory=Health)
    there: bool = True
    diary: list[str] = field(default_factory=list)

    async def start(self) -> None:
        if not self.there:
            await asyncio.Event().wait()
        self.diary.append(f"start {self.name}")

    async def stop(self) -> None:
        self.diary.append(f"stop {self.name}")

    async def health(self) -> Health:
        return self.state


def statuses(*parts: FakePart) -> dict[str, int]:
    app = build("x", Settings(), list(parts), [], Metrics())

    async def talk(client: httpx.AsyncClient) -> dict[str, int]:
        paths = ("/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness")
        return {path.rsplit("/", 1)[1]: (await client.get(path)).status_code for path in paths}

    return ask(app, talk)


def test_a_service_is_ready_once_its_parts_have_started() -> None:
    assert statuses(FakePart()) == {"health": 200, "liveness": 200, "readiness": 200}


def test_a_service_whose_server_is_not_up_yet_is_alive_and_not_ready() -> None:
    assert statuses(FakePart(there=False)) == {"health": 503, "liveness": 200, "readiness": 503}


def test_a_server_lost_later_shows_in_health_and_not_in_readiness() -> None:
    lost = FakePart(state=Health(status="DOWN", details={"error": "gone"}))
    assert statuses(lost) == {"health": 503, "liveness": 200, "readiness": 200}


def test_a_draining_service_is_not_ready() -> None:
    lifecycle = Lifecycle([], stop_within_s=1)

    async def live() -> list[bool]:
        lifecycle.begin()
        await asyncio.sleep(0)
        before = lifecycle.is_ready
        lifecycle.draining.set()
        return [before, lifecycle.is_ready]

    assert asyncio.run(live()) == [True, False]


def test_parts_stop_in_reverse_and_one_that_fails_does_not_stop_the_others() -> None:
    diary: list[str] = []

    class Broken(FakePart):
        async def stop(self) -> None:
            raise OSError("broken")

    parts = [FakePart("db", diary=diary), Broken("kafka", diary=diary), FakePart("relay", diary=diary)]

    async def live() -> None:
        lifecycle = Lifecycle(parts, stop_within_s=1)
        lifecycle.begin()
        await asyncio.sleep(0)
        await lifecycle.end()

    asyncio.run(live())
    assert diary == ["start db", "start kafka", "start relay", "stop relay", "stop db"]


def test_a_service_with_a_part_that_cannot_start_says_so_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    diary: list[str] = []

    class Senseless(FakePart):
        async def start(self) -> None:
            raise ValueError("linger.ms is out of range")

    parts = [FakePart("db", diary=diary), Senseless("kafka", diary=diary), FakePart("relay", diary=diary)]

    async def live() -> tuple[bool, bool]:
        lifecycle = Lifecycle(parts, stop_within_s=1)
        lifecycle.begin()
        await asyncio.sleep(0)
        found = lifecycle.failed, lifecycle.is_ready
        await lifecycle.end()
        return found

    assert asyncio.run(live()) == (True, False)
    assert diary == ["start db", "stop relay", "stop kafka", "stop db"]
    assert "linger.ms is out of range" in caplog.text


@pytest.mark.parametrize(
    ("found", "whole"),
    [
        (["UP", "UP"], "UP"),
        (["UP", "UNKNOWN"], "UP"),
        (["UP", "DOWN"], "DOWN"),
        (["CIRCUIT_OPEN"], "UNKNOWN"),
        ([], "UNKNOWN"),
    ],
)
def test_the_worst_known_status_is_the_wholes(found: list[str], whole: str) -> None:
    assert worst(found) == whole


def test_requests_are_counted_by_route_and_status_with_their_trace_in_the_answer() -> None:
    router = APIRouter()

    @router.get("/things/{name}")
    async def thing(name: str) -> dict[str, str]:
        if name == "none":
            raise Problem(404, "Not Found", "no such thing")
        here = trace.current()
        return {"trace": here.trace_id if here else ""}

    app = build("x", Settings(), [], [router], Metrics())
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        await client.get("/things/none")
        wanted = "/actuator/metrics/http.server.requests?tag=uri:/things/{name}"
        headers = {"traceparent": parent, "X-Request-ID": "r1"}
        return [
            await client.get("/things/one", headers=headers),
            await client.get(wanted),
            await client.get(f"{wanted}&tag=status:404"),
            await client.get("/actuator/metrics/no.such.metric"),
        ]

    one, both, missing, unknown = ask(app, talk)
    assert (one.json()["trace"], one.headers["x-request-id"]) == (parent[3:35], "r1")
    assert [m["value"] for m in both.json()["measurements"] if m["statistic"] == "COUNT"] == [2]
    assert [m["value"] for m in missing.json()["measurements"] if m["statistic"] == "COUNT"] == [1]
    assert {tag["tag"] for tag in both.json()["availableTags"]} == {"method", "outcome", "status"}
    assert unknown.status_code == 404


def test_metric_names_are_listed() -> None:
    assert "http.server.requests" in get(build("x", Settings(), [], [], Metrics()), "/actuator/metrics").text


def test_a_counter_nobody_has_counted_on_is_zero_and_not_missing() -> None:
    metrics = Metrics()
    metrics.counter("saga.failures", "…")
    described = metrics.describe("saga.failures")
    assert described is not None
    assert described["measurements"] == [{"statistic": "COUNT", "value": 0.0}]


def test_a_timer_adds_up_counts_and_totals_and_keeps_the_longest() -> None:
    metrics = Metrics()
    timer = metrics.timer("t", "…")
    timer.record(1.0, of=tags(kind="a"))
    timer.record(3.0, of=tags(kind="b"))
    described = metrics.describe("t")
    assert described is not None
    assert described["measurements"] == [
        {"statistic": "COUNT", "value": 2.0},
        {"statistic": "TOTAL_TIME", "value": 4.0},
        {"statistic": "MAX", "value": 3.0},
    ]


def test_a_log_line_is_json_that_begins_with_the_phrase_and_bears_the_ids() -> None:
    made = logging.LogRecord("shop", logging.INFO, __file__, 1, "Saga failed: %s", ("late",), None)
    made.__dict__.update(fields(order_id="o1", saga_id="s1"))
    here = trace.enter(None)
    line = json.loads(JsonLines("orders").format(made))
    assert line["message"] == "Saga failed: late"
    assert (line["order_id"], line["saga_id"], line["trace_id"]) == ("o1", "s1", here.trace_id)


@pytest.mark.parametrize("malformed", ["", "nonsense", f"00-{'0' * 32}-{'1' * 16}-01"])
def test_a_malformed_parent_starts_a_trace_of_its_own(malformed: str) -> None:
    fresh = trace.enter(malformed)
    assert int(fresh.trace_id, 16) > 0
    assert trace.headers()["traceparent"] == fresh.traceparent


def test_pauses_grow_up_to_their_bound_and_are_never_in_step() -> None:
    backoff = Backoff(first_s=1.0, most_s=8.0)
    for failures, full_s in ((1, 1.0), (2, 2.0), (4, 8.0), (10_000, 8.0)):
        drawn = [backoff.after(failures) for _ in range(50)]
        assert full_s / 2 <= min(drawn) < max(drawn) <= full_s
