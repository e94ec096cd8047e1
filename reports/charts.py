"""The charts of a run, from its recording: whatever was recorded, and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl
from markupsafe import Markup

from harness.recording.history import History
from harness.recording.records import Outcome, Phase
from reports.text import plain
from reports.timeline import Axis, Band, Series, bands, lines, number, stacked

NS_PER_S = 1e9
_STEPS_MAX = 300
_READINGS_MAX = 12
_VALUE_BYTES_MAX = 200_000
_LONGEST_S = 7 * 24 * 3600.0  # longer than any drill: the clock jumped


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawing, and the same as a table."""

    title: str
    svg: Markup
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def start_ns(history: History) -> int:
    """The moment that the page counts from: the first phase, or what else is first known."""
    spans = [span for phase in Phase if (span := history.phase(phase))]
    return min((span.start_ns for span in spans), default=history.run.anchor_ns)


def charts(history: History) -> list[Chart]:
    """All there is to draw, on one axis."""
    zero = start_ns(history)
    axis = _axis(history, zero)
    drawn: list[Chart] = []
    phases = [
        Band(name=phase.value, start_s=_s(span.start_ns, zero), end_s=_s(span.end_ns, zero), kind="phase")
        for phase in Phase
        if (span := history.phase(phase))
    ]
    faults = [
        Band(
            name=fault.title,
            start_s=_s(since, zero),
            end_s=axis.end_s if fault.healed_ns is None else _s(fault.healed_ns, zero),
            kind="fault",
        )
        for fault in history.faults
        if (since := fault.since_ns) is not None
    ]
    for title, found in (("Phases", phases), ("Faults that had their effect", faults)):
        if found:
            rows = tuple((plain(b.name), f"{b.start_s:.1f}", f"{b.end_s:.1f}") for b in found)
            drawn.append(
                Chart(
                    title=title,
                    svg=bands(axis, found, title),
                    columns=("name", "from, s", "to, s"),
                    rows=rows,
                )
            )
    return [*drawn, *_operations(history, axis, zero), *_readings(history, axis, zero)]


def _s(at_ns: int, zero: int) -> float:
    return (at_ns - zero) / NS_PER_S


def _axis(history: History, zero: int) -> Axis:
    ends = [_s(span.end_ns, zero) for phase in Phase if (span := history.phase(phase))]
    if not ends:  # cut off: what was sent tells how long it was
        sent = history.operations["sent_ns"].cast(pl.Float64)
        ends = [(last - zero) / NS_PER_S for last in sent.tail(1)]
    return Axis(start_s=0.0, end_s=min(_LONGEST_S, max(1.0, *ends, 1.0)))


def _operations(history: History, axis: Axis, zero: int) -> Iterator[Chart]:
    step_s = max(1.0, axis.end_s / _STEPS_MAX)
    at_s = (pl.col("intended_ns").cast(pl.Float64) - zero) / NS_PER_S
    latency_ms = (pl.col("done_ns").cast(pl.Float64) - pl.col("intended_ns").cast(pl.Float64)) / 1e6
    steps = (
        history.operations.with_columns(at_s.alias("at_s"), latency_ms.alias("latency_ms"))
        .filter(pl.col("at_s").is_between(0, axis.end_s))
        .with_columns(((pl.col("at_s") / step_s).floor() * step_s).alias("step_s"))
        .group_by("step_s")
        .agg(
            *((pl.col("outcome") == outcome.value).sum().alias(outcome.value) for outcome in Outcome),
            pl.col("latency_ms").filter(pl.col("latency_ms") >= 0).quantile(0.5).alias("p50"),
            pl.col("latency_ms").filter(pl.col("latency_ms") >= 0).quantile(0.99).alias("p99"),
        )
        .sort("step_s")
        .rows(named=True)
    )
    if not steps:
        return

    def series(name: str, kind: str) -> Series:
        return Series(name=name, kind=kind, points=[(step["step_s"], number(step[name])) for step in steps])

    title = f"Operations by outcome, each {step_s:g} s: ok (green), rejected (amber), unknown (red)"
    names = tuple(outcome.value for outcome in Outcome)
    yield Chart(
        title=title,
        svg=stacked(axis, [series(name, name) for name in names], step_s, title),
        columns=("from, s", *names),
        rows=tuple((f"{step['step_s']:.1f}", *(str(step[name]) for name in names)) for step in steps),
    )
    title = "Latency in ms from when it was due, of answered operations: median (blue), 99th percentile (red)"
    yield Chart(
        title=title,
        svg=lines(axis, [series("p50", "low"), series("p99", "high")], title),
        columns=("from, s", "median, ms", "99th percentile, ms"),
        rows=tuple((f"{step['step_s']:.1f}", _told(step["p50"]), _told(step["p99"])) for step in steps),
    )


def _readings(history: History, axis: Axis, zero: int) -> Iterator[Chart]:
    found: dict[str, list[tuple[float, float | None]]] = {}
    for probe in history.probes:
        for line in history.reading_lines(probe):
            if line.final or line.length > _VALUE_BYTES_MAX or line.error:
                continue
            for name, figure in _figures(probe, history.reading_text(line)):
                found.setdefault(name, []).append((_s(line.at_ns, zero), figure))
    for name, points in list(found.items())[:_READINGS_MAX]:
        title = f"{plain(name, 100)}, at most {_told(max(figure or 0.0 for _, figure in points))}"
        series: Sequence[Series] = [Series(name=name, kind="low", points=points)]
        yield Chart(title=title, svg=lines(axis, series, title))


def _figures(probe: str, text: bytes) -> Iterator[tuple[str, float]]:
    """What can be drawn of one reading: a figure, how many rows, or the figures of an object."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(value, list):
        yield f"{probe}: rows", float(len(value))
    parts = value.items() if isinstance(value, dict) else [("", value)]
    for name, part in parts:
        if (figure := number(part)) is not None:
            yield f"{probe}: {name}" if name else probe, figure


def _told(figure: float | None) -> str:
    return "none" if figure is None else f"{figure:.4g}"
