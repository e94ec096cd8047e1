"""What a run had planned, by its own `run.json`, beside what came of it: load, lengths of phases, faults.

A page says "as planned" of nothing. It says how much was planned and how much there was, and whoever reads it sees
whether that is the same. A recording may come from anywhere, so each figure of the plan is looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from harness.recording.history import History
from harness.recording.records import Phase, RunInfo
from reports.answers import was_sent
from reports.lanes import number
from reports.text import figure, listed, plain

# A phase that lasted this share of a second or of its own length longer or shorter is told.
_OFF_S, _OFF_SHARE = 0.5, 0.05


@dataclass(frozen=True, kw_only=True)
class PlannedPhase:
    """A phase under load as it was planned."""

    phase: Phase
    seconds: float
    rate_per_s: float


@dataclass(frozen=True, kw_only=True)
class PlannedFault:
    """A fault as it was planned: when, in s after impact began, and for how long."""

    title: str
    at_s: float
    seconds: float


def planned_phases(run: RunInfo) -> tuple[PlannedPhase, ...]:
    """The phases that are judged under load; none if the plan cannot be read."""
    phases, end_s = run.promised.get("phases"), number(run.promised.get("load_s"))
    if not isinstance(phases, Mapping) or end_s is None:
        return ()
    begins = {str(name): at_s for name, part in phases.items() if (at_s := number(part)) is not None}
    if len(begins) != len(
        phases
    ):  # without one of them the one before it would look longer than it was to be
        return ()
    ends = dict(zip(begins, [*begins.values(), end_s][1:], strict=True))
    usual = number(run.promised.get("rate_per_s"))
    in_impact = number(run.promised.get("impact_rate_per_s", usual))
    rates = {Phase.STEADY: usual, Phase.IMPACT: in_impact, Phase.HEAL: usual}
    return tuple(
        PlannedPhase(phase=phase, seconds=ends[phase.value] - begins[phase.value], rate_per_s=rate)
        for phase, rate in rates.items()
        if phase.value in begins and rate is not None and rate > 0
    )


def planned_faults(run: RunInfo) -> Mapping[int, PlannedFault]:
    """The faults by their number; none if the plan cannot be read."""
    faults = run.promised.get("faults")
    found = {}
    for place, fault in enumerate(faults if isinstance(faults, list | tuple) else ()):
        if not isinstance(fault, Mapping):
            continue
        at_s, seconds = number(fault.get("at_s")), number(fault.get("seconds"))
        if at_s is not None and seconds is not None:
            found[place] = PlannedFault(title=str(fault.get("title")), at_s=at_s, seconds=seconds)
    return found


def load_told(history: History) -> Iterator[str]:
    """How much load was planned for each phase, and how much of it was sent within it."""
    phases = planned_phases(history.run)
    if not phases:
        yield "What load was planned, the recording does not say."
        return
    told = [_phase_told(history, planned) for planned in phases]
    yield f"Of the load that was planned were sent: {listed(told)}."


def _phase_told(history: History, planned: PlannedPhase) -> str:
    wanted = round(planned.rate_per_s * planned.seconds)
    how = f"{figure(planned.rate_per_s)} a second for {figure(planned.seconds)} s"
    span = history.phase(planned.phase)
    if span is None:
        return f"in {planned.phase.value} nobody knows how many of {wanted:,} ({how}), for it did not come to its end"
    within = pl.col("intended_ns").is_between(span.start_ns, span.end_ns, closed="left")
    sent = history.operations.filter(within & was_sent() & (pl.col("sent_ns") < span.end_ns)).height
    off_s = span.seconds - planned.seconds
    lasted = f", but it lasted {figure(round(span.seconds, 1))} s"
    off = lasted if abs(off_s) > max(_OFF_S, _OFF_SHARE * planned.seconds) else ""
    return f"in {planned.phase.value} {sent:,} of {wanted:,} ({how}{off})"


def never_begun(history: History) -> Iterator[str]:
    """The faults that were planned and that nobody asked for."""
    begun = {fault.number for fault in history.faults}
    for place, planned in planned_faults(history.run).items():
        if place not in begun:
            when = f"for {figure(planned.seconds)} s from {figure(planned.at_s)} s into impact"
            yield f"{plain(planned.title)}: was planned {when}, and never begun."
