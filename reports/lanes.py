"""What is drawn along the time axis, as data: a lane is one quantity with its lines, bars or states.

Each line also has a value for every step of the axis. They fill the table that says the same as the drawing, to those
who cannot see it and to those who want the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

from reports.axis import Axis
from reports.text import figure

Point = tuple[float, float | None]


class Shape(StrEnum):
    """How a lane is drawn."""

    BARS = "bars"  # counts of each step, on top of each other
    LINES = "lines"  # a figure of each step, joined
    READINGS = "readings"  # what a probe read, until it read again
    STATES = "states"  # stretches with a name


@dataclass(frozen=True, kw_only=True)
class Line:
    """One quantity over time.

    Attributes:
        name: Its name in the legend and in the table.
        kind: The class that colours it.
        points: Moments in s with a value; None leaves a gap.
        steps: A value for each step of the axis, as text; "" where there is none.
    """

    name: str
    kind: str
    points: tuple[Point, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of the run with a name: a phase, a fault, a state. Times in s."""

    name: str
    kind: str
    start_s: float
    end_s: float
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One drawing.

    Attributes:
        title: What it shows.
        unit: Of its scale, or "".
        note: What a reader should know of how it was measured, or "".
        short: What its lines are called by in the table, before their own name.
        log: Whether its scale is logarithmic.
        missed_s: Moments at which a probe could not look.
    """

    title: str
    shape: Shape
    unit: str = ""
    note: str = ""
    short: str = ""
    log: bool = False
    lines: tuple[Line, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    missed_s: tuple[float, ...] = ()
    state_steps: tuple[str, ...] = field(default=())

    @property
    def columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The lane as columns of the table: a heading, and a value for each step."""
        if self.shape is Shape.STATES:
            return ((self.short or self.title, self.state_steps),)
        unit = f", {self.unit}" if self.unit else ""
        single = len(self.lines) == 1
        return tuple(
            (self.title if single else f"{self.short} {line.name}{unit}".strip(), line.steps)
            for line in self.lines
        )

    @property
    def values(self) -> list[float]:
        """Everything on its scale."""
        return [value for line in self.lines for _, value in line.points if value is not None]


def number(value: object) -> float | None:
    """A figure that can be drawn, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None


def values_in_steps(axis: Axis, points: Sequence[Point]) -> list[list[float]]:
    """The values that each step holds."""
    found: list[list[float]] = [[] for _ in range(axis.steps)]
    for at_s, value in points:
        if value is not None and axis.holds(at_s):
            found[axis.step_of(at_s)].append(value)
    return found


def in_steps(axis: Axis, points: Sequence[Point]) -> tuple[str, ...]:
    """What each step holds, from its lowest to its highest: of a lag the peak is bad, of replicas the dip."""
    return tuple(
        " to ".join(dict.fromkeys((figure(min(values)), figure(max(values))))) if values else ""
        for values in values_in_steps(axis, points)
    )


def states_in_steps(axis: Axis, stretches: Sequence[Stretch]) -> tuple[str, ...]:
    """The states that each step saw, in their order."""
    found: list[list[str]] = [[] for _ in range(axis.steps)]
    for stretch in stretches:
        first = axis.step_of(stretch.start_s)
        last = axis.step_of(max(stretch.start_s, stretch.end_s - 1e-9))
        for step in range(first, last + 1):
            found[step].append(stretch.name)
    return tuple(" → ".join(dict.fromkeys(names)) for names in found)
