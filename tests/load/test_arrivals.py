from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chance import Chance
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.load.arrivals import Segment, Shape, arrival_times_ns, burst, ramp, steady

rates = st.floats(0, 200)
segments = st.builds(
    Segment, seconds=st.floats(0.01, 10), rate_from_per_s=rates, rate_to_per_s=st.one_of(rates, st.just(0.0))
)
shapes = st.builds(Shape, segments=st.lists(segments, min_size=1, max_size=4).map(tuple))
seeds = st.integers(0, 2**32)


def times(shape: Shape, seed: int = 1) -> list[int]:
    return list(arrival_times_ns(shape, Chance(seed).stream("arrivals")))


@given(shapes, seeds)
def test_as_many_requests_come_as_were_counted_and_none_outside_the_shape(shape: Shape, seed: int) -> None:
    at_ns = times(shape, seed)
    assert len(at_ns) == shape.count
    assert all(0 <= time <= shape.seconds * NS_PER_S for time in at_ns)


@given(shapes, seeds)
def test_requests_come_in_order(shape: Shape, seed: int) -> None:
    assert all(earlier <= later for earlier, later in pairwise(times(shape, seed)))


@given(shapes, seeds)
def test_the_same_seed_gives_the_same_times(shape: Shape, seed: int) -> None:
    assert times(shape, seed) == times(shape, seed)


@given(shapes, shapes, seeds)
def test_what_comes_later_moves_nothing_that_came_before(shape: Shape, later: Shape, seed: int) -> None:
    assert times(shape.then(later), seed)[: shape.count] == times(shape, seed)


@given(shapes, seeds, st.floats(0, 1), st.floats(0, 1))
def test_every_window_holds_what_was_promised_for_it(
    shape: Shape, seed: int, one: float, other: float
) -> None:
    from_s, to_s = sorted((one * shape.seconds, other * shape.seconds))
    came = sum(from_s * NS_PER_S <= time < to_s * NS_PER_S for time in times(shape, seed))
    fewest, most = shape.promised(from_s, to_s)
    assert fewest <= came <= most <= fewest + 2


@given(seeds, st.integers(1, 50), st.integers(1, 8), st.integers(1, 8))
def test_a_phase_of_whole_slots_holds_exactly_rate_times_seconds(
    seed: int, rate_per_s: int, before_s: int, seconds: int
) -> None:
    shape = steady(rate_per_s, seconds=before_s + seconds + 1)
    came = [
        time for time in times(shape, seed) if before_s * NS_PER_S <= time < (before_s + seconds) * NS_PER_S
    ]
    assert len(came) == rate_per_s * seconds
    assert shape.promised(before_s, before_s + seconds) == (len(came), len(came))


@pytest.mark.parametrize(("rate_per_s", "seconds", "count"), [(0.1, 30, 3), (0.3, 10, 3), (1.1, 10, 11)])
def test_a_count_is_not_lost_to_rounding(rate_per_s: float, seconds: float, count: int) -> None:
    assert (
        steady(rate_per_s, seconds=seconds).count == len(times(steady(rate_per_s, seconds=seconds))) == count
    )


def test_a_ramp_sends_most_where_its_rate_is_highest() -> None:
    at_ns = times(ramp(0, 100, seconds=10))
    assert len(at_ns) == 500
    assert sum(time < 5 * NS_PER_S for time in at_ns) == 125


def test_a_rate_that_hardly_changes_is_spread_like_one_that_does_not() -> None:
    steadily = times(steady(10, seconds=100))
    hardly = times(ramp(10, 10 + 1e-11, seconds=100))
    assert max(abs(one - other) for one, other in zip(steadily, hardly, strict=True)) < 1_000


def test_a_burst_holds_each_part_s_own_count() -> None:
    shape = burst(10, 200, before_s=2, peak_s=1, after_s=2)
    at_ns = times(shape)
    assert [
        sum(first * NS_PER_S <= time < last * NS_PER_S for time in at_ns)
        for first, last in ((0, 2), (2, 3), (3, 5))
    ] == [20, 200, 20]


def test_clients_do_not_march_in_step() -> None:
    gaps_ns = {later - earlier for earlier, later in pairwise(times(steady(10, seconds=10)))}
    assert len(gaps_ns) > 90


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_stretch_without_a_length_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="Try steady"):
        steady(10, seconds=seconds)


@pytest.mark.parametrize("rate_per_s", [-1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate_per_s: float) -> None:
    with pytest.raises(ConfigError, match="Try steady"):
        ramp(10, rate_per_s, seconds=10)
