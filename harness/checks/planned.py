"""What a run had planned, by its own `run.json`: claims are measured against that, and not against what came of it.

A phase that was cut short offered all the load of its own short length, and a fault that was there for an instant was
there: measured by themselves both would look whole. A recording may come from anywhere, so each figure is looked at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.checks import CannotSay
from harness.recording.history import History
from harness.recording.records import Phase


@dataclass(frozen=True, kw_only=True)
class PlannedFault:
    """A fault as it was planned.

    Attributes:
        title: Of the fault.
        seconds: How long it was to have its effect.
    """

    title: str
    seconds: float


def planned_faults(history: History) -> tuple[PlannedFault, ...]:
    """Every fault of the plan, one that was to be injected twice two times.

    Raises:
        CannotSay: `run.json` does not tell.
    """
    faults = history.run.promised.get("faults", ())
    if not isinstance(faults, list | tuple):
        raise _unreadable("faults", faults)
    found = []
    for fault in faults:
        if not isinstance(fault, Mapping) or not isinstance(title := fault.get("title"), str):
            raise _unreadable("faults", fault)
        found.append(
            PlannedFault(title=title, seconds=_seconds(f"the fault {title!r}", fault.get("seconds")))
        )
    return tuple(found)


def planned_rate_per_s(history: History, phase: Phase) -> float:
    """How much load was to be offered in a phase.

    Raises:
        CannotSay: `run.json` does not tell.
    """
    promised = history.run.promised
    name = "impact_rate_per_s" if phase is Phase.IMPACT and "impact_rate_per_s" in promised else "rate_per_s"
    return _above_zero(name, promised.get(name))


def planned_seconds(history: History, phase: Phase) -> float:
    """How long a phase under load was to last.

    Raises:
        CannotSay: `run.json` does not tell, or it was not planned.
    """
    begins = _begins(history)
    if phase.value not in begins:
        raise CannotSay(f"the run had no {phase.value} planned")
    ends = [*list(begins.values())[1:], _above_zero("load_s", history.run.promised.get("load_s"))]
    lengths = {name: end_s - at_s for (name, at_s), end_s in zip(begins.items(), ends, strict=True)}
    return _above_zero(f"the phase {phase.value}", lengths[phase.value])


def planned_phases(history: History) -> tuple[Phase, ...]:
    """The phases that were to be judged under load, in their order.

    Raises:
        CannotSay: `run.json` does not tell.
    """
    begins = _begins(history)
    return tuple(phase for phase in (Phase.STEADY, Phase.IMPACT, Phase.HEAL) if phase.value in begins)


def _begins(history: History) -> dict[str, float]:
    phases = history.run.promised.get("phases")
    if not isinstance(phases, Mapping) or not phases:
        raise _unreadable("phases", phases)
    return {str(name): _seconds(f"the phase {name}", at_s) for name, at_s in phases.items()}


def _seconds(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _unreadable(what, value)
    return float(value)


def _above_zero(what: str, value: Any) -> float:
    if not (number := _seconds(what, value)):
        raise _unreadable(what, value)
    return number


def _unreadable(what: str, value: Any) -> CannotSay:
    return CannotSay(f"the run does not say what it planned: run.json has {str(value)[:100]!r} for {what}")
