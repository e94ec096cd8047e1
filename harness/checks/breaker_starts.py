"""When the calls of a breaker's log began, and whether it may have let them begin then.

A log tells when calls ended and how long they took. So their beginnings are known, never too early, and too late by as
much as the end was noted late. A call that surely began while the breaker was OPEN was let through by one that should
have held it back; a HALF_OPEN that let in more than it has permits did not spare a sick callee; and one that refuses
while permits are left is open for longer than its settings say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.checks.breaker_log import (
    ERROR,
    IGNORED,
    NOT_PERMITTED,
    SUCCESS,
    TRANSITION,
    BreakerEvent,
)
from harness.models.breaker import BreakerConfig, BreakerState

# Durations are told to the millisecond.
ROUNDED_S = 0.0005
COUNTED = frozenset({SUCCESS, ERROR})
MADE = COUNTED | {IGNORED}


@dataclass(frozen=True, kw_only=True)
class _Opening:
    """From when the breaker opened until its probes were judged.

    Attributes:
        opened_s, probing_s, left_s: When it was noted that it was OPEN, HALF_OPEN and neither any more; infinite for
            what the log does not tell.
        probed: The events of its HALF_OPEN.
    """

    opened_s: float
    probing_s: float
    left_s: float
    probed: tuple[BreakerEvent, ...]


def wrongly_begun(
    events: Sequence[BreakerEvent], config: BreakerConfig, slack_s: float
) -> tuple[str, BreakerEvent] | None:
    """What the breaker let begin, or did not, against its settings; with the event that shows it.

    Args:
        events: The whole log.
        config: The settings.
        slack_s: How much later than it happened an event may have been noted.
    """
    made = [event for event in events if event.kind in MADE]
    for opening in _openings(events):
        found = (
            _while_open(opening, made, slack_s)
            or _too_many(opening, made, config, slack_s)
            or _refused_with_permits_left(opening, made, config, slack_s)
        )
        if found is not None:
            return found
    return None


def _openings(events: Sequence[BreakerEvent]) -> Iterator[_Opening]:
    changes = [place for place, event in enumerate(events) if event.kind == TRANSITION]
    for number, place in enumerate(changes):
        if _entered(events[place]) is not BreakerState.OPEN:
            continue
        probing = changes[number + 1] if number + 1 < len(changes) else None
        left = changes[number + 2] if number + 2 < len(changes) else None
        yield _Opening(
            opened_s=events[place].at_s,
            probing_s=_at_s(events, probing),
            left_s=_at_s(events, left),
            probed=() if probing is None else tuple(events[probing + 1 : left]),
        )


def _entered(event: BreakerEvent) -> BreakerState | None:
    return None if event.change is None else event.change[1]


def _at_s(events: Sequence[BreakerEvent], place: int | None) -> float:
    return float("inf") if place is None else events[place].at_s


def _earliest_s(event: BreakerEvent, slack_s: float) -> float:
    return event.at_s - event.took_s - ROUNDED_S - slack_s


def _latest_s(event: BreakerEvent) -> float:
    return event.at_s - event.took_s + ROUNDED_S


def _while_open(
    opening: _Opening, made: Sequence[BreakerEvent], slack_s: float
) -> tuple[str, BreakerEvent] | None:
    for call in made:
        if _earliest_s(call, slack_s) > opening.opened_s and _latest_s(call) < opening.probing_s - slack_s:
            open_s = call.at_s - call.took_s - opening.opened_s
            return f"a call was made while OPEN: it began {open_s:.3f} s after the breaker opened", call
    return None


def _too_many(
    opening: _Opening, made: Sequence[BreakerEvent], config: BreakerConfig, slack_s: float
) -> tuple[str, BreakerEvent] | None:
    """Whether more began before the probes were judged than may; those that were ignored gave their permits back."""
    permitted = config.permitted_number_of_calls_in_half_open_state
    ended = [event for event in opening.probed if event.kind in COUNTED]
    if not ended:
        return None
    # A call is told of before it is recorded, so the last one that was needed was told of before the state changed.
    needed = min(config.minimum_number_of_calls, permitted, len(ended))
    judged_s = ended[needed - 1].at_s
    begun = [
        call for call in made if _earliest_s(call, slack_s) > opening.opened_s and _latest_s(call) < judged_s
    ]
    given_back = sum(call.kind == IGNORED and call.at_s <= opening.left_s + slack_s for call in begun)
    if len(begun) - given_back <= permitted:
        return None
    told = (
        f"{len(begun)} calls began before the probes were judged, {given_back} of them gave their permit back, and "
        f"{permitted} are permitted in HALF_OPEN"
    )
    return told, begun[permitted + given_back]


def _refused_with_permits_left(
    opening: _Opening, made: Sequence[BreakerEvent], config: BreakerConfig, slack_s: float
) -> tuple[str, BreakerEvent] | None:
    """Whether somebody was refused before all the permits had been given out.

    Only where all of them were used in the end: else one may have been held by a call of which the log knows no end.
    """
    permitted = config.permitted_number_of_calls_in_half_open_state
    used = (
        event.kind in COUNTED and _earliest_s(event, slack_s) > opening.opened_s for event in opening.probed
    )
    if sum(used) < permitted:
        return None
    for event in opening.probed:
        # What is noted so soon may have been refused while it was still OPEN.
        if event.kind != NOT_PERMITTED or event.at_s - slack_s < opening.probing_s:
            continue
        begun = [
            call
            for call in made
            if _latest_s(call) > opening.opened_s and _earliest_s(call, slack_s) <= event.at_s
        ]
        given_back = sum(call.kind == IGNORED and call.at_s <= event.at_s - slack_s for call in begun)
        if len(begun) - given_back < permitted:
            told = (
                f"a call was not permitted in HALF_OPEN when at most {len(begun)} had begun, {given_back} of which had "
                f"given their permit back, and {permitted} are permitted"
            )
            return told, event
    return None
