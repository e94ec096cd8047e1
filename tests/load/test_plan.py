from bisect import bisect_right
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.load.arrivals import Shape, burst, steady
from harness.load.operations import to_record
from harness.load.plan import LoadPlan, in_flight_bound, read
from tests.load.calls import Call
from tests.load.test_arrivals import seeds, shapes, times

PLAN = LoadPlan(
    operation=to_record(Call(paths=("ok", "slow"))),
    shape=burst(1, 10, before_s=1, peak_s=0.5, after_s=1),
    base_url="http://127.0.0.1:23000",
    seed=7,
    timeout_s=2.5,
    record="/somewhere/operations.jsonl",
    control_port=23001,
    in_flight_max=50,
    python_path=("/here", "/there"),
)


def test_a_plan_is_the_same_when_read_back(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(PLAN.to_json())
    again = read(file)
    assert replace(again, operation=PLAN.operation) == PLAN
    assert again.operation["type"] == PLAN.operation["type"]


@pytest.mark.parametrize("text", ["", "{}", "[]", PLAN.to_json()[:-10]])
def test_a_file_that_is_no_plan_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"plan\.json is no load plan"):
        read(file)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"timeout_s": 0}, "timeout_s"),
        ({"in_flight_max": 0}, "in_flight_max"),
        ({"base_url": "127.0.0.1:80"}, "base_url"),
        ({"base_url": "http://127.0.0.1:80/"}, "base_url"),
        ({"record": "/somewhere/else.jsonl"}, "record"),
    ],
)
def test_a_plan_that_could_not_be_kept_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replace(PLAN, **wrong)


@given(shapes, seeds, st.floats(0.01, 5), st.floats(0, 1), st.floats(0, 1))
def test_a_plan_allows_all_that_can_be_under_way_when_nobody_answers_and_the_generator_was_held_up(
    shape: Shape, seed: int, timeout_s: float, held_from: float, held_for: float
) -> None:
    begin_s = held_from * shape.seconds
    end_s = begin_s + held_for * timeout_s
    due_s = [at_ns / NS_PER_S for at_ns in times(shape, seed)]
    sent_s = [end_s if begin_s <= at_s < end_s else at_s for at_s in due_s]
    # Whatever left up to the nth, less what left a time-out before it, is under way when the nth has left.
    under_way = (
        number - bisect_right(sent_s, at_s - timeout_s) for number, at_s in enumerate(sent_s, start=1)
    )
    assert max(under_way, default=0) <= in_flight_bound(shape, timeout_s=timeout_s)


def test_a_plan_allows_no_more_than_its_shape_needs() -> None:
    assert in_flight_bound(steady(10, seconds=60), timeout_s=5) == 101
    assert in_flight_bound(steady(10, seconds=2), timeout_s=5) == 20  # as many as there are
    assert in_flight_bound(burst(1, 500, before_s=60, peak_s=10, after_s=60), timeout_s=2) == 2001
    assert in_flight_bound(steady(0, seconds=2), timeout_s=5) == 1
