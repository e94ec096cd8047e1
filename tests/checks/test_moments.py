"""How well a stretch of time is known that a target measured by the wall clock."""

from pathlib import Path

import pytest

from harness.checks import CannotSay
from harness.checks.moments import wall_ahead_ns
from harness.recording.episodes import Span
from tests.histories import Drill, at


def ran_off_s(drill: Drill, since_s: float, until_s: float) -> float:
    history = drill.ended()
    least, most = wall_ahead_ns(history, Span(at(since_s), at(until_s)))
    assert least <= most
    return round((most - least) / 1e9, 3)


def test_a_clock_that_runs_off_makes_what_was_measured_by_it_less_precise(tmp_path: Path) -> None:
    assert ran_off_s(Drill(tmp_path / "true").heartbeat(), 30, 60) == 0
    assert ran_off_s(Drill(tmp_path / "slewed").heartbeat(set_by_s=0.046), 30, 60) == 0.046
    assert ran_off_s(Drill(tmp_path / "before").heartbeat(set_by_s=0.046), 50, 60) == 0


def test_a_clock_that_was_set_measured_nothing(tmp_path: Path) -> None:
    drill = Drill(tmp_path).heartbeat(set_by_s=0.4)
    with pytest.raises(CannotSay, match=r"the wall clock was set by 0\.400 s"):
        ran_off_s(drill, 39.5, 39.8)


@pytest.mark.parametrize(("since_s", "until_s"), [(30.0, 60.0), (30.0, 30.5)])
def test_a_clock_that_nobody_watched_may_have_been_set(
    tmp_path: Path, since_s: float, until_s: float
) -> None:
    with pytest.raises(CannotSay):
        ran_off_s(Drill(tmp_path), since_s, until_s)
