"""What a circuit breaker said of itself, as resilience4j's `/actuator/circuitbreakerevents` tells it.

The list is bounded, and its oldest events go first. A list that may have lost its beginning tells nothing of a breaker
that counts: nobody knows what was in its window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.checks import CannotSay, Seen
from harness.checks.hazard import Hazard
from harness.errors import ConfigError
from harness.models.breaker import BreakerState
from harness.recording.history import History
from harness.recording.stamps import wall_s

SUCCESS, ERROR, IGNORED = "SUCCESS", "ERROR", "IGNORED_ERROR"
NOT_PERMITTED, TRANSITION = "NOT_PERMITTED", "STATE_TRANSITION"
# Told besides the transition that follows from them.
ANNOUNCED = frozenset({"FAILURE_RATE_EXCEEDED", "SLOW_CALL_RATE_EXCEEDED"})
KINDS = frozenset({SUCCESS, ERROR, IGNORED, NOT_PERMITTED, TRANSITION}) | ANNOUNCED
# Events are stamped one after the other by one process; further back than this the wall clock was set.
BACKWARDS_S_MAX = 0.001


@dataclass(frozen=True, kw_only=True)
class BreakerEvent:
    """One event.

    Attributes:
        kind: resilience4j's name of it.
        at_s: When it was noted, in seconds since 1970 by the target's wall clock (UTC, if it names no zone).
        stamp: The same as the target wrote it, for people who look it up. Java adds the zone's name in brackets.
        took_s: How long the call took, to the millisecond; 0 for what is no call that ended.
        change: Of a transition, the old and the new state.
        error: What the call failed with, or "".
    """

    kind: str
    at_s: float
    stamp: str
    took_s: float = 0.0
    change: tuple[BreakerState, BreakerState] | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class BreakerLog:
    """Where the events are.

    Attributes:
        reading: The probe of `harness.probes.actuator.BreakerEvents`.
        kept_max: How many events the target keeps at most.
    """

    reading: str
    kept_max: int

    def __post_init__(self) -> None:
        """Refuse a log that is always full."""
        if self.kept_max < 1:
            raise ConfigError(
                f"kept_max must be at least 1, got {self.kept_max}: every log would have lost its beginning. Give the "
                "target's own eventConsumerBufferSize."
            )

    def load(self, history: History) -> tuple[BreakerEvent, ...]:
        """All events since the target started, in their order.

        Raises:
            CannotSay: There is no final reading, it is no such list, or it may have lost its beginning.
        """
        if history.final_line(self.reading) is None:
            raise CannotSay(f"there is no final reading of {self.reading!r}")
        found = history.final_reading(self.reading)
        if not isinstance(found, list):
            raise CannotSay(f"the final reading of {self.reading!r} is no list of events")
        if len(found) >= self.kept_max:
            raise CannotSay(
                f"{self.reading!r} has {len(found)} events and the target keeps {self.kept_max}: the first may be lost"
            )
        events = tuple(self._event(item) for item in found)
        for earlier, later in pairwise(events):
            if later.at_s < earlier.at_s - BACKWARDS_S_MAX:
                raise CannotSay(f"{self.reading!r} goes back in time at {later.stamp}: the clock was set")
        return events

    def _event(self, item: Any) -> BreakerEvent:
        if not isinstance(item, Mapping) or item.get("type") not in KINDS:
            raise CannotSay(
                f"{self.reading!r} holds {str(item)[:80]!r}, which is no breaker event known here"
            )
        try:
            stamp = str(item["creationTime"])
            change = item["stateTransition"] if item["type"] == TRANSITION else None
            return BreakerEvent(
                kind=str(item["type"]),
                at_s=wall_s(stamp.partition("[")[0]),
                stamp=stamp,
                took_s=float(item.get("durationInMs") or 0) / 1000,
                change=None if change is None else _states(str(change)),
                error=str(item.get("errorMessage") or ""),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CannotSay(
                f"{self.reading!r} holds {str(item)[:80]!r}, which cannot be read: {error}"
            ) from error


def _states(change: str) -> tuple[BreakerState, BreakerState]:
    old, _, new = change.partition("_TO_")
    return BreakerState(old), BreakerState(new)


@dataclass(frozen=True, kw_only=True)
class KeptCalling(Hazard):
    """Callers went on asking while the breaker let nobody through: otherwise it held nothing back."""

    log: BreakerLog

    def seen(self, history: History) -> Seen:
        """Count the calls that were not permitted."""
        refused = sum(event.kind == NOT_PERMITTED for event in self.log.load(history))
        return Seen(
            ok=refused >= self.at_least,
            sentence=f"{refused} calls were not permitted (wanted {self.at_least})",
        )
