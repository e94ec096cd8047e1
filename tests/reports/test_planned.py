"""What was planned is told beside what there was, and nothing is said to be as planned."""

from pathlib import Path
from typing import Any

import pytest

from harness.recording.records import NOT_SENT
from reports.planned import load_told, planned_faults, planned_phases
from tests.histories import STARTS_S, Drill, run_info

PLAN = {"rate_per_s": 1, "impact_rate_per_s": 3}


def steadily(drill: Drill, from_s: float, to_s: float, rate_per_s: int) -> None:
    for number in range(int((to_s - from_s) * rate_per_s)):
        drill.operation(f"{from_s}-{number}", from_s + number / rate_per_s)


def told(drill: Drill) -> str:
    [sentence] = load_told(drill.ended())
    return sentence


def test_a_flood_is_compared_with_the_flood_that_was_planned(tmp_path: Path) -> None:
    drill = Drill(tmp_path, promised=PLAN)
    steadily(drill, 5, 25, 1)
    steadily(drill, 25, 45, 2)
    drill.operation("unsent", 30, "rejected", error=f"{NOT_SENT}no ports")
    assert told(drill) == (
        "Of the load that was planned were sent: in steady 20 of 20 (1 a second for 20 s), in impact 40 of 60 "
        "(3 a second for 20 s) and in heal 0 of 20 (1 a second for 20 s)."
    )


def test_a_phase_that_was_cut_short_says_how_long_it_was(tmp_path: Path) -> None:
    drill = Drill(tmp_path, phases=STARTS_S | {"converge": 55}, promised=PLAN)
    assert "in heal 0 of 20 (1 a second for 20 s, but it lasted 10 s)" in told(drill)


def test_a_phase_that_was_not_reached_is_no_phase_without_load(tmp_path: Path) -> None:
    drill = Drill(tmp_path, phases={"warm-up": 0, "steady": 5, "impact": 25}, promised=PLAN)
    assert "in heal nobody knows how many of 20" in told(drill)


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"rate_per_s": "fast"},
        {"rate_per_s": 1, "phases": None},
        {"rate_per_s": 1, "load_s": float("inf")},
    ],
)
def test_a_plan_that_cannot_be_read_is_none(plan: dict[str, Any], tmp_path: Path) -> None:
    assert told(Drill(tmp_path, promised=plan)) == "What load was planned, the recording does not say."


def test_odd_plans_of_faults_are_passed_over() -> None:
    odd: list[Any] = [7, {"title": "a"}, {"title": "b", "at_s": 1, "seconds": 2}]
    assert list(planned_faults(run_info(promised={"faults": odd}))) == [2]
    assert planned_faults(run_info(promised={"faults": "none"})) == {}
    assert planned_phases(run_info(promised={"phases": {"steady": "soon"}, "load_s": 3})) == ()
