"""The buckets in a real Valkey: one script at a time, intervals as in the reference, a bound on every wait."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from harness.models.bucket import BucketConfig, BucketModel
from target_app.gateway.buckets import US_PER_S, SharedBuckets, Taken, key_of
from target_app.service.redis_client import RedisClient, RedisLost, RedisSettings
from target_app.variants import Variant
from tests.target_app import real_valkey

pytestmark = pytest.mark.stack

T = TypeVar("T")
PERIOD_S = 60.0
MADE_US = 1_800_000_000_123_456


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_valkey.running(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


def with_redis(url: str, talk: Callable[[RedisClient], Awaitable[T]], *, timeout_s: float = 5.0) -> T:
    """Talk to Redis, with a time-out that a stalled machine does not reach."""

    async def session() -> T:
        redis = RedisClient(RedisSettings(redis_url=url, redis_timeout_s=timeout_s))
        try:
            return await talk(redis)
        finally:
            await redis.stop()

    return asyncio.run(session())


def with_buckets(url: str, talk: Callable[[SharedBuckets], Awaitable[T]], *, timeout_s: float = 5.0) -> T:
    """Talk to the buckets that are in it."""
    return with_redis(url, lambda redis: talk(SharedBuckets(redis, period_s=PERIOD_S)), timeout_s=timeout_s)


def someone() -> str:
    return f"client-{uuid4().hex[:8]}"


def test_of_many_at_once_through_two_gateways_exactly_as_many_as_there_are_tokens_get_one(url: str) -> None:
    client = someone()

    async def ask(one: SharedBuckets) -> list[tuple[bool, int]]:
        taken = await asyncio.gather(*(one.take(client, 100) for _ in range(40)))
        return [(each.admitted, each.remaining) for each in taken]

    async def both() -> list[tuple[bool, int]]:
        gateways = [RedisClient(RedisSettings(redis_url=url, redis_timeout_s=5.0)) for _ in range(3)]
        answers = await asyncio.gather(*(ask(SharedBuckets(each, period_s=PERIOD_S)) for each in gateways))
        for each in gateways:
            await each.stop()
        return [one for answer in answers for one in answer]

    told = asyncio.run(both())
    assert Counter(admitted for admitted, _ in told) == {True: 100, False: 20}
    assert sorted(left for admitted, left in told if admitted) == list(range(100))


def test_tokens_come_at_the_edge_of_an_interval_and_not_a_microsecond_before(url: str) -> None:
    client, edge_us = someone(), MADE_US + round(PERIOD_S * US_PER_S)

    async def talk(buckets: SharedBuckets) -> list[tuple[bool, int, float, int]]:
        moments = (MADE_US, edge_us - 2, edge_us - 1, edge_us, edge_us + 1)
        taken = [await buckets.take(client, 2, now_us=at_us) for at_us in moments]
        return [(each.admitted, each.remaining, each.refill_in_s, each.refill_at_s) for each in taken]

    assert with_buckets(url, talk) == [
        (True, 1, 60.0, 1_800_000_061),
        (True, 0, 0.000002, 1_800_000_061),
        (False, 0, 0.000001, 1_800_000_061),
        (True, 1, 60.0, 1_800_000_121),
        (True, 0, 59.999999, 1_800_000_121),
    ]


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each example waits for a server
@given(gaps_us=st.lists(st.integers(0, 119_000_000), max_size=60), limit=st.integers(1, 5))
def test_the_script_decides_as_the_reference_does(url: str, gaps_us: list[int], limit: int) -> None:
    """Up to the idle time after which a bucket is forgotten: by then it is full either way."""
    client = someone()
    config = BucketConfig(capacity=limit, refill_tokens=limit, period_s=PERIOD_S * US_PER_S)
    model = BucketModel(config, made_at_s=MADE_US)  # whole microseconds on both sides

    async def talk(buckets: SharedBuckets) -> None:
        at_us = MADE_US
        for gap_us in (0, *gaps_us):
            at_us += gap_us
            taken = await buckets.take(client, limit, now_us=at_us)
            assert taken.admitted is model.try_consume(at_us)
            assert taken.remaining == model.available(at_us)
            assert round(taken.refill_in_s * US_PER_S) == model.next_refill_in_s(at_us)

    with_buckets(url, talk)


def test_planted_tokens_come_back_one_by_one(url: str) -> None:
    client, defect = someone(), (Variant.RATE_LIMIT_REFILLS_GREEDILY,)

    async def talk(redis: RedisClient) -> list[bool]:
        buckets = SharedBuckets(redis, period_s=PERIOD_S, variants=defect)
        moments = (MADE_US, MADE_US, MADE_US, MADE_US + round(PERIOD_S / 2 * US_PER_S))
        return [(await buckets.take(client, 2, now_us=at_us)).admitted for at_us in moments]

    assert with_redis(url, talk) == [True, True, False, True]


def test_planted_each_gateway_has_buckets_of_its_own(url: str) -> None:
    client, defect = someone(), (Variant.RATE_LIMIT_PER_INSTANCE,)

    async def talk(redis: RedisClient) -> list[bool]:
        gateways = [
            SharedBuckets(redis, period_s=PERIOD_S, variants=defect, instance=name)
            for name in ("a", "b", "a")
        ]
        return [(await buckets.take(client, 1)).admitted for buckets in gateways]

    assert with_redis(url, talk) == [True, True, False]


def test_a_clock_that_was_set_back_locks_nobody_out(url: str) -> None:
    client, back_us = someone(), MADE_US - 3_600 * US_PER_S

    async def talk(buckets: SharedBuckets) -> list[bool]:
        moments = (MADE_US, back_us, back_us + round(PERIOD_S * US_PER_S))
        return [(await buckets.take(client, 1, now_us=at_us)).admitted for at_us in moments]

    assert with_buckets(url, talk) == [True, False, True]


def test_by_its_own_clock_a_new_bucket_is_refilled_a_period_later(url: str) -> None:
    client = someone()
    taken = with_buckets(url, lambda buckets: buckets.take(client, 10))
    assert (taken.admitted, taken.remaining, taken.refill_in_s) == (True, 9, PERIOD_S)
    seconds, _ = Redis.from_url(url).time()
    assert seconds <= taken.refill_at_s <= seconds + PERIOD_S + 1


def test_an_operator_finds_the_bucket_where_the_guide_says_and_it_does_not_stay_for_ever(url: str) -> None:
    client = someone()
    with_buckets(url, lambda buckets: buckets.take(client, 10))
    server = Redis.from_url(url, decode_responses=True)
    assert key_of(client) == f"ratelimit:{client}:bucket"
    assert server.hget(key_of(client), "tokens") == "9"
    assert PERIOD_S < server.ttl(key_of(client)) <= 2 * PERIOD_S


@pytest.mark.parametrize(
    "odd", [{"tokens": "many", "refilled_at_us": "1"}, {"tokens": "0"}, {"refilled_at_us": "1"}]
)
def test_a_bucket_that_somebody_broke_is_made_anew(url: str, odd: dict[str, str]) -> None:
    client = someone()
    for field, value in odd.items():
        Redis.from_url(url).hset(key_of(client), field, value)
    assert with_buckets(url, lambda buckets: buckets.take(client, 10)).remaining == 9


def test_a_key_that_is_no_bucket_is_told_as_redis_being_of_no_use(url: str) -> None:
    client = someone()
    Redis.from_url(url).set(key_of(client), "1")
    with pytest.raises(RedisLost, match="WRONGTYPE"):
        with_buckets(url, lambda buckets: buckets.take(client, 10))


def test_a_redis_that_lost_its_scripts_is_told_them_again(url: str) -> None:
    client = someone()

    async def talk(buckets: SharedBuckets) -> list[int]:
        before = await buckets.take(client, 10)
        Redis.from_url(url).script_flush()
        return [before.remaining, (await buckets.take(client, 10)).remaining]

    assert with_buckets(url, talk) == [9, 8]


def test_a_frozen_redis_costs_its_time_out_once_and_its_late_answers_reach_nobody(tmp_path: Path) -> None:
    """A connection that was given up has an answer on its way, which would be the next caller's."""
    client, other = someone(), someone()
    with real_valkey.running(tmp_path) as server:

        async def talk(buckets: SharedBuckets) -> int:
            await buckets.take(client, 1_000)
            server.freeze()
            began = time.monotonic()
            lost = await asyncio.gather(
                *(buckets.take(client, 1_000) for _ in range(20)), return_exceptions=True
            )
            assert [type(one) for one in lost] == [RedisLost] * 20
            assert time.monotonic() - began < 10 * 0.5  # redis-py by itself would try for longer
            server.thaw()
            return await _first_answer(lambda: buckets.take(other, 10))

        assert with_buckets(server.url, talk, timeout_s=0.5) == 9


async def _first_answer(take: Callable[[], Awaitable[Taken]]) -> int:
    async with asyncio.timeout(real_valkey.STARTS_WITHIN_S):
        while True:
            with suppress(RedisLost):  # it has yet to wake up
                return (await take()).remaining


def test_a_killed_redis_is_lost_at_once_and_found_again(tmp_path: Path) -> None:
    with real_valkey.running(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])

        async def talk(buckets: SharedBuckets) -> int:
            await buckets.take("me", 10)
            server.kill()
            with pytest.raises(RedisLost):
                await buckets.take("me", 10)
            with real_valkey.running(tmp_path, port):
                return (await buckets.take("me", 10)).remaining

        assert with_buckets(server.url, talk) == 9
