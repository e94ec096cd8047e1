"""The course of a fault is read from its recording, with how late each moment may have been seen."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.recording.records import FaultNoted, FaultStage, Stream
from scenarios.drill_bench import BACKLOG, Course, courses, courses_section
from tests.histories import Drill, at

FAULT = "provider killed"


def course(run_dir: Path, open_orders: dict[float, int]) -> Course:
    """Of a fault that was asked for at 25 s, bit at 26 s, was to be mended at 45 s and was whole at 45.5 s."""
    drill = Drill(run_dir).heartbeat().fault(FAULT)
    for at_s, rows in open_orders.items():
        drill.reading(BACKLOG, [{"order_id": f"o{number}"} for number in range(rows)], at_s=at_s, final=False)
    return next(courses(drill.ended()))


def test_it_is_noticed_by_more_than_steady_had_and_over_when_that_never_comes_back(tmp_path: Path) -> None:
    found = course(tmp_path, {8: 1, 12: 2, 16: 0, 27: 5, 29: 6, 44: 30, 47: 20, 49: 5, 50: 6, 52: 5, 54: 0})
    assert found.noticed_s == pytest.approx(3.0)
    assert found.over_s == pytest.approx(6.5)
    assert found.poll_s == pytest.approx(15.0)


def test_a_fault_that_no_order_had_to_wait_for_has_neither(tmp_path: Path) -> None:
    found = course(tmp_path, {8: 2, 12: 3, 27: 6, 44: 3, 47: 1})
    assert (found.noticed_s, found.over_s) == (None, None)
    assert "| – | – |" in found.row


def test_what_is_never_over_has_no_end(tmp_path: Path) -> None:
    found = course(tmp_path, {8: 0, 12: 1, 27: 9, 44: 9, 47: 9})
    assert found.noticed_s is not None
    assert found.over_s is None


def two_faults(run_dir: Path, second_at_s: float, open_orders: Mapping[float, int]) -> list[Course]:
    """Of two faults, the first as in `course`, the second asked for at some time and healed 5 s later."""
    drill = Drill(run_dir).heartbeat().fault(FAULT)
    for stage, after_s in (
        (FaultStage.REQUESTED, 0),
        (FaultStage.ACTIVE, 1),
        (FaultStage.HEALING, 4.5),
        (FaultStage.HEALED, 5),
    ):
        at_ns = at(second_at_s + after_s)
        noted = FaultNoted(number=1, stage=stage, at_ns=at_ns, title="another", fault={}, seen=True)
        drill.recorder.note(Stream.FAULTS, noted)
    for at_s, rows in open_orders.items():
        drill.reading(BACKLOG, [{"order_id": f"o{number}"} for number in range(rows)], at_s=at_s, final=False)
    return list(courses(drill.ended()))


def test_a_fault_is_not_charged_with_the_backlog_of_a_later_one(tmp_path: Path) -> None:
    readings: dict[float, int] = {
        8: 1,
        12: 1,
        24: 0,
        28: 20,
        44: 30,
        47: 9,
        49: 0,
        55: 0,
        62: 40,
        66: 12,
        70: 0,
    }
    first, second = two_faults(tmp_path, 60, readings)
    assert first.over_s == pytest.approx(3.5)
    assert not first.until_next
    assert second.noticed_s == pytest.approx(1)
    assert second.over_s == pytest.approx(5)


def test_a_fault_that_is_not_over_when_the_next_begins_took_more_than_that(tmp_path: Path) -> None:
    readings: dict[float, int] = {8: 1, 12: 1, 24: 0, 28: 20, 44: 30, 47: 9, 49: 8, 52: 40, 56: 12, 70: 0}
    first, second = two_faults(tmp_path, 50, readings)
    assert first.over_s == pytest.approx(4.5)
    assert first.until_next
    assert "| > 4.50 s, then the next fault began |" in first.row
    assert (second.noticed_s, second.over_s) == (None, None)


def test_of_faults_at_the_same_time_nobody_knows_which_was_got_over(tmp_path: Path) -> None:
    readings: dict[float, int] = {8: 1, 12: 1, 24: 0, 28: 20, 44: 30, 47: 9, 49: 0}
    first, second = two_faults(tmp_path, 30, readings)
    assert first.noticed_s == pytest.approx(2)
    assert first.over_s is second.over_s is None


def test_the_page_tells_of_no_session_that_was_not_held(tmp_path: Path) -> None:
    assert courses_section([]) == []
    found = course(tmp_path, {8: 0, 12: 1, 27: 9, 44: 9, 47: 0})
    assert found.row in courses_section([found])
