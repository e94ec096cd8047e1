"""The steady state, measured again at the end: a target that is well again answers as it did before.

Latency is counted from when the schedule wanted the request to leave, so that a target which holds the
generator back cannot hide its slowness.
"""

import math
from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion
from harness.checks.moments import intended_in, last_part, was_sent, whole_phase
from harness.clock import NS_PER_MS
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Outcome, Phase, Verdict

# Of fewer, three slow answers are the 95th percentile. Up to some 140 the upper bound of its interval is the maximum:
# one odd answer in steady can then keep a slower end from being told apart, which is INCONCLUSIVE and not green.
OPERATIONS_MIN = 60
Z_95 = 1.96
ROUNDING = 1e-9  # 1 - 0.99 is more than 0.01, in binary


@dataclass(frozen=True, kw_only=True)
class Percentile:
    """A percentile with the interval that holds the true one in 95 % of all samples, all in ms."""

    value_ms: float
    low_ms: float
    high_ms: float

    def __str__(self) -> str:
        return f"{self.value_ms:.1f} ms [{self.low_ms:.1f}, {self.high_ms:.1f}]"


def percentile(latencies_ms: pl.Series, share: float) -> Percentile:
    """A percentile by its order statistic.

    The interval is taken from the ranks, which are binomially distributed whatever the latencies'
    own distribution is (normal approximation).
    """
    ordered = latencies_ms.sort()
    n = ordered.len()
    spread = Z_95 * math.sqrt(n * share * (1 - share))

    def at(rank: float) -> float:
        return float(ordered[min(n - 1, max(0, math.ceil(rank) - 1))])

    return Percentile(
        value_ms=at(n * share), low_ms=at(n * share - spread), high_ms=at(n * share + spread + 1)
    )


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its 95 % interval (Wilson's score interval, which holds near 0 and 1 and for few observations)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def share_of(part: int, whole: int) -> Share:
    """The share of `part` in `whole` > 0."""
    value, z2 = part / whole, Z_95**2
    middle = (value + z2 / (2 * whole)) / (1 + z2 / whole)
    spread = Z_95 / (1 + z2 / whole) * math.sqrt(value * (1 - value) / whole + z2 / (4 * whole**2))
    # At 0 and at 1 the interval ends exactly there; rounding must not put it beyond.
    return Share(value=value, low=min(value, middle - spread), high=max(value, middle + spread))


def least_drop(before: Share, after: Share) -> float:
    """The least by which the share has fallen, as far as chance allows.

    It is the lower end of the difference's 95 % interval: Newcombe's hybrid score interval (Statistics in Medicine 17,
    1998, method 10).
    """
    return before.value - after.value - math.hypot(before.value - before.low, after.high - after.value)


@dataclass(frozen=True, kw_only=True)
class SteadyAgain:
    """In the last part of heal, the share of ok answers and their p95 are what they were in steady.

    Attributes:
        last_share: Which part of heal is compared, from its end: 0.5 is the second half.
        ok_drop_max: By how much the share of ok may be lower than in steady.
        p95_factor_max: The p95 may be this many times that of steady, and
        p95_slack_ms: this much more, for targets so fast that a factor is within the noise.

    A p95 of a hundred answers is a few of them, and a single hiccup moves it; so does a single lost answer move a share
    of sixty. Worse is a FAIL only if the intervals of both agree that it is; in between nothing can be said.
    """

    operation: str
    last_share: float = 0.5
    ok_drop_max: float = 0.01
    p95_factor_max: float = 2.0
    p95_slack_ms: float = 20.0

    def __post_init__(self) -> None:
        """Refuse figures that make no comparison."""
        if not 0 < self.last_share <= 1 or not 0 <= self.ok_drop_max < 1 or self.p95_factor_max < 1:
            raise ConfigError(
                f"last_share must be in (0, 1], ok_drop_max in [0, 1) and p95_factor_max at least 1, got "
                f"{self.last_share}, {self.ok_drop_max} and {self.p95_factor_max}: the comparison would "
                "always or never hold. Try 0.5, 0.01 and 2."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL quotes both phases."""
        tail = last_part(history, Phase.HEAL, self.last_share)
        before_ok, before = self._measured(history, whole_phase(history, Phase.STEADY), "steady")
        if not before_ok.value:
            raise CannotSay(f"no {self.operation} was ok in steady: there is nothing to come back to")
        after_ok, after = self._measured(history, tail, "the last part of heal")
        bound_ms = self._bound_ms(before.value_ms)
        fewer = before_ok.value - after_ok.value > self.ok_drop_max + ROUNDING
        slower = after.value_ms > bound_ms
        surely_fewer = least_drop(before_ok, after_ok) > self.ok_drop_max
        surely_slower = after.low_ms > self._bound_ms(before.high_ms)
        figures = (
            f"ok {before_ok.value:.1%} in steady and {after_ok.value:.1%} at the end of heal (may drop by "
            f"{self.ok_drop_max:.1%}); p95 {before.value_ms:.1f} ms and {after.value_ms:.1f} ms (may be "
            f"{bound_ms:.1f} ms)"
        )
        intervals = (
            f"with 95 % intervals: steady ok {before_ok}, p95 {before}; end of heal ok {after_ok}, p95 {after}; "
            "from the intended time"
        )
        surely_worse = surely_fewer or surely_slower
        if (fewer or slower) and not surely_worse:
            raise CannotSay(f"{figures}; worse, but within what chance may do: {intervals}")
        verdict = Verdict.FAIL if surely_worse else Verdict.PASS
        return Conclusion(verdict=verdict, because=figures, precision=intervals)

    def _bound_ms(self, before_ms: float) -> float:
        return before_ms * self.p95_factor_max + self.p95_slack_ms

    def _measured(self, history: History, span: Span, when: str) -> tuple[Share, Percentile]:
        sent = intended_in(history, self.operation, span).filter(was_sent())
        ok = sent.filter((pl.col("outcome") == Outcome.OK.value) & pl.col("done_ns").is_not_null())
        if sent.height < OPERATIONS_MIN:
            raise CannotSay(
                f"{sent.height} operations in {when}: fewer than {OPERATIONS_MIN} say nothing about a p95"
            )
        share = share_of(ok.height, sent.height)
        if ok.is_empty():
            return share, Percentile(value_ms=math.inf, low_ms=math.inf, high_ms=math.inf)
        latencies_ms = (ok["done_ns"] - ok["intended_ns"]) / NS_PER_MS
        return share, percentile(latencies_ms, 0.95)
