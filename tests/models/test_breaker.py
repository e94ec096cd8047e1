"""The breaker's reference: it opens on the very call that its settings say, and on no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.models.breaker import BreakerConfig, BreakerModel, BreakerState


def told(model: BreakerModel, *failed: bool, at_s: float = 0.0, took_s: float = 0.1) -> BreakerModel:
    """Calls that end one after the other."""
    for one in failed:
        assert model.permits(at_s)
        model.ended(at_s, failed=one, took_s=took_s)
    return model


def opened() -> BreakerModel:
    return told(BreakerModel(), *[True] * 5)


def half_open() -> BreakerModel:
    model = opened()
    assert model.permits(60.001)
    return model


def test_it_opens_on_the_fifth_failure_and_not_on_the_fourth() -> None:
    model = told(BreakerModel(), True, True, True, True)
    assert (model.state, model.failure_rate) == (BreakerState.CLOSED, -1.0)
    assert told(model, True).state is BreakerState.OPEN


def test_half_of_the_window_is_enough() -> None:
    model = told(BreakerModel(), *[False] * 5, *[True] * 4)
    assert model.state is BreakerState.CLOSED
    assert told(model, True).state is BreakerState.OPEN


def test_what_left_the_window_counts_no_more() -> None:
    model = told(BreakerModel(), *[True] * 2, *[False] * 10, *[True] * 4)
    assert (model.state, model.failure_rate) == (BreakerState.CLOSED, 40.0)


def test_only_slow_calls_open_it_and_one_as_long_as_the_threshold_is_not_slow() -> None:
    assert told(BreakerModel(), *[False] * 10, took_s=2.0).state is BreakerState.CLOSED
    assert told(BreakerModel(), *[False] * 5, took_s=2.001).state is BreakerState.OPEN


def test_open_permits_nobody_until_its_wait_is_over() -> None:
    model = opened()
    assert not model.permits(60.0)
    assert str(model.state) == "OPEN", "it changes only when somebody asks"
    assert model.permits(60.001)
    assert str(model.state) == "HALF_OPEN"


def test_half_open_gives_out_three_permits() -> None:
    model = half_open()
    assert [model.permits(61.0) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("failures", "state"), [(0, "CLOSED"), (1, "CLOSED"), (2, "OPEN"), (3, "OPEN")])
def test_half_open_is_judged_when_three_have_ended(failures: int, state: str) -> None:
    model = half_open()
    model.permits(61.0)
    model.permits(61.0)
    for place in range(3):
        assert model.state is BreakerState.HALF_OPEN
        model.ended(62.0 + place, failed=place < failures, took_s=0.1)
    assert model.state == state


@pytest.mark.parametrize(("minimum", "judged_after"), [(1, 1), (2, 2), (3, 3), (5, 3)])
def test_half_open_waits_for_no_more_probes_than_the_minimum(minimum: int, judged_after: int) -> None:
    model = BreakerModel(BreakerConfig(minimum_number_of_calls=minimum))
    told(model, *[True] * minimum)
    assert [model.permits(60.001) for _ in range(4)] == [True, True, True, False]
    for number in range(judged_after):
        assert str(model.state) == "HALF_OPEN"
        model.ended(61.0 + number, failed=True, took_s=0.1)
    assert str(model.state) == "OPEN"


def test_a_probe_that_says_nothing_gives_its_permit_back() -> None:
    model = half_open()
    assert [model.permits(61.0) for _ in range(3)] == [True, True, False]
    model.ignored()
    assert model.permits(61.0)


def test_a_probe_that_hangs_holds_the_state() -> None:
    model = half_open()
    told(model, False, False, at_s=61.0)
    assert not model.permits(10_000.0)
    assert model.state is BreakerState.HALF_OPEN


def test_a_call_that_ends_after_it_opened_is_counted_and_decides_nothing() -> None:
    model = opened()
    for _ in range(5):
        model.ended(1.0, failed=False, took_s=0.1)
    assert (model.state, model.failure_rate) == (BreakerState.OPEN, 50.0)


def test_closed_again_it_begins_anew() -> None:
    model = half_open()
    model.ended(61.0, failed=True, took_s=0.1)
    told(model, False, False, at_s=62.0)
    assert (model.state, model.failure_rate) == (BreakerState.CLOSED, -1.0)
    told(model, *[True] * 4, at_s=63.0)
    assert model.state is BreakerState.CLOSED
    assert [change.new for change in model.transitions] == ["OPEN", "HALF_OPEN", "CLOSED"]
    assert [change.at_s for change in model.transitions] == [0.0, 60.001, 62.0]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 12), st.integers(1, 12))
def test_it_opens_on_the_first_call_after_which_the_last_ones_were_bad_enough(
    calls: list[bool], window: int, minimum: int
) -> None:
    model = BreakerModel(BreakerConfig(sliding_window_size=window, minimum_number_of_calls=minimum))
    opens_at = next(
        (
            place
            for place in range(1, len(calls) + 1)
            if place >= min(minimum, window)
            and sum(last := calls[max(0, place - window) : place]) * 2 >= len(last)
        ),
        None,
    )
    for place, failed in enumerate(calls, start=1):
        if model.state is BreakerState.OPEN:
            break
        model.ended(float(place), failed=failed, took_s=0.0)
    assert [change.at_s for change in model.transitions] == ([] if opens_at is None else [float(opens_at)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"sliding_window_size": 0},
        {"minimum_number_of_calls": 0},
        {"permitted_number_of_calls_in_half_open_state": 0},
        {"failure_rate_threshold": 0.0},
        {"slow_call_rate_threshold": 101.0},
        {"wait_duration_in_open_state_s": 0.0},
    ],
    ids=str,
)
def test_settings_of_which_no_breaker_can_be_made_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        BreakerConfig(**wrong)
