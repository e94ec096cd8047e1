"""The alarm's reference: it fires at the end of a period, after as many datapoints as it says, and not of one alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.models.alarm import (
    AlarmConfig,
    AlarmModel,
    AlarmState,
    Comparison,
    MissingData,
    Statistic,
    datapoints,
)

# The guide's three alarms.
LAG = AlarmConfig(
    statistic=Statistic.AVERAGE,
    period_s=300,
    evaluation_periods=2,
    threshold=1000,
    comparison=Comparison.GREATER,
)
BREAKER_OPEN = AlarmConfig(
    statistic=Statistic.MAXIMUM,
    period_s=60,
    evaluation_periods=1,
    threshold=1,
    comparison=Comparison.GREATER_OR_EQUAL,
)
FAILURES = AlarmConfig(
    statistic=Statistic.SUM,
    period_s=300,
    evaluation_periods=1,
    threshold=10,
    comparison=Comparison.GREATER,
)
KEEP = None


def after(config: AlarmConfig, *values: float | None) -> AlarmModel:
    model = AlarmModel(config)
    for number, value in enumerate(values, 1):
        model.period_ended(number * config.period_s, value)
    return model


def test_lag_must_be_above_the_threshold_for_two_whole_periods() -> None:
    model = after(LAG, 10, 1001, 1001)
    assert [(change.at_s, change.new) for change in model.changes] == [
        (300, AlarmState.OK),
        (900, AlarmState.ALARM),
    ]


def test_one_high_datapoint_is_no_alarm_and_one_low_clears_it() -> None:
    assert after(LAG, 10, 5000, 10, 5000).state is AlarmState.OK
    assert after(LAG, 2000, 2000, 999).state is AlarmState.OK


@pytest.mark.parametrize(("config", "at_it"), [(LAG, AlarmState.OK), (BREAKER_OPEN, AlarmState.ALARM)])
def test_the_threshold_itself_breaches_only_where_the_comparison_says_so(
    config: AlarmConfig, at_it: AlarmState
) -> None:
    assert after(config, *[config.threshold] * config.evaluation_periods).state is at_it


# The documented table for three of three datapoints: `x` breaches, `0` does not, `-` is missing, the newest last.
@pytest.mark.parametrize(
    ("seen", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-x-x", "OK", "OK", "OK", "OK"),
        ("----0", "OK", "OK", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", KEEP, "ALARM", "OK"),
        ("0xx-x", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--x--", "ALARM", KEEP, "ALARM", "OK"),
    ],
)
@pytest.mark.parametrize("before", [AlarmState.OK, AlarmState.ALARM])
def test_missing_datapoints_are_treated_as_documented(
    seen: str,
    missing: str | None,
    ignore: str | None,
    breaching: str | None,
    not_breaching: str | None,
    before: AlarmState,
) -> None:
    wanted = dict(zip(MissingData, (missing, ignore, breaching, not_breaching), strict=True))
    for treatment, state in wanted.items():
        config = AlarmConfig(
            statistic=Statistic.AVERAGE,
            period_s=60,
            evaluation_periods=3,
            threshold=5,
            comparison=Comparison.GREATER,
            treat_missing_data=treatment,
        )
        model = after(config, *[9.0 if before is AlarmState.ALARM else 1.0] * 5)
        # As when it has been evaluated for the last time: what fell out of sight decides no more.
        for number, word in enumerate(seen):
            model._seen.append({"x": True, "0": False, "-": None}[word])
            last = number
        assert last == 4
        assert model._evaluated() == (before if state is KEEP else state), treatment


@given(values=st.lists(st.floats(0, 2000), min_size=2, max_size=12))
def test_with_every_datapoint_there_it_is_the_last_ones_that_decide(values: list[float]) -> None:
    wanted = all(value > LAG.threshold for value in values[-LAG.evaluation_periods :])
    assert (after(LAG, *values).state is AlarmState.ALARM) == wanted


@given(values=st.lists(st.one_of(st.none(), st.floats(0, 2000)), min_size=1, max_size=12))
def test_changes_lead_from_state_to_state(values: list[float | None]) -> None:
    model = after(LAG, *values)
    states = [AlarmState.INSUFFICIENT_DATA, *(change.new for change in model.changes)]
    assert [change.old for change in model.changes] == states[:-1]
    assert states[-1] is model.state


def test_periods_begin_at_multiples_of_themselves_and_only_whole_ones_count() -> None:
    samples = [(at_s, at_s) for at_s in range(250, 1300, 10)]
    assert datapoints(samples, LAG, since_s=250, until_s=1300) == [
        (600, 445.0),
        (900, 745.0),
        (1200, 1045.0),
    ]


def test_a_period_without_a_sample_is_missing_and_each_statistic_is_its_own() -> None:
    samples = [(0.0, 1.0), (10.0, 3.0), (130.0, 2.0)]
    found = {
        statistic: datapoints(
            samples,
            AlarmConfig(
                statistic=statistic,
                period_s=60,
                evaluation_periods=1,
                threshold=1,
                comparison=Comparison.GREATER,
            ),
            since_s=0,
            until_s=180,
        )
        for statistic in Statistic
    }
    assert found == {
        Statistic.AVERAGE: [(60, 2.0), (120, None), (180, 2.0)],
        Statistic.MAXIMUM: [(60, 3.0), (120, None), (180, 2.0)],
        Statistic.SUM: [(60, 4.0), (120, None), (180, 2.0)],
    }


def test_the_failures_of_a_quiet_time_are_insufficient_data_and_not_ok() -> None:
    """A metric that has samples only when something fails: the guide's alarm says nothing about its treatment."""
    assert after(FAILURES, 11, None, None, None).state is AlarmState.INSUFFICIENT_DATA


@pytest.mark.parametrize(("period_s", "periods"), [(0, 1), (60, 0)])
def test_an_alarm_that_evaluates_nothing_is_refused(period_s: float, periods: int) -> None:
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        AlarmConfig(
            statistic=Statistic.SUM,
            period_s=period_s,
            evaluation_periods=periods,
            threshold=1,
            comparison=Comparison.GREATER,
        )
