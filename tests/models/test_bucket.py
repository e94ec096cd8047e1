"""The bucket's reference: tokens come at intervals, all at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.models.bucket import BucketConfig, BucketModel

STANDARD = BucketConfig(capacity=100, refill_tokens=100, period_s=60.0)


def let_through(bucket: BucketModel, asked: int, at_s: float) -> int:
    return sum(bucket.try_consume(at_s) for _ in range(asked))


def test_a_minute_lets_a_hundred_through() -> None:
    bucket = BucketModel(STANDARD, made_at_s=1_000.0)
    assert let_through(bucket, 120, 1_000.0) == 100
    assert let_through(bucket, 1, 1_059.9) == 0
    assert let_through(bucket, 120, 1_060.0) == 100


def test_two_hundred_pass_within_a_moment_around_a_refill() -> None:
    """The guide does not say so."""
    bucket = BucketModel(STANDARD, made_at_s=0.0)
    assert let_through(bucket, 150, 59.9) + let_through(bucket, 150, 60.0) == 200


def test_what_is_not_used_does_not_pile_up() -> None:
    assert BucketModel(STANDARD, made_at_s=0.0).available(1_000_000.0) == 100


def test_what_cannot_be_had_is_not_taken_in_part() -> None:
    bucket = BucketModel(STANDARD, made_at_s=0.0)
    assert not bucket.try_consume(1.0, tokens=101)
    assert bucket.available(1.0) == 100


def test_the_next_refill_is_counted_from_when_the_bucket_was_made() -> None:
    bucket = BucketModel(STANDARD, made_at_s=10.0)
    assert bucket.next_refill_in_s(10.0) == 60.0
    assert bucket.next_refill_in_s(69.0) == 1.0
    assert bucket.next_refill_in_s(70.0) == 60.0


@given(
    st.lists(st.floats(0, 600), min_size=1, max_size=200).map(sorted), st.integers(1, 20), st.integers(1, 20)
)
def test_no_interval_lets_more_through_than_the_bucket_held_and_nobody_is_refused_while_there_are_tokens(
    moments: list[float], capacity: int, refill: int
) -> None:
    bucket = BucketModel(BucketConfig(capacity=capacity, refill_tokens=refill, period_s=60.0), made_at_s=0.0)
    passed: dict[int, int] = {}
    for at_s in moments:
        before = bucket.available(at_s)
        assert bucket.try_consume(at_s) is (before > 0)
        passed[int(at_s // 60)] = passed.get(int(at_s // 60), 0) + (before > 0)
    assert all(count <= capacity for count in passed.values())
    assert sum(passed.values()) <= capacity + refill * int(moments[-1] // 60)


@pytest.mark.parametrize(("capacity", "refill", "period_s"), [(0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)])
def test_a_bucket_that_refuses_everybody_or_nobody_is_none(
    capacity: int, refill: int, period_s: float
) -> None:
    with pytest.raises(ConfigError):
        BucketConfig(capacity=capacity, refill_tokens=refill, period_s=period_s)
