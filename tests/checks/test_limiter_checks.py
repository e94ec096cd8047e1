"""What is concluded of a rate limit from what one client was told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import pytest

from harness.checks import CannotSay, Check, Claim, Kind, Missing
from harness.checks.counters import EachCounted
from harness.checks.judging import judge
from harness.checks.limiter import AdmitsAsModelled, HeadersTell, RetryAfterIsHonest, TwiceAroundARefill
from harness.checks.limiter_log import AskedForMore, LimitedClient
from harness.errors import ConfigError
from harness.models.bucket import BucketConfig, BucketModel
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.histories import ANCHOR_WALL_NS, Drill

BUCKET = BucketConfig(capacity=10, refill_tokens=10, period_s=8.0)
LOG = LimitedClient(operation="read_order", client="standard-1", config=BUCKET)
BEGIN_S = 30.4  # when the first request is sent
REFILL_S = ANCHOR_WALL_NS / 1e9 + BEGIN_S  # by the wall clock
CHECKS: dict[str, Check] = {
    "admits": AdmitsAsModelled(log=LOG),
    "headers": HeadersTell(log=LOG),
    "retry": RetryAfterIsHonest(log=LOG),
    "twice": TwiceAroundARefill(log=LOG, at_least=15),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request and its answer; `at_s` is when it was sent, after the first."""

    at_s: float
    admitted: bool
    remaining: str
    reset: str
    retry_after: str = ""
    limit: str = "10"
    outcome: str = ""
    took_s: float = 0.02
    status: int = 0


def as_modelled(*, per_s: int = 4, set_by_s: float = 0.0) -> list[Request]:
    """Once, then nothing for half of an interval, and then so many a second through two refills.

    From 40 s of the run on the wall clock, by which the bucket is refilled, is set by this much.
    """
    bucket = BucketModel(BUCKET, made_at_s=0.0)
    requests = []
    for at_s in (0.0, *(4.1 + number / per_s for number in range(15 * per_s))):
        wall_s = at_s + (set_by_s if BEGIN_S + at_s >= 40 else 0)
        admitted = bucket.try_consume(wall_s)
        wait_s = bucket.next_refill_in_s(wall_s)
        requests.append(
            Request(
                at_s=at_s,
                admitted=admitted,
                remaining=str(bucket.available(wall_s)),
                reset=str(ceil(REFILL_S + wall_s + wait_s)),
                retry_after="" if admitted else str(ceil(wait_s)),
            )
        )
    return requests


def recorded(run_dir: Path, requests: list[Request], *, set_by_s: float = 0.0) -> History:
    drill = Drill(run_dir).heartbeat(set_by_s=set_by_s)
    for number, one in enumerate(requests):
        told = {
            "x-ratelimit-limit": one.limit,
            "x-ratelimit-remaining": one.remaining,
            "x-ratelimit-reset": one.reset,
            "retry-after": one.retry_after,
        }
        drill.operation(
            f"read-{number:03}",
            BEGIN_S + one.at_s,
            one.outcome or ("ok" if one.admitted else "rejected"),
            took_ms=one.took_s * 1e3,
            name="read_order",
            status=one.status or (200 if one.admitted else 429),
            ended=one.status > 0,
            result={name: text for name, text in told.items() if text},
            client="standard-1",
        )
        drill.operation(f"other-{number:03}", BEGIN_S + one.at_s, name="read_order", client="ordinary")
    return drill.ended()


def verdicts(history: History) -> dict[str, Verdict]:
    return {name: check.check(history).verdict for name, check in CHECKS.items()}


def test_an_honest_limiter_is_found_so(tmp_path: Path) -> None:
    history = recorded(tmp_path, as_modelled())
    assert set(verdicts(history).values()) == {Verdict.PASS}
    conclusion = CHECKS["admits"].check(history)
    assert "10 of 17; 10 of 32; 10 of 12" in conclusion.because
    assert AskedForMore(log=LOG, by=5).seen(history).ok


Forge = Callable[[list[Request]], list[Request]]


def passes_everybody(requests: list[Request]) -> list[Request]:
    return [replace(one, admitted=True, retry_after="") for one in requests]


