"""The states of a breaker are drawn from what it told, as far as it told it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reports.axis import axis_of
from reports.breakers import breaker_lanes
from tests.histories import ANCHOR_WALL_NS, Drill


def event(at_s: float, change: str | None, **more: Any) -> dict[str, Any]:
    moment = datetime.fromtimestamp(ANCHOR_WALL_NS / 1e9 + at_s, UTC).isoformat()
    return {"circuitBreakerName": "paymentService", "creationTime": moment, "stateTransition": change, **more}


def test_the_states_of_a_breaker_are_drawn_from_its_events(tmp_path: Path) -> None:
    events = [
        event(10, None),
        event(30, "CLOSED_TO_OPEN"),
        event(32, "OPEN_TO_HALF_OPEN"),
        event(33, "HALF_OPEN_TO_CLOSED"),
    ]
    history = Drill(tmp_path).reading("breaker_events", events).ended()
    [lane] = breaker_lanes(history, axis_of(history))
    assert [(part.name, round(part.start_s), round(part.end_s)) for part in lane.stretches] == [
        ("CLOSED", 0, 30),
        ("OPEN", 30, 32),
        ("HALF OPEN", 32, 33),
        ("CLOSED", 33, 84),  # when the events were read
    ]
    assert lane.columns[0][1][33] in {"HALF OPEN → CLOSED", "CLOSED"}
    assert lane.columns[0][1][84] == ""
    assert lane.note == ""


def test_events_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    odd = [event(30, "SIDEWAYS"), event(30, "A_TO_B", creationTime="yesterday"), event(1e8, "A_TO_B"), 7]
    history = Drill(tmp_path).reading("breaker_events", odd).ended()
    assert list(breaker_lanes(history, axis_of(history))) == []


def test_an_event_that_has_no_place_is_told_beside_those_that_have(tmp_path: Path) -> None:
    events = [
        event(30, "CLOSED_TO_OPEN"),
        event(1e8, "OPEN_TO_CLOSED"),
        event(31, "A_TO_B", creationTime="x"),
    ]
    history = (
        Drill(tmp_path).reading("events", [*events, {"stateTransition": 7, "creationTime": "_TO_"}]).ended()
    )
    [lane] = breaker_lanes(history, axis_of(history))
    assert lane.note == "2 changes of state could not be read or placed within the run"


def test_a_wall_clock_that_was_set_is_told(tmp_path: Path) -> None:
    drill = Drill(tmp_path).heartbeat(set_by_s=3).reading("events", [event(30, "CLOSED_TO_OPEN")])
    history = drill.ended()
    [lane] = breaker_lanes(history, axis_of(history))
    assert lane.note == "the wall clock, which stamps are of, was set by 3 s during the run"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reader in Tokyo."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_a_stamp_without_a_zone_is_of_utc_and_not_of_the_readers_own(tmp_path: Path) -> None:
    stamp = datetime.fromtimestamp(ANCHOR_WALL_NS / 1e9 + 30, UTC).replace(tzinfo=None).isoformat()
    history = Drill(tmp_path).reading("events", [event(0, "CLOSED_TO_OPEN", creationTime=stamp)]).ended()
    [lane] = breaker_lanes(history, axis_of(history))
    assert lane.stretches[1].start_s == pytest.approx(30)
    assert lane.note == "stamps without a time zone are taken for UTC"
