"""The breaker's facade: the guide's settings, resilience4j's events and answers."""

import asyncio

import pytest

from target_app.service.breaker import BreakerSettings, CallNotPermitted, CircuitBreaker
from target_app.service.metrics import Metrics
from tests.target_app.fakes import FakeClock


class DownError(Exception):
    pass


class DeclinedError(Exception):
    pass


class Bench:
    """A breaker, its clock and calls that end as wanted."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.breaker = CircuitBreaker("paymentService", BreakerSettings(), self.metrics, self.clock)

    def call(self, ends: Exception | None = None, *, takes_s: float = 0.1) -> None:
        async def work() -> None:
            await self.clock.sleep(takes_s)
            if ends is not None:
                raise ends

        asyncio.run(self.breaker.call(work, ignore=(DeclinedError,)))

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(DownError):
                self.call(DownError("away"))

    def shown(self) -> tuple[int, int, str]:
        """Calls, failed calls and failure rate, as its health shows them."""
        details = asyncio.run(self.breaker.health()).details["paymentService"]["details"]
        return details["bufferedCalls"], details["failedCalls"], details["failureRate"]

    def events(self) -> list[str]:
        return [event["stateTransition"] or event["type"] for event in self.breaker._events]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_opens_on_the_fifth_failure_and_not_on_the_fourth(bench: Bench) -> None:
    bench.fail(4)
    assert bench.breaker.state == "CLOSED"
    bench.fail(1)
    assert bench.breaker.state == "OPEN"


def test_a_window_smaller_than_the_minimum_opens_when_it_is_full(bench: Bench) -> None:
    """As resilience4j's: its minimum is never more than the window."""
    settings = BreakerSettings(breaker_sliding_window_size=3, breaker_minimum_number_of_calls=5)
    bench.breaker = CircuitBreaker("small", settings, Metrics(), bench.clock)
    bench.fail(2)
    assert bench.breaker.state == "CLOSED"
    bench.fail(1)
    assert bench.breaker.state == "OPEN"


def test_open_makes_no_call_until_its_wait_is_over(bench: Bench) -> None:
    bench.fail(5)
    bench.clock.now += 59.0
    with pytest.raises(CallNotPermitted):
        bench.call()
    bench.clock.now += 2.0
    bench.call()
    assert bench.breaker.state == "HALF_OPEN"


@pytest.mark.parametrize(("failures", "state"), [(1, "CLOSED"), (2, "OPEN")])
def test_half_open_is_judged_by_three_completed_probes(bench: Bench, failures: int, state: str) -> None:
    bench.fail(5)
    bench.clock.now += 61.0
    for _ in range(3 - failures):
        bench.call()
    bench.fail(failures)
    assert bench.breaker.state == state


def test_half_open_permits_three_at_once_and_no_fourth(bench: Bench) -> None:
    bench.fail(5)
    bench.clock.now += 61.0

    async def probes() -> tuple[int, int]:
        release = asyncio.Event()
        calls = [asyncio.create_task(bench.breaker.call(release.wait)) for _ in range(4)]
        await asyncio.sleep(0)
        release.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        return ends.count(True), sum(isinstance(end, CallNotPermitted) for end in ends)

    assert asyncio.run(probes()) == (3, 1)


def test_only_slow_calls_open_it(bench: Bench) -> None:
    for _ in range(5):
        bench.call(takes_s=2.0)  # as long as the threshold is not longer
    assert bench.breaker.state == "CLOSED"
    for _ in range(10):
        bench.call(takes_s=2.1)
    assert bench.breaker.state == "OPEN"
    assert bench.events()[-2:] == ["SLOW_CALL_RATE_EXCEEDED", "CLOSED_TO_OPEN"]


def test_a_declined_card_counts_neither_way(bench: Bench) -> None:
    bench.fail(4)
    for _ in range(20):
        with pytest.raises(DeclinedError):
            bench.call(DeclinedError("no funds"))
    assert bench.breaker.state == "CLOSED"
    bench.fail(1)
    assert bench.breaker.state == "OPEN"
    assert bench.events().count("IGNORED_ERROR") == 20


def test_its_events_read_like_resilience4js(bench: Bench) -> None:
    bench.call()
    bench.fail(4)
    with pytest.raises(CallNotPermitted):
        bench.call()
    assert bench.events() == [
        "SUCCESS",
        *["ERROR"] * 4,
        "FAILURE_RATE_EXCEEDED",
        "CLOSED_TO_OPEN",
        "NOT_PERMITTED",
    ]


def test_half_open_shows_its_probes_and_not_what_opened_it(bench: Bench) -> None:
    bench.fail(5)
    assert bench.shown() == (5, 5, "100.0%")
    bench.clock.now += 61.0
    bench.call()
    assert bench.breaker.state == "HALF_OPEN"
    assert bench.shown() == (1, 0, "-1.0%")
    name = "resilience4j.circuitbreaker.buffered.calls"
    values = {kind: bench.metrics.describe(name, [f"kind:{kind}"]) for kind in ("failed", "successful")}
    assert {kind: answer and answer["measurements"] for kind, answer in values.items()} == {
        "failed": [{"statistic": "VALUE", "value": 0.0}],
        "successful": [{"statistic": "VALUE", "value": 1.0}],
    }
    bench.fail(2)
    assert bench.breaker.state == "OPEN"
    assert bench.events()[-1] == "HALF_OPEN_TO_OPEN"


def test_an_open_breaker_says_so_in_the_guides_words(bench: Bench) -> None:
    bench.fail(5)
    with pytest.raises(CallNotPermitted, match="Circuit breaker is open"):
        bench.call()


def test_its_state_metric_is_one_for_the_present_state(bench: Bench) -> None:
    bench.fail(5)
    name = "resilience4j.circuitbreaker.state"
    values = {
        state: bench.metrics.describe(name, [f"state:{state}"]) for state in ("open", "closed", "half_open")
    }
    assert {state: answer and answer["measurements"] for state, answer in values.items()} == {
        "open": [{"statistic": "VALUE", "value": 1.0}],
        "closed": [{"statistic": "VALUE", "value": 0.0}],
        "half_open": [{"statistic": "VALUE", "value": 0.0}],
    }


def test_an_open_breaker_is_shown_and_is_not_down(bench: Bench) -> None:
    bench.fail(5)
    health = asyncio.run(bench.breaker.health())
    shown = health.details["paymentService"]
    assert health.status == "UNKNOWN"
    assert (shown["status"], shown["details"]["state"]) == ("CIRCUIT_OPEN", "OPEN")
    assert shown["details"]["failureRate"] == "100.0%"


@pytest.mark.parametrize(("waited_s", "may"), [(0.0, False), (59.9, False), (60.0, True)])
def test_whether_it_may_permit_a_call_can_be_asked_without_making_one(
    bench: Bench, waited_s: float, may: bool
) -> None:
    assert (bench.breaker.may_permit, bench.breaker.is_closed) == (True, True)
    bench.fail(5)
    bench.clock.now += waited_s
    assert (bench.breaker.may_permit, bench.breaker.is_closed) == (may, False)
    assert "NOT_PERMITTED" not in bench.events()
