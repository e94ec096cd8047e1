"""Logs of a breaker made by hand, for the tests of what is concluded of one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.checks import Conclusion
from harness.checks.breaker import BreakerAsModelled
from harness.checks.breaker_log import BreakerLog
from harness.clock import NS_PER_S
from harness.models.breaker import BreakerConfig
from tests.histories import ANCHOR_WALL_NS, Drill

Event = dict[str, Any]
LOG = BreakerLog(reading="events", kept_max=500)
CONFIG = BreakerConfig(wait_duration_in_open_state_s=2.0)
ONE_THREAD = BreakerAsModelled(log=LOG, config=CONFIG, interleaved_s=0.0)
THREADS = BreakerAsModelled(log=LOG, config=CONFIG)
# For as long the heartbeat was heard.
HEARD_S = 215


def stamp(at_s: float) -> str:
    """The wall clock so many seconds into the run."""
    return datetime.fromtimestamp(ANCHOR_WALL_NS / NS_PER_S + at_s, UTC).isoformat(timespec="microseconds")


def event(
    kind: str, at_s: float, *, took_ms: int | None = 50, change: str | None = None, error: str = ""
) -> Event:
    return {
        "circuitBreakerName": "paymentService",
        "type": kind,
        "creationTime": stamp(at_s),
        "errorMessage": error or None,
        "durationInMs": took_ms,
        "stateTransition": change,
    }


def calls(kinds: str, since_s: float = 0.0) -> Iterator[Event]:
    """One call each tenth of a second: `+` went well, `-` failed, `x` was not permitted, `~` was ignored."""
    words = {"+": "SUCCESS", "-": "ERROR", "x": "NOT_PERMITTED", "~": "IGNORED_ERROR"}
    for number, kind in enumerate(kinds):
        yield event(words[kind], since_s + number / 10)


def change(at_s: float, states: str) -> Event:
    return event("STATE_TRANSITION", at_s, took_ms=None, change=states)


def innocent() -> list[Event]:
    """Opens on the fifth failure, probes after its wait, closes on the third probe; opens again, and by its probes."""
    return [
        *calls("+++++-----", 0.0),
        event("FAILURE_RATE_EXCEEDED", 0.9, took_ms=None),
        change(0.9, "CLOSED_TO_OPEN"),
        *calls("xx-x", 1.0),
        change(3.0, "OPEN_TO_HALF_OPEN"),
        *calls("+x~-+", 3.1),
        change(3.5, "HALF_OPEN_TO_CLOSED"),
        *calls("++-+--", 4.0),
        change(4.5, "CLOSED_TO_OPEN"),
        *calls("xx", 4.6),
        change(6.6, "OPEN_TO_HALF_OPEN"),
        *calls("+--", 6.7),
        change(6.9, "HALF_OPEN_TO_OPEN"),
        *calls("xx", 7.0),
        change(9.0, "OPEN_TO_HALF_OPEN"),
        *calls("+-+", 9.1),
        change(9.3, "HALF_OPEN_TO_CLOSED"),
        *calls("+++", 9.4),
    ]


def judged(
    run_dir: Path, events: Any, check: BreakerAsModelled = ONE_THREAD, *, set_by_s: float = 0.0
) -> Conclusion:
    """What is concluded; from 40 s of the run on the wall clock is set by so much."""
    drill = Drill(run_dir).heartbeat(until_s=HEARD_S, set_by_s=set_by_s).reading("events", events)
    return check.check(drill.ended())
