"""Faults as a page shows them: certain only for as long as their effect is known to have been there.

It was measured when it began, and it was looked for once more before it was to be healed. Between the order to heal and
the measured healing it was on its way out; what was found gone too early was there for a time that nobody knows; and of
a healing that nobody saw, nobody knows whether it happened. Those parts are drawn apart, or a page would state as
facts what was not seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.recording.episodes import FaultEpisode
from harness.recording.history import History
from reports.axis import Axis
from reports.drawing import Box, boxes
from reports.lanes import Stretch
from reports.planned import never_begun, planned_faults
from reports.text import figure, plain

CERTAIN, DOUBT = "fault", "fault doubt"


@dataclass(frozen=True, kw_only=True)
class FaultShown:
    """One fault.

    Attributes:
        told: When it had its effect, in words.
        stretches: When it certainly was there, and when it may have been.
    """

    told: str
    stretches: tuple[Stretch, ...]
    boxes: tuple[Box, ...]


def faults_shown(history: History, axis: Axis) -> tuple[FaultShown, ...]:
    """Every fault that was measured to have its effect; what never bit was never there to be drawn."""
    found = []
    for fault in history.faults:
        if fault.since_ns is not None and axis.holds(axis.at_s(fault.since_ns)):
            stretches = tuple(_stretches(fault, axis))
            told = f"{plain(fault.title, 120)}: {plain(_when(fault, axis, brief=True), 300)}"
            found.append(FaultShown(told=told, stretches=stretches, boxes=tuple(boxes(stretches, axis))))
    return tuple(found)


def was_there(fault: FaultEpisode) -> bool:
    """Whether its effect was measured and was not found gone before its time."""
    return fault.since_ns is not None and fault.seen and not fault.lapsed


def _stretches(fault: FaultEpisode, axis: Axis) -> Iterator[Stretch]:
    name = plain(fault.title, 120)
    since_s = axis.at_s(fault.since_ns or 0)
    end_s = axis.seconds
    ordered_s = end_s if fault.healing_ns is None else min(end_s, axis.at_s(fault.healing_ns))
    healed_s = end_s
    if fault.healed_ns is not None and fault.healed_seen:
        healed_s = min(end_s, axis.at_s(fault.healed_ns))

    def stretch(kind: str, start_s: float, to_s: float, more: str = "") -> Stretch:
        told = f"{name}{more}: {start_s:.1f} s to {to_s:.1f} s"
        return Stretch(name=name + more, kind=kind, start_s=start_s, end_s=max(start_s, to_s), told=told)

    if not was_there(fault) or fault.healing_ns is None:
        yield stretch(DOUBT, since_s, healed_s, " (may have been gone)")
        return
    yield stretch(CERTAIN, since_s, ordered_s)
    if healed_s > ordered_s:
        seen = fault.healed_ns is not None and fault.healed_seen
        yield stretch(DOUBT, ordered_s, healed_s, " (being healed)" if seen else " (may still be there)")


def _when(fault: FaultEpisode, axis: Axis, *, brief: bool = False) -> str:
    """When it was there and how it ended; `brief` leaves out what was measured of a healing that was seen."""
    since_s = axis.at_s(fault.since_ns or 0)
    if fault.healing_ns is None:
        return f"seen at {since_s:.1f} s; nobody looked for it again, and no healing is recorded"
    ordered_s = axis.at_s(fault.healing_ns)
    there = f"from {since_s:.1f} s to {ordered_s:.1f} s"
    if fault.lapsed:
        there = f"seen at {since_s:.1f} s and found gone at {ordered_s:.1f} s, nobody knows since when ({fault.lapsed})"
    elif not fault.seen:
        there = f"from {since_s:.1f} s, but not with the effect that was asked for"
    return f"{there}; {_healing(fault, axis, brief=brief)}"


def _healing(fault: FaultEpisode, axis: Axis, *, brief: bool) -> str:
    told = f" ({fault.healed_effect})" if fault.healed_effect else ""
    if fault.healed_ns is None:
        return f"never seen to be healed{told}"
    healed_s = axis.at_s(fault.healed_ns)
    if not fault.healed_seen:
        return f"mended at {healed_s:.1f} s, which was not verified{told}"
    return f"seen to be healed at {healed_s:.1f} s{'' if brief else told}"


def faults_told(history: History, axis: Axis) -> Iterator[str]:
    """What was done to the target, what was seen of it, and what had been planned."""
    plan = planned_faults(history.run)
    for fault in history.faults:
        planned = plan.get(fault.number)
        wanted = f" Planned were {figure(planned.seconds)} s" if planned else ""
        if planned and planned.title != fault.title:
            wanted += f" of “{planned.title}”"
        if fault.since_ns is None:
            lacks = f"{wanted}." if wanted else ""
            yield f"{fault.title}: was not seen to have its effect. {fault.effect}.{lacks}"
            continue
        certain = ""
        if wanted:
            had_s = (
                (fault.healing_ns - fault.since_ns) / 1e9 if was_there(fault) and fault.healing_ns else None
            )
            certain = (
                ", nobody knows how many it had."
                if had_s is None
                else f", it had {figure(round(had_s, 1))} s."
            )
        yield f"{fault.title}, {_when(fault, axis)}. Measured: {fault.effect}.{wanted}{certain}"
    yield from never_begun(history)
