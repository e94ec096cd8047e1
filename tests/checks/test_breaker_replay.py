"""A breaker with many threads tells of calls in another order than it records them in, and is convicted by neither."""

from pathlib import Path

import pytest

from harness.checks import CannotSay
from harness.recording.records import Verdict
from tests.checks.breaker_history import (
    ONE_THREAD,
    THREADS,
    Event,
    calls,
    change,
    event,
    innocent,
    judged,
)


def between(kind: str) -> list[Event]:
    """Another thread tells of a call of its own between the fifth failure and what follows from it."""
    events = innocent()
    return [
        *events[:10],
        event(kind, 0.9001, took_ms=5),
        *events[10:11],
        change(0.9002, "CLOSED_TO_OPEN"),
        *events[12:],
    ]


@pytest.mark.parametrize("kind", ["SUCCESS", "ERROR", "IGNORED_ERROR", "NOT_PERMITTED"])
def test_what_other_threads_tell_before_the_transition_follows_it(tmp_path: Path, kind: str) -> None:
    assert judged(tmp_path / "many", between(kind), THREADS).verdict is Verdict.PASS
    found = judged(tmp_path / "one", between(kind), ONE_THREAD)
    assert (found.verdict is Verdict.FAIL) is (
        kind in {"SUCCESS", "ERROR"} or "the model goes" in found.because
    )


def test_who_was_refused_by_probes_may_be_told_of_it_after_them(tmp_path: Path) -> None:
    events = innocent()
    events.insert(23, event("NOT_PERMITTED", 3.5001))
    assert judged(tmp_path / "many", events, THREADS).verdict is Verdict.PASS
    assert judged(tmp_path / "one", events, ONE_THREAD).verdict is Verdict.FAIL


def test_a_call_later_is_too_late_for_many_threads_as_well(tmp_path: Path) -> None:
    events = innocent()
    events[10:12] = [event("ERROR", 0.95), change(0.95, "CLOSED_TO_OPEN")]
    found = judged(tmp_path, events, THREADS)
    assert found.verdict is Verdict.FAIL
    assert "the model goes from CLOSED to OPEN" in found.because


def test_whoever_did_not_open_may_have_recorded_the_calls_the_other_way_round(tmp_path: Path) -> None:
    """The fifth failure opens if it comes before the success that pushes the first one out."""
    events = [*calls("+-++++---+", 0.0), event("ERROR", 1.0), event("SUCCESS", 1.001), *calls("+++", 1.1)]
    with pytest.raises(CannotSay, match="was recorded first"):
        judged(tmp_path / "many", events, THREADS)
    assert judged(tmp_path / "one", events, ONE_THREAD).verdict is Verdict.FAIL


def test_whoever_opened_may_have_recorded_the_calls_the_other_way_round(tmp_path: Path) -> None:
    events = [
        *calls("+-++++---+", 0.0),
        event("SUCCESS", 1.0),
        event("ERROR", 1.001),
        change(1.001, "CLOSED_TO_OPEN"),
    ]
    with pytest.raises(CannotSay, match="was recorded first"):
        judged(tmp_path / "many", events, THREADS)
    assert judged(tmp_path / "one", events, ONE_THREAD).verdict is Verdict.FAIL


def test_times_are_read_as_java_writes_them(tmp_path: Path) -> None:
    events = innocent()
    for one in events:
        one["creationTime"] = one["creationTime"].replace("+00:00", "Z[Etc/UTC]")
    assert judged(tmp_path, events).verdict is Verdict.PASS
