"""The stretches of a run that claims speak of: its phases, its faults, and what clients sent meanwhile.

A phase that was not run to its end is no phase, and a fault that nobody requested is no fault. Whoever asks for one
cannot say anything, and is told so here rather than in every check.
"""

import polars as pl

from harness.checks import CannotSay
from harness.load.operations import NOT_SENT
from harness.recording.episodes import FaultEpisode, Span
from harness.recording.history import History
from harness.recording.records import Phase


def whole_phase(history: History, phase: Phase) -> Span:
    """When a phase was.

    Raises:
        CannotSay: It was not run to its end.
    """
    span = history.phase(phase)
    if span is None:
        raise CannotSay(f"the phase {phase.value} was not run to its end")
    return span


def requested_faults(history: History, title: str = "") -> tuple[FaultEpisode, ...]:
    """The faults of that title, or all; there is at least one.

    Raises:
        CannotSay: None was requested.
    """
    found = tuple(episode for episode in history.faults if title in ("", episode.title))
    if not found:
        raise CannotSay(f"no fault {title!r} was requested" if title else "no fault was requested")
    return found


def intended_in(history: History, operation: str, span: Span) -> pl.DataFrame:
    """The operations of a name, or all for "", that the schedule wanted within the span."""
    named = pl.lit(True) if not operation else pl.col("name") == operation
    return history.operations.filter(
        named & pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
    )


def was_sent() -> pl.Expr:
    """Whether an operation left the generator: what it could not send itself says nothing about the target."""
    return ~pl.col("error").cast(pl.String).str.starts_with(NOT_SENT)
