"""What probes saw, along the axis: whatever was read again and again and changed.

A page knows no target. What it can draw it knows by its form: a figure, a table (its rows are counted), an object with
figures in it; and some forms that the field has standard ones for, such as the in-sync replicas of partitions.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from harness.recording.history import History
from harness.recording.rundir import UNREADABLE
from reports.axis import Axis
from reports.lanes import (
    Lane,
    Line,
    Point,
    Shape,
    in_steps,
    number,
    values_in_steps,
)
from reports.looks import longest_gaps_s
from reports.text import figure, plain

LANES_MAX = 12
_VALUE_BYTES_MAX = 200_000  # of a reading that is drawn: larger ones are tables to be compared, not gauges
STALL_MS_MIN = 50  # shorter ones are any machine's, and would only take the eye
_COUNTERS = {"all_s", "busy_s", "ours_s"}
_LOOKED_INTO = (b'"isr"', b'"lag"', b"\\u")  # what is told of a row, and a spelling that may hide it


def reading_lanes(history: History, axis: Axis) -> Iterator[Lane]:
    """Each probe's figures that changed during the run."""
    drawn = 0
    gaps_s = longest_gaps_s(history)
    for probe in sorted(history.probes, key=_urgency):
        found: dict[str, list[Point]] = {}
        missed: list[float] = []
        counted: list[tuple[float, Mapping[str, float]]] = []
        last_text, told = b"", list[tuple[str, float]]()
        for line in history.reading_lines(probe):
            at_s = axis.at_s(line.at_ns)
            if line.final or line.length > _VALUE_BYTES_MAX or not axis.holds(at_s):
                continue
            if line.error:
                missed.append(at_s)
                for points in found.values():
                    points.append((at_s, None))
                continue
            text = history.reading_text(line)
            if _is_counters(text) and isinstance(value := _decoded(text), dict) and value.keys() >= _COUNTERS:
                counted.append((at_s, value))
                continue
            if text != last_text:  # most of what is read is as it was when it was read before
                last_text, told = text, list(figures_of(text))
            for name, read in told:
                found.setdefault(name, []).append((at_s, read))
        if counted:
            yield _processor(axis, counted)
        for name, points in found.items():
            if len({value for _, value in points if value is not None}) > 1 and drawn < LANES_MAX:
                drawn += 1
                yield _lane(axis, probe, name, points, missed, gaps_s.get(probe))


def _urgency(probe: str) -> tuple[bool, str]:
    """Lag first, the machine last; between them by name."""
    return "machine" in probe, "" if "lag" in probe else probe


def _lane(
    axis: Axis, probe: str, name: str, points: list[Point], missed: list[float], gap_s: float | None
) -> Lane:
    title = plain(probe, 60).replace("_", " ") + (f": {plain(name, 60)}" if name else "")
    line = Line(name=title, kind="read", points=tuple(points), steps=in_steps(axis, points))
    note = "" if gap_s is None else f"at most {figure(round(gap_s, 2))} s between two looks"
    return Lane(title=title, shape=Shape.READINGS, lines=(line,), missed_s=tuple(missed), note=note)


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return None


def _is_counters(text: bytes) -> bool:
    return all(f'"{name}"'.encode() in text for name in _COUNTERS)


def figures_of(text: bytes) -> Iterator[tuple[str, float]]:
    """The figures of a reading's text. Of a table whose rows are only counted no row becomes an object."""
    if text.startswith(b"[") and not any(name in text for name in _LOOKED_INTO):
        try:
            yield "rows", float(len(msgspec.json.decode(text, type=list[msgspec.Raw])))
        except UNREADABLE:
            return
    else:
        yield from figures(_decoded(text))


def figures(value: Any) -> Iterator[tuple[str, float]]:
    """What can be drawn of one reading, each with a name."""
    if isinstance(value, list):
        rows = [row for row in value if isinstance(row, dict)]
        if replicas := [row["isr"] for row in rows if isinstance(row.get("isr"), list)]:
            yield "fewest in-sync replicas", float(min(map(len, replicas)))
            yield "partitions without a leader", float(sum(row.get("leader") in (-1, None) for row in rows))
        else:
            yield "rows", float(len(value))
            for name in ("lag",):
                if found := [read for row in rows if (read := number(row.get(name))) is not None]:
                    yield name, sum(found)
    elif isinstance(value, dict):
        for name, part in value.items():
            if (read := number(part)) is not None:
                yield name, read
    elif (read := number(value)) is not None:
        yield "", read


def _processor(axis: Axis, counted: list[tuple[float, Mapping[str, float]]]) -> Lane:
    """Counters of processor time as shares of the time between two readings."""
    busy: list[Point] = []
    others: list[Point] = []
    for (_, before), (at_s, after) in pairwise(counted):
        grown = {name: _grown(before, after, name) for name in _COUNTERS}
        if grown["all_s"] > 0:
            busy.append((at_s, 100 * grown["busy_s"] / grown["all_s"]))
            others.append((at_s, 100 * max(0.0, grown["busy_s"] - grown["ours_s"]) / grown["all_s"]))
    lines = tuple(
        Line(name=name, kind=kind, points=tuple(points), steps=in_steps(axis, points))
        for name, kind, points in (
            ("in use", "read", busy),
            ("in use by others than the drill", "p99", others),
        )
    )
    return Lane(
        title="Processor time of the machine",
        short="processor",
        shape=Shape.READINGS,
        unit="%",
        lines=lines,
    )


def _grown(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    first, second = number(before.get(name)), number(after.get(name))
    return 0.0 if first is None or second is None else second - first


def stall_lanes(history: History, axis: Axis) -> Iterator[Lane]:
    """When the machine or its disk stood still, if it did: what happened then may be their doing."""
    for title, beats in (
        ("The machine stood still", history.machine),
        ("Its disk stood still", history.disk),
    ):
        points = [
            (axis.at_s(beat.at_ns), beat.late_ms) for beat in beats if axis.holds(axis.at_s(beat.at_ns))
        ]
        if any(late_ms >= STALL_MS_MIN for _, late_ms in points):
            longest = [max(late, default=None) for late in values_in_steps(axis, points)]
            values = tuple(((index + 0.5) * axis.step_s, late_ms) for index, late_ms in enumerate(longest))
            line = Line(name=title, kind="unknown", points=values, steps=tuple(map(figure, longest)))
            yield Lane(
                title=title, shape=Shape.BARS, unit="ms", lines=(line,), note="the longest of each step"
            )
