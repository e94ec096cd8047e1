"""The run on one time axis: phases, faults and every lane, as drawings and as one table."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from harness.recording.history import History
from harness.recording.records import Phase
from reports.answers import answer_lanes
from reports.axis import Axis, axis_of
from reports.breakers import breaker_lanes
from reports.drawing import Box, Drawing, Tick, boxes, drawn
from reports.faults import FaultShown, faults_shown
from reports.lanes import Stretch, states_in_steps
from reports.readings import reading_lanes, stall_lanes


@dataclass(frozen=True, kw_only=True)
class Table:
    """The drawings in figures: a row for each step of the axis."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What is drawn of a run.

    Attributes:
        ticks: The scale of the axis, in percent of its length.
    """

    axis: Axis
    ticks: tuple[Tick, ...]
    phases: tuple[Box, ...]
    faults: tuple[FaultShown, ...]
    drawings: tuple[Drawing, ...]
    table: Table


def timeline_of(history: History) -> Timeline:
    """Everything that was recorded and can be drawn."""
    axis = axis_of(history)
    phases, faults = tuple(_phases(history, axis)), faults_shown(history, axis)
    there = [stretch for fault in faults for stretch in fault.stretches]
    lanes = tuple(
        chain(
            answer_lanes(history, axis),
            breaker_lanes(history, axis),
            reading_lanes(history, axis),
            stall_lanes(history, axis),
        )
    )
    columns = [
        ("second", tuple(f"{step * axis.step_s:g}" for step in range(axis.steps))),
        ("phase", states_in_steps(axis, phases)),
        ("faults", states_in_steps(axis, there)),
        *chain.from_iterable(lane.columns for lane in lanes),
    ]
    return Timeline(
        axis=axis,
        ticks=tuple(Tick(at=axis.percent(at_s), told=_told(at_s, axis)) for at_s in axis.ticks()),
        phases=tuple(boxes(phases, axis)),
        faults=faults,
        drawings=tuple(drawn(lane, axis) for lane in lanes),
        table=Table(
            columns=tuple(name for name, _ in columns), rows=tuple(zip(*(v for _, v in columns), strict=True))
        ),
    )


def _told(at_s: float, axis: Axis) -> str:
    return f"{at_s / 60:g} min" if axis.seconds >= 300 and at_s else f"{at_s:g} s"


def _phases(history: History, axis: Axis) -> Iterator[Stretch]:
    for phase in Phase:
        if span := history.phase(phase):
            start_s, end_s = axis.at_s(span.start_ns), axis.at_s(span.end_ns)
            if start_s <= axis.seconds:
                yield Stretch(name=phase.value, kind="phase", start_s=start_s, end_s=min(end_s, axis.seconds))
