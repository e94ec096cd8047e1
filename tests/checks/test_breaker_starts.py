"""A breaker is convicted by calls that began when it should have held them back, and by those it held back too long."""

from collections import Counter
from pathlib import Path

import pytest

from harness.checks import CannotSay
from harness.checks.breaker_log import NOT_PERMITTED
from harness.recording.records import Verdict
from tests.checks.breaker_history import Event, calls, change, event, innocent, judged

OPENED = [*calls("+++++-----", 0.0), change(0.9, "CLOSED_TO_OPEN")]


def leaks_while_open() -> list[Event]:
    """Every call is made, and one is refused for show."""
    leak = [*calls("x", 1.0), *calls("-+-+-+-+-+-+", 1.1), *calls("+" * 5, 2.3)]
    return [*OPENED, *leak, *innocent()[16:]]


def leaks_a_long_call() -> list[Event]:
    """It ends when nobody is held back any more."""
    events = innocent()
    return [*events[:23], event("SUCCESS", 3.55, took_ms=1550), *events[23:]]


def permits_everybody_to_probe() -> list[Event]:
    probes = [event("SUCCESS", 3.5 + number / 1000, took_ms=450) for number in range(3)]
    late = [event("SUCCESS", 3.51 + number / 1000, took_ms=450) for number in range(20)]
    return [
        *OPENED,
        *calls("x", 1.0),
        change(3.0, "OPEN_TO_HALF_OPEN"),
        *probes,
        change(3.503, "HALF_OPEN_TO_CLOSED"),
        *late,
    ]


def permits_one_probe_at_a_time() -> list[Event]:
    return [
        *OPENED,
        *calls("x", 1.0),
        change(3.0, "OPEN_TO_HALF_OPEN"),
        *calls("xxxx", 3.05),
        event("SUCCESS", 3.5, took_ms=450),
        *calls("xxx", 3.55),
        event("SUCCESS", 4.3, took_ms=400),
        *calls("xxx", 4.4),
        event("SUCCESS", 5.0, took_ms=200),
        change(5.0, "HALF_OPEN_TO_CLOSED"),
    ]


@pytest.mark.parametrize(
    ("events", "crime"),
    [
        (leaks_while_open(), "a call was made while OPEN: it began 0."),
        (leaks_a_long_call(), "a call was made while OPEN: it began 1.100 s"),
        (permits_everybody_to_probe(), "23 calls began before the probes were judged, 0 of them gave"),
        (permits_one_probe_at_a_time(), "a call was not permitted in HALF_OPEN when at most 2 had begun"),
    ],
)
def test_a_breaker_that_lets_begin_what_it_should_not_is_guilty(
    tmp_path: Path, events: list[Event], crime: str
) -> None:
    found = judged(tmp_path, events)
    assert found.verdict is Verdict.FAIL
    assert crime in found.because
    assert len(found.examples) == 1


def slow_probes(probes: list[Event], *, judged_at_s: float) -> list[Event]:
    """As the innocent one, with other probes in its first HALF_OPEN and nothing between that and the next opening."""
    events = innocent()
    return [*events[:17], *probes, change(judged_at_s, "HALF_OPEN_TO_CLOSED"), *calls("++-+--", 6.0)]


def test_an_ignored_probe_gives_its_permit_to_another(tmp_path: Path) -> None:
    probes = [
        event("IGNORED_ERROR", 3.2, took_ms=150),
        event("SUCCESS", 5.0, took_ms=1900),
        event("NOT_PERMITTED", 5.1),
        event("SUCCESS", 5.2, took_ms=1900),
        event("SUCCESS", 5.3, took_ms=1900),
    ]
    events = slow_probes(probes, judged_at_s=5.3)
    with pytest.raises(CannotSay, match="ends with a call on which the model changes"):
        judged(tmp_path / "innocent", events)
    probes[0] = event("SUCCESS", 3.2, took_ms=150)
    found = judged(tmp_path / "guilty", slow_probes(probes, judged_at_s=5.3))
    assert found.verdict is Verdict.FAIL


def test_calls_that_began_before_it_opened_may_end_while_it_is_open(tmp_path: Path) -> None:
    events = innocent()
    events[12:16] = [event("SUCCESS", 2.3, took_ms=1500)]
    assert judged(tmp_path, events).verdict is Verdict.PASS


@pytest.mark.parametrize("at_s", [0.95, 1.35])
def test_when_a_call_began_is_known_no_better_than_its_end_was_noted(tmp_path: Path, at_s: float) -> None:
    events = innocent()
    events[12:16] = [event("SUCCESS", at_s, took_ms=0)]
    assert judged(tmp_path, events).verdict is Verdict.PASS


def test_one_that_began_just_before_the_probes_is_one_too_many_wherever_it_began(tmp_path: Path) -> None:
    events = innocent()
    events[12:16] = [event("SUCCESS", 2.95, took_ms=0)]
    assert judged(tmp_path, events).verdict is Verdict.FAIL


def test_a_leak_is_a_crime_although_the_rest_of_the_log_cannot_be_told(tmp_path: Path) -> None:
    events = leaks_while_open()[:25]
    assert judged(tmp_path, events).verdict is Verdict.FAIL
    assert Counter(one["type"] for one in events)[NOT_PERMITTED] == 1


def clock_set_while_open(by_s: float) -> list[Event]:
    """The whole log 39 s later, so that the clock is set by so much in the first OPEN, at 40 s."""
    shifted = []
    for kind, at_s, took_ms, states in (
        *(("SUCCESS", 38 + number / 10, 50, None) for number in range(5)),
        *(("ERROR", 38.5 + number / 10, 50, None) for number in range(5)),
        ("STATE_TRANSITION", 38.9, None, "CLOSED_TO_OPEN"),
        ("NOT_PERMITTED", 40.8, None, None),
        ("STATE_TRANSITION", 41.0, None, "OPEN_TO_HALF_OPEN"),
        *(("ERROR", 41.1 + number / 10, 50, None) for number in range(3)),
        ("STATE_TRANSITION", 41.3, None, "HALF_OPEN_TO_OPEN"),
        ("STATE_TRANSITION", 43.3, None, "OPEN_TO_HALF_OPEN"),
        *(("SUCCESS", 43.4 + number / 10, 50, None) for number in range(3)),
        ("STATE_TRANSITION", 43.6, None, "HALF_OPEN_TO_CLOSED"),
    ):
        shown_s = at_s + (by_s if at_s >= 40 else 0)
        shifted.append(event(kind, shown_s, took_ms=took_ms, change=states))
    return shifted


@pytest.mark.parametrize("by_s", [1.0, -1.0])
def test_nobody_is_convicted_by_a_wall_clock_that_was_set(tmp_path: Path, by_s: float) -> None:
    with pytest.raises(CannotSay, match="the wall clock was set"):
        judged(tmp_path, clock_set_while_open(by_s), set_by_s=by_s)
    assert judged(tmp_path / "guilty", clock_set_while_open(by_s)).verdict is Verdict.FAIL


def test_on_which_call_it_opens_is_known_without_a_clock(tmp_path: Path) -> None:
    events = clock_set_while_open(1.0)
    events.insert(10, events[9])
    found = judged(tmp_path, events, set_by_s=1.0)
    assert found.verdict is Verdict.FAIL
    assert "the model goes from CLOSED to OPEN" in found.because
