"""Phases that could prove nothing are refused before any server is started."""

import pytest

from harness.errors import ConfigError
from harness.phases import Phases
from harness.recording.records import Phase


def phases(**changes: float) -> Phases:
    usual = {"warm_up_s": 1, "steady_s": 2, "impact_s": 3, "heal_s": 4, "converge_s": 20, "quiet_s": 10}
    return Phases(**(usual | changes))


def test_the_timetable_says_when_each_phase_begins() -> None:
    assert phases().timetable() == [(Phase.WARM_UP, 0), (Phase.STEADY, 1), (Phase.IMPACT, 3), (Phase.HEAL, 6)]
    assert phases().under_load() == [
        (Phase.WARM_UP, 1),
        (Phase.STEADY, 2),
        (Phase.IMPACT, 3),
        (Phase.HEAL, 4),
    ]
    assert phases().load_s == 10


def test_an_empty_phase_is_left_out_and_takes_no_time() -> None:
    assert phases(impact_s=0).timetable() == [(Phase.WARM_UP, 0), (Phase.STEADY, 1), (Phase.HEAL, 3)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steady_s": 0}, "steady_s must be above 0"),
        ({"heal_s": -1}, "heal_s must not be negative"),
        ({"converge_s": 5}, "converge_s must be at least quiet_s"),
    ],
)
def test_phases_that_could_prove_nothing_are_refused(change: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        phases(**change)
