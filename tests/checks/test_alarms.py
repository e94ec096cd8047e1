"""An alarm that went off when it had to, and one that was silent, early, late, or did not end."""

from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay
from harness.checks.alarms import AlarmClears, AlarmGoesOff, LagAlarm
from harness.models.alarm import AlarmConfig, Comparison, Statistic
from harness.recording.records import Verdict
from tests.checks.lag_history import FAULT, GROUP, METRIC, came, done, recorded


def alarm(threshold: float = 400, period_s: float = 4) -> LagAlarm:
    config = AlarmConfig(
        statistic=Statistic.AVERAGE,
        period_s=period_s,
        evaluation_periods=2,
        threshold=threshold,
        comparison=Comparison.GREATER,
    )
    return LagAlarm(config=config, metric=METRIC, group=GROUP)


GOES_OFF = AlarmGoesOff(alarm=alarm(), fault=FAULT)
CLEARS = AlarmClears(alarm=alarm(), fault=FAULT)


def lag(at_s: float) -> float:
    return came(at_s) - done(at_s)


def test_it_goes_off_with_its_second_period_above_the_threshold(tmp_path: Path) -> None:
    # The lag grows by 50 a second from 25 s on: it averages 450 from 32 to 36 s and 650 from then to 40 s.
    conclusion = GOES_OFF.check(recorded(tmp_path))
    assert conclusion.verdict is Verdict.PASS
    assert "it went off 15.0 s after the fault was asked for" in conclusion.because
    assert "it had to after 15.0 to 19.0 s" in conclusion.because


def test_it_is_over_with_the_first_period_that_is_not(tmp_path: Path) -> None:
    conclusion = CLEARS.check(recorded(tmp_path))
    assert conclusion.verdict is Verdict.PASS
    assert "it was over 7.0 s after healing began" in conclusion.because


def early(at_s: float) -> float:
    return 900.0 if 16 <= at_s < 25 else lag(at_s)


def late(at_s: float) -> float:
    return 0.0 if at_s < 40 else lag(at_s)


@pytest.mark.parametrize("told", [early, late])
def test_too_early_and_too_late_are_crimes(tmp_path: Path, told: Any) -> None:
    assert GOES_OFF.check(recorded(tmp_path, told=told)).verdict is Verdict.FAIL


def test_a_third_of_the_lag_leaves_it_silent(tmp_path: Path) -> None:
    history = recorded(tmp_path, told=lambda at_s: lag(at_s) / 3)
    conclusion = GOES_OFF.check(history)
    assert conclusion.verdict is Verdict.FAIL
    assert "it never went off" in conclusion.because
    with pytest.raises(CannotSay, match="nothing could be over"):
        CLEARS.check(history)


def stuck(at_s: float) -> float:
    return max(lag(at_s), 900.0) if at_s > 44 else lag(at_s)


def back(at_s: float) -> float:
    return 900.0 if at_s >= 54 else lag(at_s)


def blinks(at_s: float) -> float:
    return 900.0 if 48 <= at_s < 56 else lag(at_s)


@pytest.mark.parametrize(
    ("told", "how"),
    [(stuck, "it was never over"), (back, "it was never over"), (blinks, "it was over 15.0 s")],
)
def test_an_alarm_that_does_not_end_or_comes_back_is_a_crime(tmp_path: Path, told: Any, how: str) -> None:
    conclusion = CLEARS.check(recorded(tmp_path, told=told))
    assert conclusion.verdict is Verdict.FAIL
    assert all(example.startswith("on after") for example in conclusion.examples)
    assert how in conclusion.because


def ends_early(at_s: float) -> float:
    return 0.0 if 41 <= at_s < 46 else lag(at_s)


def test_an_alarm_that_is_over_while_the_lag_is_there_is_a_crime(tmp_path: Path) -> None:
    assert CLEARS.check(recorded(tmp_path, told=ends_early)).verdict is Verdict.FAIL


def silent(from_s: float, to_s: float) -> Any:
    return lambda at_s: None if from_s <= at_s < to_s else lag(at_s)


@pytest.mark.parametrize(
    ("check", "from_s", "to_s"), [(GOES_OFF, 28, 44), (GOES_OFF, 36, 44), (CLEARS, 44, 60)]
)
def test_an_alarm_that_was_wrong_because_nothing_was_told_proves_nothing(
    tmp_path: Path, check: Any, from_s: float, to_s: float
) -> None:
    with pytest.raises(CannotSay, match="answers told no lag; what the others told would be right"):
        check.check(recorded(tmp_path, told=silent(from_s, to_s)))


@pytest.mark.parametrize(("from_s", "to_s"), [(10, 14), (33, 34), (62, 64)])
def test_a_silence_that_cost_the_alarm_nothing_is_no_obstacle(
    tmp_path: Path, from_s: float, to_s: float
) -> None:
    history = recorded(tmp_path, told=silent(from_s, to_s))
    assert GOES_OFF.check(history).verdict is Verdict.PASS
    assert CLEARS.check(history).verdict is Verdict.PASS


def test_a_lie_is_a_crime_whatever_else_was_not_told(tmp_path: Path) -> None:
    def now_and_then(at_s: float) -> float | None:
        return None if 33 <= at_s < 34 else lag(at_s) / 3

    assert GOES_OFF.check(recorded(tmp_path, told=now_and_then)).verdict is Verdict.FAIL


def test_a_lag_that_was_never_so_large_for_certain_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="the largest datapoint that is certain is"):
        AlarmGoesOff(alarm=alarm(threshold=2000), fault=FAULT).check(recorded(tmp_path))


def test_a_lag_that_never_went_away_says_nothing_about_the_end_of_an_alarm(tmp_path: Path) -> None:
    history = recorded(tmp_path, committed=lambda at_s: min(done(at_s), 1500), told=stuck)
    with pytest.raises(CannotSay, match="until nobody looked any more"):
        CLEARS.check(history)


def test_where_no_reading_can_be_compared_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="no reading of the metric that could be compared"):
        GOES_OFF.check(recorded(tmp_path, told=lambda at_s: 1.0 if at_s > 64.4 else None))


@pytest.mark.parametrize("check", [GOES_OFF, CLEARS])
def test_a_fault_that_did_not_bite_says_nothing(tmp_path: Path, check: Any) -> None:
    with pytest.raises(CannotSay, match="was not seen to begin and to be healed"):
        check.check(recorded(tmp_path, bit=False))
