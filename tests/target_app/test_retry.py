"""The retry: how often, how long between, and what it is counted as."""

import asyncio
from typing import Any

import pytest

from target_app.service.metrics import Metrics
from target_app.service.retry import Retry, RetrySettings
from tests.target_app.fakes import FakeClock


class PassingError(Exception):
    pass


class LastingError(PassingError):
    pass


class Bench:
    """A retry of three tries, and work that fails as scripted."""

    def __init__(self, *fails: Exception) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.began_s: list[float] = []
        self._fails = list(fails)
        self._retry = Retry(
            "r", RetrySettings(), self.metrics, now=self.clock.monotonic, sleep=self.clock.sleep
        )

    def __call__(self, until: float = 60.0) -> str:
        async def work() -> str:
            self.began_s.append(self.clock.now)
            if self._fails:
                raise self._fails.pop(0)
            return "done"

        return asyncio.run(self._retry.call(work, on=(PassingError,), never_on=(LastingError,), until=until))

    def counted(self, kind: str) -> float:
        described: Any = self.metrics.describe("resilience4j.retry.calls", [f"kind:{kind}"])
        return 0.0 if described is None else float(described["measurements"][0]["value"])


def test_what_passes_is_tried_again_after_a_growing_pause() -> None:
    bench = Bench(PassingError(), PassingError())
    assert bench() == "done"
    first, second, third = bench.began_s
    assert 0.25 <= second - first <= 0.5 <= third - second <= 1.0
    assert bench.counted("successful_with_retry") == 1


def test_the_last_try_tells_what_went_wrong() -> None:
    bench = Bench(*[PassingError(str(number)) for number in range(5)])
    with pytest.raises(PassingError, match="2"):
        bench()
    assert len(bench.began_s) == 3
    assert bench.counted("failed_with_retry") == 1


@pytest.mark.parametrize("error", [LastingError(), ValueError()])
def test_what_does_not_pass_is_not_tried_again(error: Exception) -> None:
    bench = Bench(error)
    with pytest.raises(type(error)):
        bench()
    assert len(bench.began_s) == 1
    assert bench.counted("failed_without_retry") == 1


def test_no_try_begins_when_its_result_would_come_too_late() -> None:
    bench = Bench(PassingError(), PassingError())
    with pytest.raises(PassingError):
        bench(until=0.2)
    assert bench.began_s == [0.0]
