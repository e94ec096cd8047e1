"""Lanes as shapes: what a template needs to draw them, and nothing that looks at a recording.

Across, everything is in percent of the axis, so that a drawing is as wide as the page and its text is not squeezed.
Paths, which know no percent, are drawn on a canvas of their own that is stretched to the same width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from reports.axis import Axis
from reports.lanes import Lane, Line, Point, Shape, Stretch
from reports.text import figure

CANVAS = 1000  # the width of the canvas that paths are drawn on; it is 100 high
POINTS_MAX = 600
_ROOM = 0.88  # of the height: what is drawn leaves some for the title of the scale
_LEAST_LOG = 0.1  # ms: what is shorter lies on the floor of a logarithmic scale


@dataclass(frozen=True, kw_only=True)
class Path:
    """A line or a row of bars.

    Attributes:
        d: The path, in SVG's words.
        points: How many points or bars are in it.
    """

    name: str
    kind: str
    d: str
    points: int


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line of a scale: where, in percent from the top or the left, and what it says."""

    at: float
    told: str


@dataclass(frozen=True, kw_only=True)
class Box:
    """A stretch: where it begins and how wide it is, in percent."""

    name: str
    kind: str
    told: str
    start: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A lane, ready for the template.

    Attributes:
        label: What it shows, in words.
        legend: What is told apart by colour: its class, and its name.
        missed: Where a probe could not look, in percent.
    """

    lane: Lane
    label: str
    legend: tuple[tuple[str, str], ...] = ()
    paths: tuple[Path, ...] = ()
    ticks: tuple[Tick, ...] = ()
    boxes: tuple[Box, ...] = ()
    missed: tuple[float, ...] = ()


def drawn(lane: Lane, axis: Axis) -> Drawing:
    """Put a lane into shapes."""
    if lane.shape is Shape.STATES:
        told = ", ".join(f"{part.name} from {part.start_s:.1f} s" for part in lane.stretches[:20])
        legend = dict.fromkeys((part.kind, part.name) for part in lane.stretches)
        return Drawing(
            lane=lane,
            label=f"{lane.title}: {told}",
            legend=tuple(legend),
            boxes=tuple(boxes(lane.stretches, axis)),
        )
    scale = _log_scale(lane) if lane.log else _scale(lane, axis)
    if lane.shape is Shape.BARS:
        paths = tuple(_bars(lane.lines, axis, scale))
    else:
        paths = tuple(_joined(line, axis, scale, held=lane.shape is Shape.READINGS) for line in lane.lines)
    return Drawing(
        lane=lane,
        label=_label(lane),
        legend=tuple((line.kind, line.name) for line in lane.lines) if len(lane.lines) > 1 else (),
        paths=tuple(path for path in paths if path.d),
        ticks=scale.ticks,
        missed=tuple(axis.percent(at_s) for at_s in lane.missed_s),
    )


def _label(lane: Lane) -> str:
    """A drawing in words."""
    unit = f" {lane.unit}" if lane.unit else ""
    told = []
    for line in lane.lines:
        if values := [value for _, value in line.points if value is not None]:
            if lane.shape is Shape.BARS and not lane.unit:
                told.append(
                    f"{line.name} {figure(sum(values))} in all, at most {figure(max(values))} in a step"
                )
            else:
                told.append(f"{line.name} from {figure(min(values))} to {figure(max(values))}{unit}")
    return f"{lane.title}: {'; '.join(told) or 'nothing'}. The table below has the figures."


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Where a value lies, from 0 at the top to 100 at the bottom."""

    low: float
    high: float
    log: bool
    ticks: tuple[Tick, ...] = ()

    def y(self, value: float) -> float:
        low, high = (log10(self.low), log10(self.high)) if self.log else (self.low, self.high)
        at = log10(max(value, self.low)) if self.log else max(value, self.low)
        return round(100 - 100 * _ROOM * (at - low) / (high - low), 2)


