"""What must happen in the end. A shop that compensates everything is not safe, it is useless.

Orders are told from operations by their key; what an operation was expected to come to is in its detail,
so that a card that was meant to be declined does not count against the shop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, CONFIRMED, OPEN, Ledger, Orders, Reservations, SagaLog
from harness.checks.moments import intended_in, on_run_clock, requested_faults, was_sent, whole_phase
from harness.checks.tables import keys
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Outcome, Phase

# An order cannot be finished before it was sent; beyond this the target's wall clock was set meanwhile.
WALL_CLOCK_STEP_NS = NS_PER_S


def expected(expect_not: Mapping[str, str]) -> pl.Expr:
    """Whether an operation's detail has none of the unwanted values."""
    wanted = pl.lit(True)
    for name, value in expect_not.items():
        wanted &= pl.col("detail").str.json_path_match(f"$.{name}").fill_null("") != value
    return wanted


def accepted(history: History, operation: str, expect_not: Mapping[str, str]) -> pl.DataFrame:
    """The operations that were answered ok, without those whose detail has one of the unwanted values."""
    ok = (pl.col("name") == operation) & (pl.col("outcome") == Outcome.OK.value)
    # One after the other: looking into details takes a hundred times as long as comparing columns.
    return history.operations.filter(ok).filter(expected(expect_not))


