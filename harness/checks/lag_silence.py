"""Whoever is behind says so: no lag at all is told where it is needed most.

A lag that nobody knows is rightly not told, and a single answer without one costs an alarm nothing. But a silence that
lasts keeps every alarm silent as well, and whoever compares only what was told with what was so never notices.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.lag_log import Answer, Group, LagMetric
from harness.checks.moments import whole_phase
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Phase


@dataclass(frozen=True, kw_only=True)
class MetricIsTold:
    """While the group is behind, the target that is asked for its lag tells one.

    Where it did not answer at all, nobody knows what it would have said: that ends a silence.

    Attributes:
        behind: Only while the group was so far behind for certain.
        silent_s_max: How long it may have nothing to tell: while it has to ask the brokers again.
        at_least: So many answers must have come while it was behind.
    """

    metric: LagMetric
    group: Group
    behind: int
    silent_s_max: float
    at_least: int = 5

    def __post_init__(self) -> None:
        """Refuse to judge by nothing, and what nobody can keep."""
        if self.behind < 1 or self.at_least < 1 or self.silent_s_max <= 0:
            raise ConfigError(
                "behind and at_least must be at least 1 and silent_s_max be above 0, got "
                f"{self.behind}, {self.at_least} and {self.silent_s_max}: a target that has nothing to tell would be "
                "judged, or every answer have to tell."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL names the silences that were too long."""
        log = self.group.load(history)
        steady_ns = whole_phase(history, Phase.STEADY).start_ns
        failed_ns = [line.at_ns for line in history.reading_lines(self.metric.reading) if line.error]
        asked = [
            answer
            for answer in self.metric.load(history)
            if answer.began_ns >= steady_ns
            and (bounds := self.metric.bounds(answer, log)) is not None
            and bounds.least >= self.behind
        ]
        silent = sum(answer.lag is None for answer in asked)
        lengths = {span: (span[1] - span[0]) / NS_PER_S for span in _silences(asked, failed_ns)}
        wrong = [
            f"from {(span[0] - steady_ns) / NS_PER_S:.1f} s after steady began, for {length_s:.1f} s"
            for span, length_s in lengths.items()
            if length_s > self.silent_s_max
        ]
        if not wrong and len(asked) < self.at_least:
            raise CannotSay(
                f"{len(asked)} answers came while the group was {self.behind} behind for certain (wanted "
                f"{self.at_least})"
            )
        figures = (
            f"{silent} of {len(asked)} answers while the group was {self.behind} or more behind told no lag; the "
            f"longest silence was {max(lengths.values(), default=0):.1f} s (may be {self.silent_s_max:g} s)"
        )
        return conclude(wrong, otherwise=figures, wrongly=figures)


def _silences(answers: Iterable[Answer], failed_ns: Iterable[int]) -> Iterator[tuple[int, int]]:
    """From the first to the last of the answers in a row that told nothing."""
    began_ns: int | None = None
    ended_ns = 0
    for answer in answers:
        broken = any(ended_ns < at_ns < answer.began_ns for at_ns in failed_ns)
        if began_ns is not None and (answer.lag is not None or broken):
            yield began_ns, ended_ns
            began_ns = None
        if answer.lag is None:
            began_ns = answer.began_ns if began_ns is None else began_ns
            ended_ns = answer.ended_ns
    if began_ns is not None:
        yield began_ns, ended_ns
