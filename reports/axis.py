"""The one time axis of a page: everything that is drawn shares it, or nobody could tell what came first.

It counts seconds from the first phase, and is cut into steps that counts and percentiles are taken over. A recording
whose clock jumped tells moments far away; the axis ends where the plan could have ended, and what lies beyond is left
out of the drawing, and the page says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from harness.recording.history import History
from harness.recording.records import Phase

NS_PER_S = 1e9
STEPS_MAX = 240
_DAY_S = 24 * 3600.0
# A drill may overrun its plan: servers take their time to come back. By more than this only a clock does.
_OVERRUN = 5.0
_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600, 7200, 14400)
_TICKS_MAX = 8


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The seconds that a page shows.

    Attributes:
        zero_ns: The moment that it counts from, on the run's own clock.
        seconds: How long it is.
        step_s: The length of a step.
        jumped: Whether something was recorded so much later that a clock must have jumped.
    """

    zero_ns: int
    seconds: float
    step_s: float
    jumped: bool = False

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return max(1, ceil(self.seconds / self.step_s))

    def at_s(self, at_ns: float) -> float:
        """A moment in seconds from the axis' beginning."""
        return (at_ns - self.zero_ns) / NS_PER_S

    def holds(self, at_s: float) -> bool:
        """Whether a moment lies on it."""
        return 0 <= at_s <= self.seconds

    def percent(self, at_s: float) -> float:
        """Where a moment lies, in percent of its length; those outside lie on the edge."""
        return round(100 * min(1.0, max(0.0, at_s / self.seconds)), 3)

    def step_of(self, at_s: float) -> int:
        """The step that a moment falls into."""
        return min(self.steps - 1, max(0, int(at_s / self.step_s)))

    def ticks(self) -> Iterator[float]:
        """Round seconds for a scale, few enough to be read on a phone."""
        every = next((tick for tick in _TICKS_S if self.seconds / tick <= _TICKS_MAX), self.seconds / 4)
        at_s = 0.0
        while at_s <= self.seconds:
            yield at_s
            at_s += every


def axis_of(history: History) -> Axis:
    """The axis that holds a run, as far as it came."""
    spans = [span for phase in Phase if (span := history.phase(phase))]
    operations = history.operations
    known = [span.start_ns for span in spans] or operations["intended_ns"].head(1).to_list()
    zero_ns = min(known, default=history.run.anchor_ns)
    ends = [span.end_ns for span in spans]
    # What was seen last tells how far a run came that was cut off.
    seen = [at_ns for name in ("sent_ns", "done_ns") if (at_ns := _last(operations[name].max()))]
    seen += [line.at_ns for probe in history.probes for line in history.reading_lines(probe)[-1:]]
    latest_s = (max([*ends, *seen], default=zero_ns) - zero_ns) / NS_PER_S
    ended = (converge := history.phase(Phase.CONVERGE)) and converge.end_ns > zero_ns
    longest_s = _longest_s(history)
    seconds = max(1.0, min((max(ends) - zero_ns) / NS_PER_S if ended else latest_s, longest_s))
    step_s = max(1.0, float(ceil(seconds / STEPS_MAX)))
    return Axis(zero_ns=zero_ns, seconds=seconds, step_s=step_s, jumped=latest_s > longest_s)


def _last(moment: object) -> int | None:
    return moment if isinstance(moment, int) else None


def _longest_s(history: History) -> float:
    planned = [history.run.promised.get(name) for name in ("load_s", "converge_s")]
    figures = [float(figure) for figure in planned if isinstance(figure, int | float)]
    return min(_DAY_S, _OVERRUN * sum(figures) + 60) if any(figures) else _DAY_S
