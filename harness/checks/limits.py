"""What happens at a time limit: work that cannot be finished is undone, and not left to hope."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, Ledger, Orders
from harness.checks.liveness import accepted
from harness.checks.moments import in_effect
from harness.checks.tables import keys
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.history import History


def earliest_limits(history: History, operation: str, limit_s: float) -> pl.DataFrame:
    """`order` and `limit_ns`: when the limit of each order that a client sent can have come at the earliest."""
    sent = history.operations.filter(pl.col("name") == operation)
    limit_ns = pl.col("sent_ns").min() + round(limit_s * NS_PER_S)
    return sent.group_by(pl.col("key").alias("order")).agg(limit_ns=limit_ns)


@dataclass(frozen=True, kw_only=True)
class CancelledPastLimit:
    """Orders whose limit passed while the fault lasted are cancelled in the end and have cost nothing.

    Judged are orders sent while the fault certainly had its effect and acknowledged early enough that limit and slack
    were over before healing began: they can have been finished by nobody. Later orders may end either way.

    Attributes:
        limit_s: The target's time limit for an order.
        slack_s: How much later than that it may notice.
        expect_not: Details that exclude an operation, such as {"expect": "declined"}.
        fault: Title of the fault.
        at_least: How many such orders there must have been.
    """

    operation: str
    orders: Orders
    ledger: Ledger
    limit_s: float
    slack_s: float
    fault: str
    expect_not: Mapping[str, str] = field(default_factory=dict)
    at_least: int = 1

    def check(self, history: History) -> Conclusion:
        """FAIL names orders past their limit that are confirmed, still open, or have kept money."""
        # The longest one: what was over too early is no excuse.
        fault = max(in_effect(history, self.fault), key=lambda span: span.seconds)
        last_ns = fault.end_ns - round((self.limit_s + self.slack_s) * NS_PER_S)
        sent = accepted(history, self.operation, self.expect_not).filter(
            # The target's clock for an order starts somewhere between the two.
            (pl.col("sent_ns") >= fault.start_ns) & (pl.col("done_ns") <= last_ns)
        )
        if sent.is_empty():
            raise CannotSay(
                f"no order was accepted early enough to pass its limit of {self.limit_s:g} s (+ {self.slack_s:g} s) "
                f"before healing began; the fault lasted {fault.seconds:.1f} s"
            )
        state = self.orders.load(history)
        net = self.ledger.by_order(history).select("order", "net")
        joined = sent.join(state, left_on="key", right_on="order", how="left").join(
            net, left_on="key", right_on="order", how="left"
        )
        uncancelled = joined.filter(pl.col("state").fill_null("") != CANCELLED)
        unpaid_back = joined.filter(pl.col("net").fill_null(0) != 0)
        wrong = keys(uncancelled["key"]) + keys(unpaid_back["key"])
        if not wrong and sent.height < self.at_least:
            raise CannotSay(
                f"{sent.height} orders passed their limit during the fault, wanted {self.at_least}: so few may have "
                "been cancelled for another reason"
            )
        return conclude(
            wrong,
            otherwise=f"{sent.height} orders passed their limit during the fault; all are cancelled and cost nothing",
            wrongly=(
                f"of {sent.height} orders that passed their limit during the fault {uncancelled.height} are not "
                f"cancelled and {unpaid_back.height} have money left at the provider"
            ),
            precision=f"the limit is counted from when the order was acknowledged, with {self.slack_s:g} s of slack",
        )

    def __post_init__(self) -> None:
        """Refuse a limit that is none."""
        if self.limit_s <= 0 or self.slack_s < 0:
            raise ConfigError(
                f"limit_s must be above 0 and slack_s not negative, got {self.limit_s} and {self.slack_s}: orders that "
                "had time left would be judged. Give the target's own limit."
            )
        if self.at_least < 1:
            raise ConfigError(
                f"at_least must be at least 1, got {self.at_least}: no order at all would be enough"
            )
