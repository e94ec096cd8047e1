"""A target that is asked how far behind it is: it tells, has nothing to tell for a moment, or goes silent."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, from_record, to_record
from harness.checks.lag_silence import MetricIsTold
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.checks.lag_history import GROUP, METRIC, came, done, recorded

# By 30 s a group that is slow from 25 s on is 250 behind, and from 48 s on it has caught up.
IS_TOLD = MetricIsTold(metric=METRIC, group=GROUP, behind=100, silent_s_max=3)


def lag(at_s: float) -> float:
    return came(at_s) - done(at_s)


def silent(run_dir: Path, from_s: float, to_s: float, **changes: Any) -> History:
    return recorded(run_dir, told=lambda at_s: None if from_s <= at_s < to_s else lag(at_s), **changes)


def test_a_target_that_tells_and_one_that_has_to_ask_again_are_innocent(tmp_path: Path) -> None:
    assert from_record(to_record(IS_TOLD)) == IS_TOLD, "it survives its way through the recording"
    assert IS_TOLD.check(recorded(tmp_path / "told")).verdict is Verdict.PASS
    conclusion = IS_TOLD.check(silent(tmp_path / "moment", 35, 37.5))
    assert conclusion.verdict is Verdict.PASS
    assert "5 of 37 answers while the group was 100 or more behind told no lag" in conclusion.because
    assert "the longest silence was 2.0 s" in conclusion.because


def test_a_target_that_goes_silent_while_it_is_behind_is_convicted(tmp_path: Path) -> None:
    conclusion = IS_TOLD.check(silent(tmp_path, 28, 44))
    assert conclusion.verdict is Verdict.FAIL
    [example] = conclusion.examples
    assert example == "from 24.5 s after steady began, for 14.0 s"


def test_a_silence_with_nothing_to_tell_is_none(tmp_path: Path) -> None:
    for number, (from_s, to_s) in enumerate([(6, 26), (50, 65)]):
        assert IS_TOLD.check(silent(tmp_path / str(number), from_s, to_s)).verdict is Verdict.PASS


def test_where_it_did_not_answer_nobody_knows_what_it_would_have_said(tmp_path: Path) -> None:
    """Asked at 31.5 s it answered with an error: two silences of two seconds are none of four."""
    assert IS_TOLD.check(silent(tmp_path / "all", 29.5, 34)).verdict is Verdict.FAIL
    broken = silent(tmp_path / "broken", 29.5, 34, failed_s=(31.5,))
    assert IS_TOLD.check(broken).verdict is Verdict.PASS


def test_a_group_that_was_never_behind_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        CannotSay, match=r"0 answers came while the group was 100 behind for certain \(wanted 5\)"
    ):
        IS_TOLD.check(recorded(tmp_path, committed=came, told=lambda _: 0.0))


@pytest.mark.parametrize("change", [{"behind": 0}, {"at_least": 0}, {"silent_s_max": 0}])
def test_what_would_always_hold_or_never_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="silent_s_max be above 0"):
        replace(IS_TOLD, **change)