def passes_one_more(requests: list[Request]) -> list[Request]:
    first = next(number for number, one in enumerate(requests) if not one.admitted)
    return [*requests[:first], replace(requests[first], admitted=True), *requests[first + 1 :]]


def refuses_one_too_early(requests: list[Request]) -> list[Request]:
    """Of 9 that pass instead of 10."""
    last = next(number for number, one in enumerate(requests) if not one.admitted) - 1
    return [*requests[:last], replace(requests[last], admitted=False, retry_after="2"), *requests[last + 1 :]]


def tells_one_token_twice(requests: list[Request]) -> list[Request]:
    return [*requests[:3], replace(requests[3], remaining=requests[2].remaining), *requests[4:]]


def tells_another_limit(requests: list[Request]) -> list[Request]:
    return [replace(one, limit="100") for one in requests]


def tells_nothing_of_what_is_left(requests: list[Request]) -> list[Request]:
    return [*requests[:3], replace(requests[3], remaining=""), *requests[4:]]


def tells_the_refused_that_some_are_left(requests: list[Request]) -> list[Request]:
    return [one if one.admitted else replace(one, remaining="1") for one in requests]


def moves_the_refill_with_each_answer(requests: list[Request]) -> list[Request]:
    return [replace(one, reset=str(ceil(REFILL_S + one.at_s + 8))) for one in requests]


