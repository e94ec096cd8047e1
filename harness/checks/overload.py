"""What a target does when more is asked of it than it can do: it does what it can, and tells the others at once.

A queue without an end keeps nobody out and serves nobody: everybody waits for longer than they can, and the target
works for clients who have left, also when the flood is long over. So it is asked how much was done, how long those
waited who were let in, how soon the others were told, and when all was as before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from harness.checks import EXAMPLES_MAX, CannotSay, Conclusion, Missing, Seen, conclude
from harness.checks.books import CONFIRMED, Orders
from harness.checks.liveness import accepted, expected
from harness.checks.moments import intended_in, was_sent, whole_phase
from harness.checks.steady import Share, least_drop, share_of
from harness.checks.tables import keys
from harness.clock import NS_PER_MS
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Outcome, Phase, Verdict

# Of a hundred requests one may be unlucky: a bound on a 99th percentile.
UNLUCKY_MAX = 0.01
# Those at work when a phase begins end in it, too. Whoever does still more can do more than was said.
AT_MOST = 1.2


def _took_ms() -> pl.Expr:
    """From when the schedule wanted it to leave, so that a target which holds the generator back hides nothing."""
    return (pl.col("done_ns") - pl.col("intended_ns")) / NS_PER_MS


def _sent(history: History, operation: str, phase: Phase) -> pl.DataFrame:
    sent = intended_in(history, operation, whole_phase(history, phase)).filter(was_sent())
    if sent.is_empty():
        raise CannotSay(f"no {operation or 'operation'} was sent in {phase.value}")
    return sent.with_columns(_took_ms().alias("took_ms"))


def _p99(took_ms: pl.Series) -> str:
    found = took_ms.quantile(1 - UNLUCKY_MAX, "higher")
    return "none" if found is None else f"p99 {found:.0f} ms"


def _refuse_below(**bounds: float) -> None:
    for name, value in bounds.items():
        if value <= 0:
            raise ConfigError(
                f"{name} must be above 0, got {value}: no target, or every target, would keep it"
            )


@dataclass(frozen=True, kw_only=True)
class QueueWasFull:
    """The target's own gauge said, most of the time, that there was no room for another request.

    Attributes:
        reading: `{"VALUE": room}`, watched.
        share_min: Of the readings in impact that must have found none.
    """

    reading: str
    share_min: float = 0.5
    if_missing: ClassVar[Missing] = Missing.VOIDS
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a queue that is always full."""
        _refuse_below(share_min=self.share_min)

    def seen(self, history: History) -> Seen:
        """How many readings found no room."""
        values = [line.value for line in history.readings(self.reading, whole_phase(history, Phase.IMPACT))]
        told = (value.get("VALUE") if isinstance(value, dict) else None for value in values)
        rooms = [room for room in told if isinstance(room, int | float)]
        if not rooms or len(rooms) < len(values):
            raise CannotSay(
                f"no reading, or one without a VALUE, of {self.reading!r} in impact: {values[:1]}"
            )
        full = sum(room <= 0 for room in rooms)
        return Seen(
            ok=full >= self.share_min * len(rooms),
            sentence=(
                f"{full} of {len(rooms)} readings of {self.reading!r} in impact found no room "
                f"(wanted {self.share_min:.0%})"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class RefusedAtOnce:
    """Who is not served is told so, and soon: a client that waits for nothing cannot try elsewhere.

    Attributes:
        within_ms: For 99 of 100 that were not served in impact. One that was never answered, or not clearly, was not
            told.
    """

    operation: str
    within_ms: float

    def __post_init__(self) -> None:
        """Refuse a bound that is none."""
        _refuse_below(within_ms=self.within_ms)

    def check(self, history: History) -> Conclusion:
        """FAIL names those that waited for a refusal, or for nothing."""
        sent = _sent(history, self.operation, Phase.IMPACT)
        unserved = sent.filter(pl.col("outcome") != Outcome.OK.value)
        if unserved.is_empty():
            raise CannotSay(f"all {sent.height} requests of impact were served: nobody had to be refused")
        refused = unserved.filter(pl.col("outcome") == Outcome.REJECTED.value)
        late = refused.filter(pl.col("took_ms") > self.within_ms)
        untold = unserved.height - refused.height
        figures = (
            f"{refused.height} of {sent.height} requests were refused, {_p99(refused['took_ms'])} (may be "
            f"{self.within_ms:g} ms); {untold} were neither served nor refused"
        )
        few = late.height + untold <= UNLUCKY_MAX * unserved.height
        wrong = [] if few else keys(late["key"]) + keys(unserved.join(refused, on="key", how="anti")["key"])
        return conclude(wrong, otherwise=figures, wrongly=figures, precision="from the intended time")


@dataclass(frozen=True, kw_only=True)
class AcceptedInTime:
    """Who is served does not wait for longer than the queue is long.

    Attributes:
        within_ms: For 99 of 100 that were accepted in impact.
    """

    operation: str
    within_ms: float

    def __post_init__(self) -> None:
        """Refuse a bound that is none."""
        _refuse_below(within_ms=self.within_ms)

    def check(self, history: History) -> Conclusion:
        """FAIL names those that waited for longer. If nobody was accepted nothing can be said: goodput does."""
        served = _sent(history, self.operation, Phase.IMPACT).filter(pl.col("outcome") == Outcome.OK.value)
        if served.is_empty():
            raise CannotSay("no request was accepted in impact: nobody knows how long it would have taken")
        late = served.filter(pl.col("took_ms") > self.within_ms)
        figures = f"{served.height} requests were accepted, {_p99(served['took_ms'])} (may be {self.within_ms:g} ms)"
        few = late.height <= UNLUCKY_MAX * served.height
        return conclude(
            [] if few else keys(late["key"]),
            otherwise=figures,
            wrongly=figures,
            precision="from the intended time",
        )


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a flooded target did.

    Attributes:
        good: Orders that were accepted and confirmed.
        in_vain: Keys of those that were accepted for nothing.
        seconds: For how long it was flooded.
        share: Of what it can do.
    """

    good: int
    in_vain: tuple[str, ...]
    seconds: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Goodput:
    """Under overload the target goes on doing what it can: orders that were accepted then, and came to be.

    An order that was acknowledged and is not confirmed in the end was no good to anybody, unless its client was
    expected to be declined.

    Attributes:
        capacity_per_s: What the target is configured to do.
        share_min: Of that.
        expect_not: Details of operations that need not be confirmed, such as {"expect": "declined"}.
    """

    operation: str
    orders: Orders
    capacity_per_s: float
    share_min: float
    expect_not: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a share that every target has, or none."""
        _refuse_below(capacity_per_s=self.capacity_per_s, share_min=self.share_min)
        if self.share_min > 1:
            raise ConfigError(
                f"share_min must be at most 1, got {self.share_min}: no target does more than it can"
            )

    def check(self, history: History) -> Conclusion:
        """FAIL if less was done. If more was, the capacity is another one, and nothing is known of its share."""
        done = self.measured(history)
        figures = (
            f"{done.good} orders in {done.seconds:.1f} s are {done.share:.0%} of the {self.capacity_per_s:g}/s that "
            f"it can (wanted {self.share_min:.0%}); {len(done.in_vain)} more were accepted and not confirmed"
        )
        if done.share > AT_MOST:
            raise CannotSay(f"{figures}: if it can do more, nobody knows what share of that it did")
        return Conclusion(
            verdict=Verdict.PASS if done.share >= self.share_min else Verdict.FAIL,
            because=figures,
            precision=f"± 1 order, {1 / done.seconds / self.capacity_per_s:.1%}",
            examples=done.in_vain[:EXAMPLES_MAX],
        )

    def measured(self, history: History) -> Done:
        """What was done during impact."""
        span = whole_phase(history, Phase.IMPACT)
        answered = accepted(history, self.operation, {}).filter(
            pl.col("done_ns").is_between(span.start_ns, span.end_ns, closed="left")
        )
        joined = answered.join(self.orders.load(history), left_on="key", right_on="order", how="left")
        confirmed = pl.col("state").fill_null("") == CONFIRMED
        good = joined.filter(confirmed | ~expected(self.expect_not))
        in_vain = joined.join(good, on="key", how="anti")
        return Done(
            good=good.height,
            in_vain=tuple(sorted(in_vain["key"])),
            seconds=span.seconds,
            share=good.height / span.seconds / self.capacity_per_s,
        )


@dataclass(frozen=True, kw_only=True)
class ShedFirst:
    """Where not all can be served, what can be asked again without loss is refused first.

    Attributes:
        first: Requests that are refused first.
        kept: Those that are served instead.
        at_least: So many of each must have been sent in impact.
    """

    first: str
    kept: str
    at_least: int = 100

    def check(self, history: History) -> Conclusion:
        """FAIL unless surely more of those that matter were served."""
        shares: dict[str, Share] = {}
        for operation in (self.first, self.kept):
            sent = _sent(history, operation, Phase.IMPACT)
            if sent.height < self.at_least:
                raise CannotSay(f"only {sent.height} {operation} were sent in impact, wanted {self.at_least}")
            shares[operation] = share_of(
                sent.filter(pl.col("outcome") == Outcome.OK.value).height, sent.height
            )
        first, kept = shares[self.first], shares[self.kept]
        surely = least_drop(kept, first) > 0
        return Conclusion(
            verdict=Verdict.PASS if surely else Verdict.FAIL,
            because=(
                f"{kept.value:.1%} of {self.kept} and {first.value:.1%} of {self.first} were served in impact"
                f"{'' if surely else ', which is not surely less'}"
            ),
            precision=f"with 95 % intervals: {kept} and {first}",
        )
