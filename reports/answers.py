"""What clients saw, along the axis: operations by their outcome, and how long answers took.

Latency counts from the moment a request was due, so that a target that holds the generator back cannot look fast.
Operations that were never answered have none; they are counted among the outcomes.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from harness.recording.history import History
from harness.recording.records import Outcome, Phase
from reports.axis import Axis
from reports.lanes import Lane, Line, Shape
from reports.text import figure

PERCENTILES = (("median", "p50", 0.5), ("95th percentile", "p95", 0.95), ("99th percentile", "p99", 0.99))
_LATENCY_MS = (pl.col("done_ns").cast(pl.Float64) - pl.col("intended_ns").cast(pl.Float64)) / 1e6


def answer_lanes(history: History, axis: Axis) -> Iterator[Lane]:
    """Operations, and their latency."""
    steps = _steps(history.operations, axis)
    if not any(step for step in steps):
        return
    middle = axis.step_s / 2

    def line(name: str, kind: str, column: str) -> Line:
        values = [step.get(column) for step in steps]
        points = tuple((index * axis.step_s + middle, value) for index, value in enumerate(values))
        return Line(name=name, kind=kind, points=points, steps=tuple(map(figure, values)))

    each = "each second" if axis.step_s == 1 else f"each {axis.step_s:g} s"
    yield Lane(
        title=f"Operations due {each}, by outcome",
        shape=Shape.BARS,
        lines=tuple(line(outcome.value, outcome.value, outcome.value) for outcome in Outcome),
        note="rejected: certainly did not happen; unknown: no answer, it may have happened",
    )
    yield Lane(
        title="Latency of answers",
        short="latency",
        shape=Shape.LINES,
        unit="ms",
        log=True,
        lines=tuple(line(name, kind, kind) for name, kind, _ in PERCENTILES),
        note="counted from when the request was due; operations without an answer have none",
    )


def _steps(operations: pl.DataFrame, axis: Axis) -> list[dict[str, Any]]:
    """What each step of the axis saw; an empty one for those in which nothing was due."""
    at_s = (pl.col("intended_ns").cast(pl.Float64) - axis.zero_ns) / 1e9
    found = (
        operations.with_columns(at_s.alias("at_s"), _LATENCY_MS.alias("latency_ms"))
        .filter(pl.col("at_s").is_between(0, axis.seconds))
        .with_columns((pl.col("at_s") / axis.step_s).floor().cast(pl.Int64).alias("step"))
        .group_by("step")
        .agg(
            *((pl.col("outcome") == outcome.value).sum().alias(outcome.value) for outcome in Outcome),
            *(
                pl.col("latency_ms").filter(pl.col("latency_ms") >= 0).quantile(share).alias(kind)
                for _, kind, share in PERCENTILES
            ),
        )
    )
    steps: list[dict[str, Any]] = [{} for _ in range(axis.steps)]
    for row in found.iter_rows(named=True):
        steps[min(axis.steps - 1, row["step"])] = row
    return steps


def latency_ms(history: History, phase: Phase, share: float) -> float | None:
    """A percentile of the latency of what was due in a phase; None without an answer."""
    span = history.phase(phase)
    if span is None:
        return None
    due = history.operations.filter(
        pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
    )
    found = due.select(_LATENCY_MS.alias("ms")).filter(pl.col("ms") >= 0)["ms"].quantile(share)
    return None if found is None else float(found)
