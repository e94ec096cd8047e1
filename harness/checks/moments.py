"""The stretches of a run that claims speak of: its phases, its faults, and what clients sent meanwhile.

A phase that was not run to its end is no phase, and a fault that nobody requested is no fault. Whoever asks for one
cannot say anything, and is told so here rather than in every check.
"""

import polars as pl

from harness.checks import CannotSay
from harness.checks.silence import SILENCE_MS_MAX, refuse_silence
from harness.clock import NS_PER_MS, NS_PER_S
from harness.recording.episodes import FaultEpisode, Span
from harness.recording.history import History
from harness.recording.records import NOT_SENT, Phase

# What a clock that is being disciplined runs away by in a long drill; somebody who sets it does so by more.
WALL_DRIFT_NS_MAX = NS_PER_S // 4


def whole_phase(history: History, phase: Phase) -> Span:
    """When a phase was.

    Raises:
        CannotSay: It was not run to its end.
    """
    span = history.phase(phase)
    if span is None:
        raise CannotSay(f"the phase {phase.value} was not run to its end")
    return span


def last_part(history: History, phase: Phase, share: float) -> Span:
    """The last part of a phase; all of it for 1.

    Raises:
        CannotSay: It was not run to its end, or the part is none.
    """
    if not 0 < share <= 1:
        raise CannotSay(f"the last {share} of {phase.value} is no part of it: last_share must be in (0, 1]")
    span = whole_phase(history, phase)
    return Span(span.end_ns - round((span.end_ns - span.start_ns) * share), span.end_ns)


def requested_faults(history: History, title: str | None = None) -> tuple[FaultEpisode, ...]:
    """The faults of that title, or all for None; there is at least one.

    Raises:
        CannotSay: None was requested.
    """
    found = tuple(episode for episode in history.faults if title in (None, episode.title))
    if not found:
        raise CannotSay(
            f"no fault {title!r} was requested" if title is not None else "no fault was requested"
        )
    return found


def in_effect(history: History, title: str) -> tuple[Span, ...]:
    """When the faults of that title certainly had their effect: from when it was measured until healing began.

    Raises:
        CannotSay: None was seen to begin and to be healed, or one was over too early and nobody knows since when.
    """
    episodes = requested_faults(history, title)
    if away := [episode.lapsed for episode in episodes if episode.lapsed]:
        raise CannotSay(f"the fault was over before it was to be healed, nobody knows since when: {away[0]}")
    spans = tuple(
        Span(episode.since_ns, episode.healing_ns)
        for episode in episodes
        if episode.seen and episode.since_ns is not None and episode.healing_ns is not None
    )
    if not spans:
        raise CannotSay("no fault was seen to begin and to be healed")
    return spans


def intended_in(history: History, operation: str, span: Span) -> pl.DataFrame:
    """The operations of a name, or all for "", that the schedule wanted within the span."""
    named = pl.lit(True) if not operation else pl.col("name") == operation
    return history.operations.filter(
        named & pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
    )


def on_run_clock(history: History, wall_ms: pl.Expr) -> pl.Expr:
    """Moments that the target wrote down by the wall clock (ms since 1970), as ns on the run's own clock.

    Raises:
        CannotSay: The wall clock was set during the run, or nobody knows whether it was.
    """
    steady, converge = whole_phase(history, Phase.STEADY), whole_phase(history, Phase.CONVERGE)
    told = (beat for beat in history.machine if beat.wall_ns)
    refuse_silence(told, Span(steady.start_ns, converge.end_ns), "the wall clock")
    drift_ns = history.wall_drift_ns
    if drift_ns is None:
        raise CannotSay("the machine's heartbeat does not tell whether the wall clock was set during the run")
    if drift_ns > WALL_DRIFT_NS_MAX:
        raise CannotSay(
            f"the wall clock was set by {drift_ns / NS_PER_S:.3f} s during the run: nobody knows when what the target "
            "wrote down by it happened"
        )
    return (wall_ms * NS_PER_MS).round().cast(pl.Int64) + history.wall_offset_ns


def wall_ahead_ns(history: History, span: Span) -> tuple[int, int]:
    """How far the wall clock was ahead of the run's own within a span: at least, and at most.

    The run's own clock never jumps, so a stretch of time that the target measured by the wall clock is known no better
    than the two differ. That they do is nobody's crime: a clock that is being disciplined runs 46 ms off in a minute
    and a half.

    Raises:
        CannotSay: The wall clock was set meanwhile, or nobody knows whether it was.
    """
    told = [beat for beat in history.machine if beat.wall_ns]
    refuse_silence(told, span, "the wall clock")
    # With the beats on either side: a clock that is set just after the first moment was so by the next beat.
    around_ns = round(SILENCE_MS_MAX * NS_PER_MS)
    ahead = [
        beat.wall_ns - beat.at_ns
        for beat in told
        if span.start_ns - around_ns <= beat.at_ns <= span.end_ns + around_ns
    ]
    if not ahead:
        raise CannotSay("the machine's heartbeat does not tell whether the wall clock was set meanwhile")
    least, most = min(ahead), max(ahead)
    if most - least > WALL_DRIFT_NS_MAX:
        raise CannotSay(
            f"the wall clock was set by {(most - least) / NS_PER_S:.3f} s meanwhile: nobody knows how long what the "
            "target measured by it took"
        )
    return least, most


def was_sent() -> pl.Expr:
    """Whether an operation left the generator: what it could not send itself says nothing about the target."""
    return ~pl.col("error").cat.starts_with(NOT_SENT)
