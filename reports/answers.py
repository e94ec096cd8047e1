"""What clients saw, along the axis: operations by their outcome, how long answers took, and what got no answer.

Latency counts from the moment a request was due, so that a target that holds the generator back cannot look fast. It
is a property of an answer: a client that gave up after its time-out has waited that long and knows nothing of how long
an answer takes, and what never left the generator took no time at all. Both end with a moment and without a status,
and are counted in a lane of their own. A percentile is a value that was measured, the higher of two neighbours: between
them nothing was seen, and below them it would flatter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.recording.history import History
from harness.recording.records import NOT_SENT, Outcome, Phase
from reports.axis import Axis
from reports.lanes import Lane, Line, Shape
from reports.text import figure

PERCENTILES = (("median", "p50", 0.5), ("95th percentile", "p95", 0.95), ("99th percentile", "p99", 0.99))
_LATENCY_MS = (pl.col("done_ns").cast(pl.Float64) - pl.col("intended_ns").cast(pl.Float64)) / 1e6
_UNANSWERED = (
    ("gave up or found no connection", "unknown"),
    ("could not be sent by the drill itself", "other"),
)


def was_sent() -> pl.Expr:
    """Whether an operation left the generator."""
    return ~pl.col("error").cast(pl.String).str.starts_with(NOT_SENT)


def was_answered() -> pl.Expr:
    """Whether an operation has a whole answer: only that has a status."""
    return pl.col("done_ns").is_not_null() & (pl.col("status").fill_null(0) > 0)


def latencies_ms() -> pl.Expr:
    """Of answers; where a clock jumped there is none."""
    return _LATENCY_MS.filter(was_answered() & (_LATENCY_MS >= 0))


def answer_lanes(history: History, axis: Axis) -> Iterator[Lane]:
    """Operations, their latency, and those without an answer where there are any."""
    steps = _steps(history.operations, axis)
    if not any(step for step in steps):
        return
    middle = axis.step_s / 2

    def line(name: str, kind: str, column: str) -> Line:
        values = [step.get(column) for step in steps]
        points = tuple((index * axis.step_s + middle, value) for index, value in enumerate(values))
        return Line(name=name, kind=kind, points=points, steps=tuple(map(figure, values)))

    def total(column: str) -> int:
        return sum(step.get(column, 0) for step in steps)

    each = "each second" if axis.step_s == 1 else f"each {axis.step_s:g} s"
    yield Lane(
        title=f"Operations due {each}, by outcome",
        shape=Shape.BARS,
        lines=tuple(line(outcome.value, outcome.value, outcome.value) for outcome in Outcome),
        note="rejected: certainly did not happen; unknown: it may have happened",
    )
    answered, unanswered = total("answered"), total("unanswered") + total("not_sent")
    yield Lane(
        title="Latency of answers",
        short="latency",
        shape=Shape.LINES,
        unit="ms",
        log=True,
        lines=tuple(line(name, kind, kind) for name, kind, _ in PERCENTILES),
        note=f"of {answered:,} answers, counted from when the request was due; {unanswered:,} operations had no answer "
        "and are not in it",
    )
    if unanswered:
        columns = zip(_UNANSWERED, ("unanswered", "not_sent"), strict=True)
        yield Lane(
            title=f"No answer, of those due {each}",
            short="no answer:",
            shape=Shape.BARS,
            lines=tuple(line(name, kind, column) for (name, kind), column in columns),
        )


def _steps(operations: pl.DataFrame, axis: Axis) -> list[dict[str, Any]]:
    """What each step of the axis saw; an empty one for those in which nothing was due."""
    at_s = (pl.col("intended_ns").cast(pl.Float64) - axis.zero_ns) / 1e9
    found = (
        operations.select(
            (at_s / axis.step_s).floor().cast(pl.Int64).clip(0, axis.steps - 1).alias("step"),
            at_s.alias("at_s"),
            "outcome",
            "status",
            "error",
            "done_ns",
            "intended_ns",
        )
        .filter(pl.col("at_s").is_between(0, axis.seconds))
        .group_by("step")
        .agg(
            *((pl.col("outcome") == outcome.value).sum().alias(outcome.value) for outcome in Outcome),
            was_answered().sum().alias("answered"),
            (~was_answered() & was_sent()).sum().alias("unanswered"),
            (~was_answered() & ~was_sent()).sum().alias("not_sent"),
            *(latencies_ms().quantile(share, "higher").alias(kind) for _, kind, share in PERCENTILES),
        )
    )
    steps: list[dict[str, Any]] = [{} for _ in range(axis.steps)]
    for row in found.iter_rows(named=True):
        steps[row["step"]] = row
    return steps


@dataclass(frozen=True, kw_only=True)
class Answered:
    """How what was due in a phase was answered.

    Attributes:
        ms: A percentile of the latency of the answers; None without one.
        answers: How many there were.
        without: How many operations had none.
    """

    ms: float | None
    answers: int
    without: int

    @property
    def due(self) -> int:
        """How many operations were due."""
        return self.answers + self.without


def answered_in(history: History, phase: Phase, share: float) -> Answered | None:
    """A percentile of the answers to what was due in a phase, and how much had none; None if nothing was due."""
    span = history.phase(phase)
    if span is None:
        return None
    due = history.operations.filter(
        pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
    )
    if due.is_empty():
        return None
    found = due.select(
        latencies_ms().quantile(share, "higher").alias("ms"), was_answered().sum().alias("answers")
    ).row(0, named=True)
    return Answered(ms=found["ms"], answers=found["answers"], without=due.height - found["answers"])