@dataclass(frozen=True, kw_only=True)
class EveryOrderSettles:
    """No order is open at the end, and a cancelled one has given back its goods and its money."""

    orders: Orders
    reservations: Reservations | None = None
    ledger: Ledger | None = None

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders that are stuck or were unwound only in part."""
        orders = self.orders.load(history)
        stuck = orders.filter(pl.col("state") == OPEN)
        cancelled = orders.filter(pl.col("state") == CANCELLED)
        holding, costing = cancelled.clear(), cancelled.clear()
        if self.reservations is not None:
            holding = cancelled.join(self.reservations.load_live(history), on="order", how="semi")
        if self.ledger is not None:
            costs = self.ledger.by_order(history).filter(pl.col("net") != 0)
            costing = cancelled.join(costs, on="order", how="semi")
        wrong = [key for part in (stuck, holding, costing) for key in keys(part["order"])]
        confirmed = orders.height - stuck.height - cancelled.height
        return conclude(
            wrong,
            otherwise=(
                f"{orders.height} orders settled: {confirmed} confirmed, {cancelled.height} compensated"
            ),
            wrongly=(
                f"of {orders.height} orders {stuck.height} are stuck; of {cancelled.height} cancelled ones "
                f"{holding.height} still hold goods and {costing.height} still cost or gain money"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class OrdersAreConfirmed:
    """Of the orders that clients sent in some phases at least a share is confirmed in the end.

    Those that were refused or never answered count as well: a shop that turns nearly everybody away would otherwise
    confirm nearly everything.

    Attributes:
        share_min: Above 0, at most 1.
        phases: When they were sent.
        margin_s: Orders sent so shortly before the end of such a phase are left out: what came next may rightly
            have caught them on their way. It is the longest that a healthy target takes for an order.
        expect_not: Details that exclude an operation, such as {"expect": "declined"}.
    """

    operation: str
    orders: Orders
    phases: tuple[Phase, ...]
    share_min: float
    margin_s: float = 0.0
    expect_not: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a share that holds for every history."""
        if not 0 < self.share_min <= 1 or not self.phases or self.margin_s < 0:
            raise ConfigError(
                "share_min must be above 0 and at most 1, phases named and margin_s not negative, got "
                f"{self.share_min}, {self.phases} and {self.margin_s}: otherwise a shop that confirms nothing would "
                "pass. Try 0.99 of steady."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL names orders that were sent and not confirmed."""
        parts = {phase: self._sent_in(history, phase) for phase in self.phases}
        named = " and ".join(phase.value for phase in self.phases)
        if empty := [phase.value for phase, part in parts.items() if part.is_empty()]:
            raise CannotSay(f"no {self.operation} was sent in {' and '.join(empty)}")
        sent = pl.concat(parts.values())
        joined = sent.join(self.orders.load(history), left_on="key", right_on="order", how="left")
        others = joined.filter(pl.col("state").fill_null("") != CONFIRMED)
        share = 1 - others.height / sent.height
        refused = others.filter(pl.col("outcome") == Outcome.REJECTED.value).height
        unanswered = others.filter(pl.col("outcome") == Outcome.UNKNOWN.value).height
        figures = (
            f"{sent.height - others.height} of {sent.height} orders sent in {named} were confirmed ({share:.1%}, "
            f"wanted {self.share_min:.1%})"
        )
        if refused or unanswered:
            figures += f"; of the others {refused} were refused and {unanswered} never answered"
        enough = share >= self.share_min
        return conclude([] if enough else keys(others["key"]), otherwise=figures, wrongly=figures)

    def _sent_in(self, history: History, phase: Phase) -> pl.DataFrame:
        span = whole_phase(history, phase)
        end_ns = span.end_ns - round(self.margin_s * NS_PER_S)
        sent = intended_in(history, self.operation, Span(span.start_ns, end_ns))
        return sent.filter(was_sent()).filter(expected(self.expect_not))


@dataclass(frozen=True, kw_only=True)
class PendingSettlesAfterHeal:
    """Orders that were open when the fault was healed are confirmed within a bound.

    Judged by the saga log's own times, brought to the run's clock by its anchor. An order was open then if
    it had been sent and its last step had not been completed yet.

    Attributes:
        last_step: The step whose completion confirms an order.
        fault: Title of the fault. If it was injected more than once, the last healing counts.
        within_s: From the verified healing.
        limit_s: The target's time limit for an order. One that reaches it before `within_s` is over may rightly be
            cancelled, however long healing took, and is not judged.
        margin_s: An order that was sent so shortly before the healing may just have been on its way. It is judged, and
            shows nothing of an order that was left pending.
        at_least: How many older ones there must have been.
    """

    operation: str
    log: SagaLog
    last_step: str
    within_s: float
    limit_s: float
    fault: str
    expect_not: Mapping[str, str] = field(default_factory=dict)
    margin_s: float = 0.0
    at_least: int = 1

    def __post_init__(self) -> None:
        """Refuse bounds that nobody can keep, and to judge by nothing."""
        if self.within_s <= 0 or self.limit_s <= self.within_s:
            raise ConfigError(
                f"within_s must be above 0 and below limit_s, got {self.within_s} and {self.limit_s}: every order that "
                "is judged could rightly have been cancelled."
            )
        if not 0 <= self.margin_s < self.limit_s - self.within_s or self.at_least < 1:
            raise ConfigError(
                f"margin_s must be from 0 to less than limit_s - within_s and at_least be at least 1, got "
                f"{self.margin_s} and {self.at_least}: no order could count, or none would be enough."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders that were late or never confirmed, and quotes the slowest."""
        healed_ns, uncertain_s = self._healed(history)
        finished = self._finished(history)
        too_old_ns = healed_ns + round((self.within_s - self.limit_s) * NS_PER_S)
        sent = accepted(history, self.operation, self.expect_not).filter(
            (pl.col("sent_ns") < healed_ns) & (pl.col("sent_ns") > too_old_ns)
        )
        both = sent.select("key", "sent_ns").join(finished, left_on="key", right_on="order", how="left")
        if both.filter(pl.col("at_ns") < pl.col("sent_ns") - WALL_CLOCK_STEP_NS).height:
            raise CannotSay("orders were finished before they were sent: the target's wall clock was set")
        pending = both.filter(pl.col("at_ns").is_null() | (pl.col("at_ns") > healed_ns))
        if pending.is_empty():
            raise CannotSay("no order was open when the fault was healed, and had time left")
        left = pending.filter(pl.col("sent_ns") <= healed_ns - round(self.margin_s * NS_PER_S)).height
        took_s = (pl.col("at_ns") - healed_ns) / NS_PER_S
        late = pending.filter(pl.col("at_ns").is_null() | (took_s > self.within_s))
        if late.is_empty() and left < self.at_least:
            raise CannotSay(
                f"of {pending.height} orders that were open when the fault was healed {left} had been sent "
                f"{self.margin_s:g} s before or earlier, wanted {self.at_least}: the others may just have been on "
                "their way"
            )
        never = late["at_ns"].null_count()
        slowest = pending.select(took_s.max()).item()
        told = "none was confirmed" if slowest is None else f"the slowest took {slowest:.3f} s"
        return conclude(
            keys(late["key"]),
            otherwise=f"{pending.height} orders were open when the fault was healed; {told}",
            wrongly=(
                f"of {pending.height} orders open when the fault was healed {late.height - never} were "
                f"confirmed later than {self.within_s:g} s and {never} never; {told}"
            ),
            precision=(
                f"± 1 ms of the log's own times; healing was verified {uncertain_s:.3f} s after it began, "
                "so a time may be that much longer"
            ),
        )

    def _healed(self, history: History) -> tuple[int, float]:
        healed = [
            (episode.healed_ns, episode.healing_ns or episode.healed_ns)
            for episode in requested_faults(history, self.fault)
            if episode.healed_ns is not None
        ]
        if not healed:
            raise CannotSay(f"no healing of {self.fault} was recorded")
        at_ns, began_ns = max(healed)
        return at_ns, (at_ns - began_ns) / NS_PER_S

    def _finished(self, history: History) -> pl.DataFrame:
        log = self.log.load(history, "order", "step", "status", "at_ms")
        done = (pl.col("step") == self.last_step) & pl.col("status").is_in(list(self.log.completed))
        at_ns = on_run_clock(history, pl.col("at_ms"))
        return log.filter(done).group_by("order").agg(at_ns.min().alias("at_ns"))
