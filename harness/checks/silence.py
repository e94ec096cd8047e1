"""Whether a heartbeat was heard all along. What nobody watched may have stalled, or been set, as it liked."""

from collections.abc import Iterable

from harness.checks import CannotSay
from harness.clock import NS_PER_MS
from harness.recording.episodes import Span
from harness.recording.records import Stall

# The heartbeat writes a line each second even when all is well; twice that is silence.
SILENCE_MS_MAX = 2_000.0


def refuse_silence(beats: Iterable[Stall], span: Span, what: str) -> None:
    """Make sure that somebody looked, from the beginning of a span to its end.

    Args:
        beats: In the order of time.
        span: When it matters.
        what: What was to be watched, for people: "the disk in steady".

    Raises:
        CannotSay: Nobody did for longer than two beats.
    """
    silent_ms = _longest_silence_ms(beats, span)
    if silent_ms > SILENCE_MS_MAX:
        raise CannotSay(f"nobody watched {what} for {silent_ms / 1e3:.1f} s")


def stalled_ns(stall: Stall, span: Span) -> float:
    """How much of a stall lies within a span."""
    began_ns = stall.at_ns - stall.late_ms * NS_PER_MS
    return max(0.0, min(stall.at_ns, span.end_ns) - max(began_ns, span.start_ns))


def _longest_silence_ms(beats: Iterable[Stall], span: Span) -> float:
    """The longest stretch of the span that no heartbeat accounts for, neither as calm nor as a stall."""
    watched_until_ns = span.start_ns
    longest_ns = 0
    for beat in beats:
        began_ns = min(beat.at_ns - round(beat.late_ms * NS_PER_MS), span.end_ns)
        longest_ns = max(longest_ns, began_ns - watched_until_ns)
        watched_until_ns = max(watched_until_ns, beat.at_ns)
    return max(longest_ns, span.end_ns - watched_until_ns) / NS_PER_MS
