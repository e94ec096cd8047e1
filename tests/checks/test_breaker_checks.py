"""A breaker is convicted by the call on which it should have changed its state, and only by that."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.checks import CannotSay, Conclusion
from harness.checks.breaker import BreakerCountsEveryCall
from harness.checks.breaker_log import KeptCalling
from harness.errors import ConfigError
from harness.recording.records import Verdict
from target_app.service.breaker import BreakerSettings, CallNotPermitted, CircuitBreaker
from target_app.service.metrics import Metrics
from target_app.variants import Variant
from tests.checks.breaker_history import LOG, ONE_THREAD, Event, calls, change, event, innocent, judged, stamp
from tests.histories import Drill


def test_a_breaker_that_follows_its_settings_is_innocent(tmp_path: Path) -> None:
    found = judged(tmp_path, innocent())
    assert found.verdict is Verdict.PASS
    assert "opened 3 times, probed 3 times and closed 2 times" in found.because


def never_opens(events: list[Event]) -> None:
    events[11:] = calls("-----", 1.0)


def opens_a_call_late(events: list[Event]) -> None:
    events.insert(10, event("ERROR", 0.9))


def opens_a_call_early(events: list[Event]) -> None:
    del events[9]


def probes_too_soon(events: list[Event]) -> None:
    events[16]["creationTime"] = stamp(2.0)
    del events[17:]


def stays_open_for_too_long(events: list[Event]) -> None:
    events[15] = event("NOT_PERMITTED", 3.6)
    events[16:] = [change(9.0, "OPEN_TO_HALF_OPEN")]


def refuses_while_closed(events: list[Event]) -> None:
    events.insert(3, event("NOT_PERMITTED", 0.25))


def closes_on_the_second_probe(events: list[Event]) -> None:
    del events[21]


def reopens_although_one_of_three_failed(events: list[Event]) -> None:
    events[22]["stateTransition"] = "HALF_OPEN_TO_OPEN"


def closes_without_a_probe(events: list[Event]) -> None:
    events[16]["stateTransition"] = "OPEN_TO_CLOSED"


@pytest.mark.parametrize(
    "crime",
    [
        never_opens,
        opens_a_call_late,
        opens_a_call_early,
        probes_too_soon,
        stays_open_for_too_long,
        refuses_while_closed,
        closes_on_the_second_probe,
        reopens_although_one_of_three_failed,
        closes_without_a_probe,
    ],
)
def test_a_breaker_that_does_not_is_guilty(tmp_path: Path, crime: Callable[[list[Event]], None]) -> None:
    events = innocent()
    crime(events)
    found = judged(tmp_path, events)
    assert found.verdict is Verdict.FAIL
    assert len(found.examples) == 1, "the event at which they part can be looked up"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "no reason to open"),
        (list(calls("+" * 20)), "no reason to open"),
        (innocent()[:10], "ends with a call on which the model changes"),
        (list(calls("+" * 500)), "the first may be lost"),
        ({"circuitBreakerEvents": []}, "no list"),
        ([{"type": "ERROR"}], "cannot be read"),
        ([{"type": "RESET", "creationTime": "2026-01-01T00:00:00Z"}], "no breaker event known here"),
        (
            [*calls("-----"), change(0.4, "CLOSED_TO_OPEN")],
            "no reason to open again on its probes or to close",
        ),
        (innocent()[:24], "no reason to open again"),
        ([event("ERROR", 5.0), event("ERROR", 1.0)], "goes back in time"),
        ([event("ERROR", 5.0, took_ms=2000)], "as long as a slow one"),
        ([*innocent()[:17], event("SUCCESS", 3.2, took_ms=2900)], "began before the breaker opened"),
    ],
)
def test_what_cannot_be_told_is_not_judged(tmp_path: Path, events: Any, why: str) -> None:
    with pytest.raises(CannotSay, match=why):
        judged(tmp_path, events)


def test_without_a_final_reading_nothing_is_said(tmp_path: Path) -> None:
    history = Drill(tmp_path).ended()
    with pytest.raises(CannotSay, match="no final reading"):
        ONE_THREAD.check(history)


def test_a_slack_as_long_as_the_wait_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not wait at all would pass"):
        replace(ONE_THREAD, slack_s=2.0)


# The shop's own breaker, whose state machine is a library's: reference and library are two readings of one rule. ------


class Clock:
    now = 1.0

    def monotonic(self) -> float:
        return self.now


def shop_log(script: list[tuple[bool, float]], variants: frozenset[Variant] = frozenset()) -> list[Event]:
    """What the shop's breaker says when calls end as scripted: failed or not, and how long after the last one."""
    clock = Clock()
    shop_settings = BreakerSettings(breaker_wait_duration_in_open_state_s=2.0, breaker_event_buffer_size=500)
    breaker = CircuitBreaker("b", shop_settings, Metrics(), clock, variants=variants)

    async def work(failed: bool) -> None:
        if failed:
            raise RuntimeError

    async def all_calls() -> None:
        for failed, pause_s in script:
            clock.now += pause_s
            before = len(breaker._events)
            with suppress(RuntimeError, CallNotPermitted):
                await breaker.call(lambda failed=failed: work(failed))  # type: ignore[misc] # bound early
            for noted in list(breaker._events)[before:]:
                noted["creationTime"] = stamp(clock.now)

    asyncio.run(all_calls())
    return list(breaker._events)


