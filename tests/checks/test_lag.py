"""A lag that grew, was told and went away; and one of which too little was told, by Kafka or by the consumer itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Claim, Evidence, Kind, Missing
from harness.checks.judging import judge
from harness.checks.lag import BacklogDrains, FallsBehind, LagPasses, MetricTellsLag, OffsetsFollowEffects
from harness.checks.lag_log import Between, EventsOfPartition, LagMetric
from harness.errors import ConfigError
from harness.recording.records import Verdict
from tests.checks.lag_history import EFFECTS, FAULT, GROUP, METRIC, came, done, recorded
from tests.histories import at

BEHIND = FallsBehind(group=GROUP, effects=EFFECTS, fault=FAULT, at_least=900)
PASSES = LagPasses(group=GROUP, fault=FAULT, above=900)
FOLLOW = OffsetsFollowEffects(group=GROUP, effects=EFFECTS)
TELLS = MetricTellsLag(metric=METRIC, group=GROUP, behind=500)
DRAINS = BacklogDrains(group=GROUP, fault=FAULT, caught_up=20)


def test_more_came_than_took_effect(tmp_path: Path) -> None:
    found = BEHIND.seen(recorded(tmp_path))
    assert found.ok
    assert "records came (100/s) and at most" in found.sentence
    assert "(51/s); up to 975 waited" in found.sentence


def test_what_took_effect_in_time_is_not_behind_whatever_was_committed(tmp_path: Path) -> None:
    assert not BEHIND.seen(recorded(tmp_path, effects=came)).ok


def test_a_backlog_from_before_the_fault_that_it_works_off_is_not_falling_behind(tmp_path: Path) -> None:
    def all_at_once(at_s: float) -> int:
        return 2000

    found = BEHIND.seen(recorded(tmp_path, arrived=all_at_once, committed=done))
    assert not found.ok
    assert "0 records came" in found.sentence


def test_a_lag_is_known_between_two_looks_because_offsets_only_grow(tmp_path: Path) -> None:
    log = GROUP.load(recorded(tmp_path))
    bounds = log.between(at(30.1), at(30.4))
    # 30.0 s: 1000 there and 750 done; 30.5 s: 1050 and 775.
    assert bounds == Between(least=1000 - 775, most=1050 - 750)
    assert log.between(at(0), at(1)) is None, "nobody looked before"
    assert log.between(at(60), at(70)) is None, "nor after"


def test_when_events_took_effect_is_known_although_some_never_did() -> None:
    part = EventsOfPartition.of([0, 4, 9], [10, None, 30])
    assert part.all_by_ns == (10, float("inf"), float("inf"))
    assert part.some_by_ns == (10, 30, 30)


def test_effects_without_records_say_nothing(tmp_path: Path) -> None:
    history = recorded(tmp_path, arrived=lambda _: 0, effects=lambda _: 0, committed=lambda _: 0)
    log = EFFECTS.load(history)
    assert log.first_waiting(1, at(2)) is None
    assert log.reached(1, at(2)) == 1
    assert log.reached(5, at(2)) == 0
    with pytest.raises(CannotSay, match="there is no final reading"):
        EFFECTS.__class__(reading="effect_times", records="nowhere", topic="events").load(history)


def test_a_lag_that_passes_its_threshold_says_when(tmp_path: Path) -> None:
    conclusion = PASSES.check(recorded(tmp_path))
    assert conclusion.verdict is Verdict.PASS
    assert "18.5 s after the fault was asked for the lag was 925, and 975 at most" in conclusion.because


def test_a_lag_that_stays_below_is_a_crime(tmp_path: Path) -> None:
    assert PASSES.check(recorded(tmp_path, committed=came)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("if_missing", "verdict"), [(Missing.BOTH, Verdict.INCONCLUSIVE), (Missing.VOIDS, Verdict.FAIL)]
)
def test_a_consumer_that_was_never_behind_is_guilty_of_no_small_lag(
    tmp_path: Path, if_missing: Missing, verdict: Verdict
) -> None:
    """It is quicker than its fault. `if_missing` says that without a backlog there is no lag to be seen."""
    quick = recorded(tmp_path, committed=came, effects=came, told=lambda _: 0.0)
    [finding] = judge(quick, [passes(replace(BEHIND, if_missing=if_missing))])
    assert finding.verdict is verdict


def test_a_consumer_that_commits_what_waits_is_guilty_of_it(tmp_path: Path) -> None:
    hides = recorded(tmp_path, committed=came, told=lambda _: 0.0)
    [finding] = judge(hides, [passes(replace(BEHIND, if_missing=Missing.BOTH))])
    assert finding.verdict is Verdict.FAIL


def passes(*evidence: Evidence) -> Claim:
    return Claim(
        id="passes",
        sentence="It passes.",
        source="guide",
        check=PASSES,
        counts_only_if=evidence,
        kind=Kind.LIVENESS,
    )


def test_offsets_behind_the_effects_are_what_is_promised(tmp_path: Path) -> None:
    assert FOLLOW.check(recorded(tmp_path)).verdict is Verdict.PASS

    def a_batch_later(at_s: float) -> int:
        return done(at_s) // 100 * 100

    assert FOLLOW.check(recorded(tmp_path / "batches", committed=a_batch_later)).verdict is Verdict.PASS


def test_a_batch_that_is_committed_first_hides_what_waits(tmp_path: Path) -> None:
    def a_batch_before(at_s: float) -> int:
        return min(came(at_s), -(-done(at_s) // 100) * 100)

    conclusion = FOLLOW.check(recorded(tmp_path, committed=a_batch_before))
    assert conclusion.verdict is Verdict.FAIL
    assert all(example.startswith("events-0@") for example in conclusion.examples)


def test_what_was_committed_and_never_took_effect_is_a_crime(tmp_path: Path) -> None:
    def stops(at_s: float) -> int:
        return min(done(at_s), 1000)

    assert FOLLOW.check(recorded(tmp_path, effects=stops)).verdict is Verdict.FAIL


def test_a_metric_may_be_as_old_as_it_is_allowed_to_be(tmp_path: Path) -> None:
    assert TELLS.check(recorded(tmp_path)).verdict is Verdict.PASS
    older = recorded(tmp_path / "older", told=lambda at_s: max(0, came(at_s - 0.4) - done(at_s)))
    assert TELLS.check(older).verdict is Verdict.PASS


@pytest.mark.parametrize("share", [0.5, 1.5])
def test_a_metric_that_tells_a_part_or_too_much_is_a_crime(tmp_path: Path, share: float) -> None:
    conclusion = TELLS.check(recorded(tmp_path, told=lambda at_s: share * (came(at_s) - done(at_s))))
    assert conclusion.verdict is Verdict.FAIL
    assert "the furthest off is" in conclusion.because


def test_a_metric_that_was_not_there_while_the_group_was_behind_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="0 of 39 readings were taken while the group was 500 behind"):
        TELLS.check(recorded(tmp_path, told=lambda at_s: 0.0 if at_s <= 24 else None))
    with pytest.raises(CannotSay, match="was never told"):
        TELLS.check(recorded(tmp_path / "never", told=lambda _: None))


def test_how_long_it_took_to_drain_is_told_with_its_precision(tmp_path: Path) -> None:
    conclusion = DRAINS.check(recorded(tmp_path))
    assert conclusion.verdict is Verdict.PASS
    assert "a backlog of 1000 was drained in 3.3 s" in conclusion.because
    assert "± 0.25 s" in conclusion.precision


def test_a_backlog_that_is_there_when_load_ends_is_a_crime(tmp_path: Path) -> None:
    conclusion = DRAINS.check(recorded(tmp_path, committed=lambda at_s: min(done(at_s), 1800)))
    assert conclusion.verdict is Verdict.FAIL
    assert "were still to be worked on" in conclusion.because


def test_where_there_was_nothing_to_drain_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="nothing to drain"):
        DRAINS.check(recorded(tmp_path, committed=came))


@pytest.mark.parametrize("check", [BEHIND.seen, PASSES.check, DRAINS.check])
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"bit": False}, "was seen to begin"),
        ({"lapsed": "Toxiproxy was started again"}, "nobody knows since when"),
    ],
)
def test_a_fault_that_was_not_there_says_nothing(
    tmp_path: Path, check: Any, fault: dict[str, Any], why: str
) -> None:
    with pytest.raises(CannotSay, match=why):
        check(recorded(tmp_path, **fault))


def test_where_nobody_asked_kafka_nothing_is_said(tmp_path: Path) -> None:
    history = recorded(tmp_path, looks=False)
    for check in (BEHIND.seen, PASSES.check, FOLLOW.check, TELLS.check, DRAINS.check):
        with pytest.raises(CannotSay, match="'lag' never told"):
            check(history)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FallsBehind(group=GROUP, effects=EFFECTS, fault=FAULT, at_least=0),
        lambda: LagPasses(group=GROUP, fault=FAULT, above=0),
        lambda: MetricTellsLag(metric=METRIC, group=GROUP, behind=0),
        lambda: BacklogDrains(group=GROUP, fault=FAULT, caught_up=-1),
        lambda: LagMetric(reading="m", age_s_max=-1),
    ],
)
def test_what_would_always_hold_or_never_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
