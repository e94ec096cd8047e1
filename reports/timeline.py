"""The run on one time axis, as SVG: it needs no script, so it is seen wherever the page is.

All charts share their axis, or nobody could tell what came first. A reading that was not taken is not drawn; one of an
unknown shape is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from reports.text import plain

WIDTH, LEFT, RIGHT = 1000, 70, 10
_TOP = 16
_POINTS_MAX = 400


@dataclass(frozen=True, kw_only=True)
class Band:
    """A stretch of the run with a name: a phase, a fault, a state. Times in s from the run's start."""

    name: str
    start_s: float
    end_s: float
    kind: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line of a chart.

    Attributes:
        points: Each a time in s and a value; None as value leaves a gap.
        kind: The class that colours it.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    kind: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The time axis of a page, in s from the run's start."""

    start_s: float
    end_s: float

    def x(self, at_s: float) -> float:
        """Where a moment lies; those outside lie on the edge."""
        share = (at_s - self.start_s) / ((self.end_s - self.start_s) or 1.0)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share))


def bands(axis: Axis, found: Sequence[Band], label: str) -> Markup:
    """Stretches, each in a row of its own where it overlaps the one before."""
    drawn, ends = [], list[float]()
    for band in found:
        row = next((n for n, end in enumerate(ends) if end <= band.start_s), len(ends))
        ends[row : row + 1] = [band.end_s]
        x, end = axis.x(band.start_s), axis.x(band.end_s)
        drawn.append(
            Markup(
                '<g><title>{}: {:.1f} s to {:.1f} s</title><rect class="band {}" x="{:.1f}" y="{}" width="{:.1f}" '
                'height="18"/><text x="{:.1f}" y="{}">{}</text></g>'
            ).format(
                plain(band.name, 120), band.start_s, band.end_s, band.kind, x, row * 22, max(2.0, end - x),
                min(x + 4, WIDTH - 200), row * 22 + 13, plain(band.name, 40),
            )
        )  # fmt: skip
    return _svg(drawn, label, height=max(1, len(ends)) * 22)


def stacked(axis: Axis, parts: Sequence[Series], step_s: float, label: str) -> Markup:
    """Bars of counts on top of each other."""
    sums: dict[float, float] = {}
    for part in parts:
        for at_s, value in part.points:
            sums[at_s] = sums.get(at_s, 0.0) + (value or 0.0)
    top = max(sums.values(), default=0.0) or 1.0
    height, below = 110, dict.fromkeys(sums, 0.0)
    drawn = list(_grid(axis, top, height))
    for part in parts:
        for at_s, value in part.points:
            if value:
                below[at_s] += value
                x = axis.x(at_s)
                drawn.append(
                    Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                        part.kind, x, _TOP + height * (1 - below[at_s] / top),
                        max(1.0, axis.x(at_s + step_s) - x - 0.5), height * value / top,
                    )
                )  # fmt: skip
    return _svg(drawn, label, height=height + _TOP + 20)


def lines(axis: Axis, series: Sequence[Series], label: str) -> Markup:
    """Lines over time, from zero up."""
    top = max((v for one in series for _, v in one.points if v is not None), default=0.0) or 1.0
    height = 90
    drawn = list(_grid(axis, top, height))
    for one in series:
        path, pen = [], "M"
        for at_s, value in thinned(one.points):
            if value is None:
                pen = "M"
                continue
            path.append(f"{pen}{axis.x(at_s):.1f} {_TOP + height * (1 - max(0.0, value) / top):.1f}")
            pen = "L"
        if path:
            # A single reading would be a path without length, which shows nothing.
            drawn.append(
                Markup('<path class="line {}" d="{}{}"/>').format(
                    one.kind, " ".join(path), " h2" if len(path) == 1 else ""
                )
            )
    return _svg(drawn, label, height=height + _TOP + 20)


def thinned(points: Sequence[tuple[float, float | None]]) -> Iterator[tuple[float, float | None]]:
    """At most some hundred of the points, with the highest of each group kept: a peak must not vanish."""
    step = -(-len(points) // _POINTS_MAX)
    for at in range(0, len(points), step or 1):
        yield max(points[at : at + step], key=lambda point: -1.0 if point[1] is None else point[1])


def number(value: object) -> float | None:
    """A figure that can be drawn, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if isfinite(figure) else None


def _grid(axis: Axis, top: float, height: int) -> Iterator[Markup]:
    for share in (0.0, 0.5, 1.0):
        y = _TOP + height * (1 - share)
        yield Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick" x="{}" y="{:.1f}">{:.4g}</text>'
        ).format(LEFT, WIDTH - RIGHT, y, y, LEFT / 2, y + 4, top * share)  # fmt: skip
    for part in range(6):
        at_s = axis.start_s + (axis.end_s - axis.start_s) * part / 5
        yield Markup('<text class="tick" x="{:.1f}" y="{}">{:.0f} s</text>').format(
            axis.x(at_s), _TOP + height + 16, at_s
        )


def _svg(drawn: Iterable[Markup], label: str, *, height: int) -> Markup:
    return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(
        plain(label), WIDTH, height, Markup("").join(drawn)
    )
