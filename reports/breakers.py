"""The states of circuit breakers, from the events that Spring's actuator tells of them.

A change of state says what was before it and what after. So the state is known from the beginning to the moment at
which the events were read, and not behind it. An event that cannot be placed on the axis is told: without it, a state
that is drawn may have been another.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from harness.recording.history import History
from harness.recording.rundir import UNREADABLE
from harness.recording.stamps import has_zone, wall_s
from reports.axis import Axis
from reports.lanes import Lane, Shape, Stretch, states_in_steps
from reports.text import counted, figure, plain

_BYTES_MAX = 16_000_000
_DRIFT_NS_TOLD = 250_000_000  # a clock that is being disciplined runs away by less
_KINDS = {"OPEN": "open", "FORCED_OPEN": "open", "HALF_OPEN": "half-open", "CLOSED": "closed"}


class _Event(msgspec.Struct):
    """The part of an event that tells of a change; every other event has no `stateTransition`."""

    circuitBreakerName: str = ""  # noqa: N815 - the actuator's own name
    stateTransition: str | None = None  # noqa: N815 - as above
    creationTime: str = ""  # noqa: N815 - as above


class _Changes:
    """What one breaker told.

    Attributes:
        found: When it went from which state to which.
        lost: How many changes have no place on the axis.
        zoneless: How many stamps have no time zone.
    """

    def __init__(self) -> None:
        self.found: list[tuple[float, str, str]] = []
        self.lost = self.zoneless = 0

    def add(self, event: _Event, history: History, axis: Axis) -> None:
        before, _, after = (event.stateTransition or "").partition("_TO_")
        try:
            at_s = axis.at_s(wall_s(event.creationTime) * 1e9 + history.wall_offset_ns)
            self.zoneless += not has_zone(event.creationTime)
        except ValueError:
            at_s = -1.0
        if after and axis.holds(at_s):
            self.found.append((at_s, before, after))
        else:
            self.lost += 1


def breaker_lanes(history: History, axis: Axis) -> Iterator[Lane]:
    """The states of each circuit breaker."""
    for probe in history.probes:
        line = history.final_line(probe)
        if line is None or line.length > _BYTES_MAX:
            continue
        breakers: dict[str, _Changes] = {}
        for event in _changes(history.reading_text(line)):
            breakers.setdefault(event.circuitBreakerName, _Changes()).add(event, history, axis)
        read_s = min(axis.seconds, axis.at_s(line.at_ns))
        for name, changes in breakers.items():
            if changes.found:
                stretches = tuple(_states(sorted(changes.found), max(read_s, max(changes.found)[0])))
                yield Lane(
                    title=f"State of the circuit breaker {plain(name, 60)}",
                    short=f"breaker {plain(name, 60)}",
                    shape=Shape.STATES,
                    stretches=stretches,
                    state_steps=states_in_steps(axis, stretches),
                    note=_note(changes, history.wall_drift_ns or 0),
                )


def _changes(text: bytes) -> Iterator[_Event]:
    if b'"stateTransition"' not in text or b'"creationTime"' not in text:
        return
    try:
        rows: list[Any] = msgspec.json.decode(text, type=list[msgspec.Raw])
    except UNREADABLE:
        return
    for row in rows:
        if b"_TO_" in bytes(row):  # of many events few are changes
            try:
                event = msgspec.json.decode(row, type=_Event)
            except UNREADABLE:
                continue
            if event.stateTransition is not None:
                yield event


def _note(changes: _Changes, drift_ns: int) -> str:
    told = []
    if changes.lost:
        told.append(f"{counted(changes.lost, 'change')} of state could not be read or placed within the run")
    if changes.zoneless:
        told.append("stamps without a time zone are taken for UTC")
    if drift_ns > _DRIFT_NS_TOLD:
        told.append(
            f"the wall clock, which stamps are of, was set by {figure(drift_ns / 1e9)} s during the run"
        )
    return "; ".join(told)


def _states(changes: list[tuple[float, str, str]], end_s: float) -> Iterator[Stretch]:
    since_s, state = 0.0, changes[0][1]
    for at_s, _, after in [*changes, (end_s, "", "")]:
        name = plain(state, 30).replace("_", " ")
        yield Stretch(name=name, kind=f"state {_KINDS.get(state, 'other')}", start_s=since_s, end_s=at_s)
        since_s, state = at_s, after
