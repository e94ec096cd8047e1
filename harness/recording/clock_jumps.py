"""Moments that no drill can have come to: a clock that was set, or a machine that slept, wrote them down.

Monotonic clocks should not jump, and on a machine that was suspended, moved or restored from a snapshot they do. A
drill may overrun its plan, because servers take their time to come back, but not without end: what was recorded long
after the plan was over says nothing about when it happened, and neither does anything that is compared with it.
"""

from collections.abc import Mapping
from typing import Any

from harness.clock import NS_PER_S
from harness.recording.records import Stream

OVERRUN = 5.0  # how many times as long as it was planned a drill may take
_GRACE_S = 60.0


def longest_s(promised: Mapping[str, Any]) -> float | None:
    """The longest that a drill with this plan can have taken; None if nothing was planned."""
    planned = [promised.get(name) for name in ("load_s", "converge_s")]
    figures = [float(figure) for figure in planned if isinstance(figure, int | float) and figure > 0]
    return OVERRUN * sum(figures) + _GRACE_S if figures else None


def jumps(
    promised: Mapping[str, Any], zero_ns: int, latest_ns: Mapping[Stream, int | None]
) -> dict[Stream, str]:
    """What is wrong with the streams that tell of moments beyond that, each in a sentence.

    Args:
        promised: What was planned.
        zero_ns: When the run began.
        latest_ns: The latest moment that each stream tells.
    """
    if (limit_s := longest_s(promised)) is None:
        return {}
    found = {}
    for stream, at_ns in latest_ns.items():
        if at_ns is not None and (late_s := (at_ns - zero_ns) / NS_PER_S) > limit_s:
            found[stream] = (
                f"it tells of a moment {late_s:,.0f} s after the beginning, and the plan allows for {limit_s:,.0f} s: "
                "the clock jumped"
            )
    return found