def _log_scale(lane: Lane) -> _Scale:
    values = [max(value, _LEAST_LOG) for value in lane.values] or [1.0, 10.0]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    scale = _Scale(low=10.0**low, high=10.0 ** max(high, low + 1), log=True)
    ticks = [
        Tick(at=scale.y(10.0**power), told=figure(10.0**power))
        for power in range(low, max(high, low + 1) + 1)
    ]
    return _Scale(low=scale.low, high=scale.high, log=True, ticks=tuple(ticks))


def _scale(lane: Lane, axis: Axis) -> _Scale:
    """From zero, or the lowest value below it, up to a round figure."""
    if lane.shape is Shape.BARS:
        sums = [0.0] * axis.steps
        for line in lane.lines:
            for at_s, value in line.points:
                sums[axis.step_of(at_s)] += value or 0.0
        highest, lowest = max(sums, default=0.0), 0.0
    else:
        highest, lowest = max([0.0, *lane.values]), min([0.0, *lane.values])
    high = _round_up(highest - lowest) + lowest
    scale = _Scale(low=lowest, high=high, log=False)
    ticks = [Tick(at=scale.y(value), told=figure(value)) for value in (lowest, (lowest + high) / 2, high)]
    return _Scale(low=lowest, high=high, log=False, ticks=tuple(ticks))


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def _bars(lines: Sequence[Line], axis: Axis, scale: _Scale) -> Iterator[Path]:
    below = [0.0] * axis.steps
    for line in lines:
        parts = []
        for at_s, value in line.points:
            if not value:
                continue
            step = axis.step_of(at_s)
            bottom, below[step] = scale.y(below[step]), below[step] + value
            left = _x(axis, step * axis.step_s)
            width = _x(axis, (step + 1) * axis.step_s) - left
            width = max(0.8, width * 0.86)
            parts.append(f"M{left:.1f} {bottom:g}V{scale.y(below[step]):g}h{width:.1f}V{bottom:g}z")
        yield Path(name=line.name, kind=line.kind, d="".join(parts), points=len(parts))


def _joined(line: Line, axis: Axis, scale: _Scale, *, held: bool) -> Path:
    """A line through the points; `held`: a reading is taken to hold until the next one."""
    parts, pen, count = [], False, 0
    for at_s, value in thinned(line.points):
        if value is None or not axis.holds(at_s):
            pen = False
            continue
        x, y = _x(axis, at_s), scale.y(value)
        if not pen:
            parts.append(f"M{x:.1f} {y:g}h0.5")  # a path without length would show nothing
        else:
            parts.append(f"H{x:.1f}V{y:g}" if held else f"L{x:.1f} {y:g}")
        pen, count = True, count + 1
    return Path(name=line.name, kind=line.kind, d="".join(parts), points=count)


def _x(axis: Axis, at_s: float) -> float:
    return CANVAS / 100 * axis.percent(at_s)


def thinned(points: Sequence[Point]) -> Iterator[Point]:
    """At most some hundred of the points: of each group the lowest, the highest and a gap, in their order.

    A peak must not vanish and neither must a dip: which of the two is bad, a page does not know.
    """
    if len(points) <= POINTS_MAX:
        yield from points
        return
    group = -(-3 * len(points) // POINTS_MAX)
    for start in range(0, len(points), group):
        values = [value for _, value in points[start : start + group]]
        known = [value for value in values if value is not None]
        kept: set[float | None] = {min(known), max(known)} if known else set()
        kept |= {None} & set(values)
        yield from (points[start + place] for place in sorted(map(values.index, kept)))


def boxes(stretches: Sequence[Stretch], axis: Axis) -> Iterator[Box]:
    """Stretches along the axis."""
    for part in stretches:
        if part.start_s <= axis.seconds:
            start = axis.percent(part.start_s)
            yield Box(
                name=part.name,
                kind=part.kind,
                told=part.told or f"{part.name}: {part.start_s:.1f} s to {part.end_s:.1f} s",
                start=start,
                width=max(0.3, round(axis.percent(part.end_s) - start, 3)),
            )
