"""How often probes really looked: what was between two looks, nobody saw.

The interval that was asked for says little. A probe whose target hangs, or whose machine is busy, looks less often, and
that is just when something happens.
"""

from collections.abc import Iterator
from itertools import pairwise

from harness.recording.history import History
from harness.recording.records import Phase
from reports.text import figure, listed, plain

PROBES_TOLD_MAX = 8


def longest_gaps_s(history: History) -> dict[str, float]:
    """For each probe that looked again and again, the longest time of which it tells nothing.

    From the beginning of one look that saw something to the end of the next, for what it saw was true at some moment
    within; and from the beginning of steady to the end of the drill, for a probe that fell silent saw nothing more.
    """
    first, last = history.phase(Phase.STEADY), history.phase(Phase.CONVERGE)
    found = {}
    for probe in history.probes:
        lines = history.reading_lines(probe)
        if all(line.final for line in lines):
            continue
        looks = [(line.at_ns, line.at_ns + line.took_ns) for line in lines if not line.error]
        if first:
            looks = [(first.start_ns, first.start_ns), *(look for look in looks if look[1] > first.start_ns)]
        if last:
            looks = [*(look for look in looks if look[0] < last.end_ns), (last.end_ns, last.end_ns)]
        gaps = [ended_ns - began_ns for (began_ns, _), (_, ended_ns) in pairwise(looks)]
        if gaps:
            found[probe] = max(gaps) / 1e9
    return found


def looks_told(history: History) -> Iterator[str]:
    """The longest gaps of all probes, the worst first, and how often they could not look."""
    gaps = sorted(longest_gaps_s(history).items(), key=lambda gap: -gap[1])
    if gaps:
        told = [f"{plain(probe, 40)} {figure(round(gap_s, 2))} s" for probe, gap_s in gaps]
        yield f"Nobody saw what was between two looks of a probe, at most {listed(told, PROBES_TOLD_MAX)}."
    for probe in history.probes:
        lines = history.reading_lines(probe)
        if failed := sum(bool(line.error) for line in lines):
            yield f"{plain(probe, 40)} could not look in {failed:,} of {len(lines):,} tries."