def refills_after_half_a_period_by_its_word(requests: list[Request]) -> list[Request]:
    return [replace(one, reset=str(ceil(REFILL_S + (one.at_s // 8 + 1) * 4))) for one in requests]


def refills_an_hour_later_by_its_word(requests: list[Request]) -> list[Request]:
    return [replace(one, reset=str(int(one.reset) + 3600)) for one in requests]


def refills_a_second_early_by_its_word(requests: list[Request]) -> list[Request]:
    return [replace(one, reset=str(int(one.reset) - 1)) for one in requests]


def tells_the_refill_before(requests: list[Request]) -> list[Request]:
    return [replace(one, reset=str(int(one.reset) - 8)) for one in requests]


def waits_rounded_down(requests: list[Request]) -> list[Request]:
    """Between whole seconds, where rounding shows."""
    shorter = {one.retry_after: str(int(one.retry_after) - 1) for one in requests if one.retry_after}
    return [replace(one, retry_after=shorter.get(one.retry_after, "")) for one in requests]


def waits_a_whole_period(requests: list[Request]) -> list[Request]:
    return [one if one.admitted else replace(one, retry_after="8") for one in requests]


def says_nothing_of_waiting(requests: list[Request]) -> list[Request]:
    return [replace(one, retry_after="") for one in requests]


@pytest.mark.parametrize(
    ("forged", "guilty_of"),
    [
        (passes_everybody, "admits"),
        (passes_one_more, "admits"),
        (refuses_one_too_early, "admits"),
        (tells_one_token_twice, "headers"),
        (tells_another_limit, "headers"),
        (tells_nothing_of_what_is_left, "headers"),
        (tells_the_refused_that_some_are_left, "headers"),
        (moves_the_refill_with_each_answer, "headers"),
        (refills_after_half_a_period_by_its_word, "headers"),
        (refills_an_hour_later_by_its_word, "headers"),
        (refills_a_second_early_by_its_word, "headers"),
        (tells_the_refill_before, "headers"),
        (waits_rounded_down, "retry"),
        (waits_a_whole_period, "retry"),
        (says_nothing_of_waiting, "retry"),
    ],
)
def test_a_guilty_limiter_is_found_out(tmp_path: Path, forged: Forge, guilty_of: str) -> None:
    history = recorded(tmp_path, forged(as_modelled()))
    conclusion = CHECKS[guilty_of].check(history)
    assert conclusion.verdict is Verdict.FAIL
    assert conclusion.examples


def test_a_limit_that_holds_in_every_period_is_another_one(tmp_path: Path) -> None:
    """A sliding window: after ten within a period nobody passes until the first of them is a period ago."""
    passed: list[float] = []
    requests = []
    for one in as_modelled():
        admitted = sum(one.at_s - at_s < BUCKET.period_s for at_s in passed) < BUCKET.capacity
        passed += [one.at_s] if admitted else []
        requests.append(replace(one, admitted=admitted))
    found = verdicts(recorded(tmp_path, requests))
    assert (found["twice"], found["admits"]) == (Verdict.FAIL, Verdict.FAIL)


def test_a_limit_that_holds_in_every_period_is_one_also_if_its_answers_are_held_up(tmp_path: Path) -> None:
    """The first ten are answered late, all at once, and nobody knows that they were decided long before."""
    passed: list[float] = []
    requests = []
    for at_s in (0.0, *(4.0 + number / 10 for number in range(110))):
        admitted = sum(at_s - earlier_s < BUCKET.period_s for earlier_s in passed) < BUCKET.capacity
        passed += [at_s] if admitted else []
        took_s = 0.02 if at_s < 4 else max(0.02, 5.9 - at_s)
        requests.append(Request(at_s=at_s, admitted=admitted, remaining="0", reset="1", took_s=took_s))
    assert CHECKS["twice"].check(recorded(tmp_path, requests)).verdict is Verdict.FAIL


def test_nobody_who_asked_for_little_shows_that_little_passes(tmp_path: Path) -> None:
    """Six before a refill and nine after: an honest limiter of which a client has not asked enough."""
    times_s = (0.0, 4.0, 5.0, 6.0, 7.0, 7.5, 8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 12.0, 15.9, 16.5)
    requests = [replace(as_modelled()[0], at_s=at_s) for at_s in times_s]
    history = recorded(tmp_path, requests)
    found = {
        weight: judge(
            history,
            [
                Claim(
                    id="twice",
                    sentence="Twice the limit passes around a refill.",
                    source="guide",
                    check=CHECKS["twice"],
                    counts_only_if=(AskedForMore(log=LOG, by=5, if_missing=weight),),
                    kind=Kind.LIVENESS,
                )
            ],
        )[0].verdict
        for weight in (Missing.VOIDS, Missing.BOTH)
    }
    assert found == {Missing.VOIDS: Verdict.FAIL, Missing.BOTH: Verdict.INCONCLUSIVE}


def test_what_was_decided_around_a_refill_is_counted_on_its_kinder_side(tmp_path: Path) -> None:
    """A slow answer: nobody knows whether it took the last token of one interval or the first of the next."""
    requests = as_modelled()
    slow = next(number for number, one in enumerate(requests) if one.at_s == 7.85)
    requests[slow] = replace(requests[slow], admitted=True, remaining="9", took_s=0.5, retry_after="")
    after = [number for number, one in enumerate(requests) if one.at_s >= 8 and one.admitted][:10]
    for left, number in zip(range(8, -1, -1), after, strict=False):
        requests[number] = replace(requests[number], remaining=str(left))
    requests[after[9]] = replace(requests[after[9]], admitted=False, remaining="0", retry_after="6")
    assert verdicts(recorded(tmp_path, requests))["admits"] is Verdict.PASS


def test_a_request_without_an_answer_may_have_taken_a_token(tmp_path: Path) -> None:
    requests = refuses_one_too_early(as_modelled())
    assert CHECKS["admits"].check(recorded(tmp_path / "a", requests)).verdict is Verdict.FAIL
    unheard = replace(requests[1], at_s=requests[1].at_s + 0.1, outcome="unknown")
    with pytest.raises(CannotSay, match="fewer than 10"):
        CHECKS["admits"].check(recorded(tmp_path / "b", [*requests[:2], unheard, *requests[2:]]))
    unheard = replace(as_modelled()[1], at_s=requests[1].at_s + 0.1, outcome="unknown")
    requests = [*as_modelled()[:2], unheard, *as_modelled()[2:]]
    assert CHECKS["admits"].check(recorded(tmp_path / "c", requests)).verdict is Verdict.PASS


@pytest.mark.parametrize("check", ["admits", "headers"])
def test_a_limiter_that_serves_nobody_is_not_said_to_keep_its_limit(tmp_path: Path, check: str) -> None:
    first, *others = as_modelled()
    broken = [replace(one, outcome="unknown", status=500) for one in others]
    history = recorded(tmp_path, [first, *broken])
    with pytest.raises(CannotSay):
        CHECKS[check].check(history)
    assert not AskedForMore(log=LOG, by=1).seen(history).ok


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("by_s", [0.4, -0.4])
def test_nobody_is_convicted_by_a_wall_clock_that_was_set(tmp_path: Path, check: str, by_s: float) -> None:
    history = recorded(tmp_path, as_modelled(set_by_s=by_s), set_by_s=by_s)
    with pytest.raises(CannotSay, match="the wall clock was set"):
        CHECKS[check].check(history)


@pytest.mark.parametrize("by_s", [0.046, -0.046])
def test_nobody_is_convicted_by_a_wall_clock_that_ran_off(tmp_path: Path, by_s: float) -> None:
    """Half a thousandth, as a clock that is being disciplined may, in the minute and a half of a bucket's life."""
    requests = [replace(one, took_s=0.005) for one in as_modelled(per_s=50, set_by_s=by_s)]
    history = recorded(tmp_path, requests, set_by_s=by_s)
    assert {name: verdict.value for name, verdict in verdicts(history).items()} == dict.fromkeys(
        CHECKS, "PASS"
    )


def test_intervals_that_are_short_beside_what_the_clock_ran_off_tell_nothing(tmp_path: Path) -> None:
    short = replace(LOG, config=replace(BUCKET, period_s=2.0))
    requests = [one for one in as_modelled(per_s=50) if one.at_s > 5]
    requests[0] = replace(requests[0], admitted=True)
    with pytest.raises(CannotSay, match=r"ran 0\.200 s off"):
        short.load(recorded(tmp_path, requests, set_by_s=0.2))


def nobody(_: list[Request]) -> list[Request]:
    return []


def first_unanswered(requests: list[Request]) -> list[Request]:
    return [replace(requests[0], outcome="unknown"), *requests[1:]]


def second_at_once(requests: list[Request]) -> list[Request]:
    return [requests[0], replace(requests[1], at_s=0.01), *requests[2:]]


def silent_for_long(requests: list[Request]) -> list[Request]:
    return [one for one in requests if not 4.5 < one.at_s < 13]


@pytest.mark.parametrize("forged", [nobody, first_unanswered, second_at_once, silent_for_long])
@pytest.mark.parametrize("check", CHECKS)
def test_where_nobody_knows_the_intervals_nothing_is_said(tmp_path: Path, forged: Forge, check: str) -> None:
    with pytest.raises(CannotSay):
        CHECKS[check].check(recorded(tmp_path, forged(as_modelled())))


def test_without_refusals_nothing_is_said_of_waits(tmp_path: Path) -> None:
    few = [one for one in as_modelled() if one.admitted]
    with pytest.raises(CannotSay, match="0 refusals"):
        CHECKS["retry"].check(recorded(tmp_path, few))


def test_a_client_that_asked_for_no_more_than_it_may_is_no_evidence(tmp_path: Path) -> None:
    few = [one for one in as_modelled() if one.at_s < 10]
    assert not AskedForMore(log=LOG, by=1).seen(recorded(tmp_path, few)).ok


@pytest.mark.parametrize(("value", "ok"), [({"COUNT": 50.0}, True), ({"COUNT": 49.0}, False), (None, False)])
def test_each_instance_has_to_have_its_part(tmp_path: Path, value: object, ok: bool) -> None:
    history = Drill(tmp_path).reading("a", {"COUNT": 50.0}).reading("b", value).ended()
    assert EachCounted(readings=("a", "b"), at_least=50).seen(history).ok is ok


def test_an_instance_that_was_not_asked_tells_nothing(tmp_path: Path) -> None:
    history = Drill(tmp_path).reading("a", {"COUNT": 50.0}).ended()
    with pytest.raises(CannotSay):
        EachCounted(readings=("a", "b"), at_least=1).seen(history)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LimitedClient(
            operation="o", client="c", config=BucketConfig(capacity=10, refill_tokens=5, period_s=8.0)
        ),
        lambda: LimitedClient(operation="o", client="c", config=BUCKET, slack_s=1.0),
        lambda: TwiceAroundARefill(log=LOG, at_least=10),
        lambda: RetryAfterIsHonest(log=LOG, at_least=0),
        lambda: HeadersTell(log=LOG, at_least=0),
        lambda: AskedForMore(log=LOG, intervals=0),
        lambda: EachCounted(readings=(), at_least=1),
    ],
)
def test_a_check_that_cannot_fail_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        make()