scripts = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.4, 2.6])), min_size=10, max_size=80)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=scripts)
def test_the_shops_breaker_is_innocent_whatever_happens_to_it(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[bool, float]]
) -> None:
    events = shop_log(script)
    run_dir = tmp_path_factory.mktemp("run")
    changes = {noted["stateTransition"] for noted in events}
    if changes >= {"CLOSED_TO_OPEN", "HALF_OPEN_TO_OPEN", "HALF_OPEN_TO_CLOSED"}:
        assert judged(run_dir, events).verdict is Verdict.PASS
    else:
        with pytest.raises(CannotSay, match="gave the breaker no reason to"):
            judged(run_dir, events)


def test_the_defect_of_opening_above_the_threshold_is_told_apart(tmp_path: Path) -> None:
    defect = frozenset({Variant.BREAKER_OPENS_ABOVE_ITS_THRESHOLD})
    probes = [[(failed, 2.6)] + [(failed, 0.1)] * 2 for failed in (True, False)]
    script = [(False, 0.1)] * 10 + [(True, 0.1)] * 12 + probes[0] + probes[1]
    assert judged(tmp_path / "clean", shop_log(script)).verdict is Verdict.PASS
    assert judged(tmp_path / "defect", shop_log(script, defect)).verdict is Verdict.FAIL


# Counting -------------------------------------------------------------------------------------------------------------


def counted(tmp_path: Path, events: list[Event], **told: int | None) -> Conclusion:
    drill = Drill(tmp_path).reading("events", events)
    for name, count in told.items():
        drill.reading(name, None if count is None else {"COUNT": float(count), "TOTAL_TIME": 1.5})
    check = BreakerCountsEveryCall(
        log=LOG,
        answered="done",
        failed="failed",
        refused="refused",
        unanswered=("no answer",),
        unmade=("BulkheadFull",),
    )
    return check.check(drill.ended())


def test_a_breaker_that_counts_what_was_answered_is_innocent(tmp_path: Path) -> None:
    found = counted(tmp_path, innocent(), done=16, failed=13, refused=1)
    assert found.verdict is Verdict.PASS
    assert "16 succeeded, 13 failed, 1 refused" in found.because


def test_a_call_that_was_never_answered_may_have_been_counted_there_as_anything(tmp_path: Path) -> None:
    events = [*calls("+-"), event("ERROR", 1.0, error="Unsettled: payments: no answer within 1.5 s")]
    for number, told in enumerate(({"done": 2}, {"done": 1}, {"done": 1, "failed": 2})):
        all_told = {"done": 0, "failed": 1, "refused": None} | told
        assert counted(tmp_path / str(number), events, **all_told).verdict is Verdict.PASS


def test_a_call_that_a_bulkhead_behind_the_breaker_did_not_make_reached_nobody(tmp_path: Path) -> None:
    full = event(
        "IGNORED_ERROR", 1.0, error="BulkheadFull: Bulkhead 'b' is full and does not permit further calls"
    )
    assert (
        counted(tmp_path / "a", [*calls("+-"), full], done=1, failed=1, refused=None).verdict is Verdict.PASS
    )
    assert (
        counted(tmp_path / "b", [*calls("+-~"), full], done=1, failed=1, refused=None).verdict is Verdict.FAIL
    )


@pytest.mark.parametrize(
    ("told", "crime"),
    [
        ({"done": 16, "failed": 12, "refused": 2}, "13 that failed and the callee 12"),
        ({"done": 18, "failed": 13, "refused": 1}, "2 calls of which the breaker knows nothing"),
        ({"done": 15, "failed": 13, "refused": 1}, "16 that succeeded and the callee 15"),
    ],
)
def test_a_breaker_that_counts_something_else_is_guilty(
    tmp_path: Path, told: dict[str, int], crime: str
) -> None:
    found = counted(tmp_path, innocent(), **told)
    assert found.verdict is Verdict.FAIL
    assert crime in found.because


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"done": None, "failed": None, "refused": None}, "answered no call"),
        ({"done": 3, "failed": 1}, "no final reading of 'refused'"),
    ],
)
def test_without_the_callees_count_nothing_is_said(
    tmp_path: Path, told: dict[str, int | None], why: str
) -> None:
    with pytest.raises(CannotSay, match=why):
        counted(tmp_path, innocent(), **told)


def test_evidence_counts_callers_that_were_held_back(tmp_path: Path) -> None:
    history = Drill(tmp_path).reading("events", innocent()).ended()
    assert KeptCalling(log=LOG, at_least=8).seen(history).ok
    assert not KeptCalling(log=LOG, at_least=9).seen(history).ok


def test_evidence_that_always_holds_is_refused() -> None:
    with pytest.raises(ConfigError, match="would be enough"):
        KeptCalling(log=LOG, at_least=0)
