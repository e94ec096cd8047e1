"""That the bench measures what it says. How much that is, `make bench` says: a bound in a test is a false alarm."""

import json
import runpy
import sys

import pytest

from harness.load import bench
from harness.load.arrivals import Shape, steady
from harness.load.generator import LoadError
from tests.load.odd_server import OddServer

pytestmark = pytest.mark.slow
BRIEF = steady(300, seconds=0.3)


def test_the_cost_of_a_run_is_its_own_processor_time_and_rate() -> None:
    with bench._trivial_server() as url:
        cost = bench._cost(url, BRIEF, recorded=True)
    assert 10 < cost.cpu_us < 100_000
    assert 0 < cost.per_s <= 300, "an open loop is never faster than its plan"
    assert cost.late_ms_p99 >= 0


def test_a_run_that_was_not_answered_gives_no_figure() -> None:
    with OddServer() as server, pytest.raises(LoadError, match="0 of 90 requests were answered"):
        bench._cost(f"{server.url}/silent?", BRIEF, recorded=False)


def test_recording_s_share_is_what_it_adds_to_a_run_without() -> None:
    assert bench._added_percent(110, 100) == pytest.approx(10)
    assert bench._added_percent(90, 100) == pytest.approx(-10)


def test_the_figure_is_the_median_of_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair in which something else kept the machine busy decides nothing."""
    cpu_us = iter([110, 100, 100, 500, 108, 100])  # the second pair runs the other way round
    recorded: list[bool] = []

    def cost(_: str, shape: Shape, *, recorded: bool, order: list[bool] = recorded) -> bench.Cost:
        order.append(recorded)
        if shape is bench.ORDINARY:
            return bench.Cost(cpu_us=next(cpu_us), per_s=300, late_ms_p99=1)
        return bench.Cost(cpu_us=1, per_s=90 if recorded else 100, late_ms_p99=1)

    monkeypatch.setattr(bench, "_cost", cost)
    measured = bench.measure_recording_cost(pairs=3)
    assert recorded == [True, False, False, True, True, False] * 2
    assert measured["cost_percent_each"] == pytest.approx([10, 400, 8])
    assert measured["cost_percent"] == pytest.approx(10)
    assert measured["throughput_percent"] == pytest.approx(-10)


MEASURED = {
    "cost_percent": 8.25,
    "cost_percent_each": [8.0, 8.5],
    "throughput_percent": -3,
    "throughput_percent_each": [-3],
}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "measure_recording_cost", lambda *, pairs: {**MEASURED, "pairs": pairs})


@pytest.mark.usefixtures("measured")
def test_what_is_typed_runs_under_a_name_that_the_generator_can_import(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `__main__` its operation would be `__main__:Ping`, which means something else in the generator."""
    monkeypatch.setattr(sys, "argv", ["bench", "--json", "--pairs", "2"])
    runpy.run_path(bench.__file__, run_name="__main__")
    assert json.loads(capsys.readouterr().out) == {**MEASURED, "pairs": 2}


@pytest.mark.usefixtures("measured")
def test_people_get_the_two_figures_and_every_pair(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench"])
    bench.main()
    told = capsys.readouterr().out
    assert "processor time by +8.2 % (+8.0, +8.5)" in told
    assert "requests a second by -3.0 % (-3.0)" in told
