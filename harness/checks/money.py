"""Money is neither made nor lost between the target's books and those of whoever really moved it.

A client that timed out cannot know whether it was charged, and the target may believe what it likes: only
the ledger of the one who moved the money can tell.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, CONFIRMED, OPEN, Ledger, Orders
from harness.checks.tables import final_table, keys
from harness.recording.history import History
from harness.recording.records import Verdict


@dataclass(frozen=True, kw_only=True)
class ChargedAtMostOnce:
    """No order is charged twice. A second charge is wrong even where a refund has made up for it."""

    ledger: Ledger

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders with more than one charge, and says how many are still out of pocket."""
        charged = self.ledger.by_order(history).filter(pl.col("charges") > 0)
        if charged.is_empty():
            raise CannotSay(f"{self.ledger.reading!r} has no charge: nothing could have been charged twice")
        standing = charged.filter(pl.col("charges") - pl.col("refunds") > 1)
        doubled = charged.filter(pl.col("charges") > 1)
        return conclude(
            keys(doubled["order"]),
            otherwise=f"{charged.height} orders were charged, each once",
            wrongly=(
                f"{doubled.height} of {charged.height} charged orders were charged more than once, "
                f"{standing.height} of them with no refund that makes up for it"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class MoneyConserved:
    """What the ledger kept for an order is its total if it was confirmed, and nothing if it was not.

    An order that is still open may rightly be in either state. Whether it may still be open is another
    claim's question; here, money that lies in an open order makes the answer INCONCLUSIVE.
    """

    orders: Orders
    ledger: Ledger

    def check(self, history: History) -> Conclusion:
        """FAIL names confirmed orders not paid in full, unconfirmed ones that cost, and unknown orders."""
        orders = self.orders.load(history, "total")
        books = self.ledger.by_order(history)
        if books.is_empty() and orders.filter(pl.col("state") == CONFIRMED).is_empty():
            raise CannotSay(f"{self.ledger.reading!r} is empty and no order was confirmed: no money moved")
        both = orders.join(books, on="order", how="left").with_columns(pl.col("net").fill_null(0))
        state, net, total = pl.col("state"), pl.col("net"), pl.col("total")
        unpaid = both.filter((state == CONFIRMED) & (net != total))
        kept = both.filter((state == CANCELLED) & (net != 0))
        odd = both.filter((state == OPEN) & (net != 0) & (net != total))
        unknown = books.join(orders, on="order", how="anti")
        wrong = [key for part in (unpaid, kept, odd, unknown) for key in keys(part["order"])]
        held = both.filter((state == OPEN) & (net != 0) & (net == total))
        conclusion = conclude(
            wrong,
            otherwise=f"the ledger's net of {both['net'].sum()} matches {both.height} orders one by one",
            wrongly=(
                f"of {both.height} orders {unpaid.height} are confirmed with another net than their total, "
                f"{kept.height} are cancelled and still cost money, {odd.height} are open with part of their "
                f"total; {unknown.height} orders of the ledger are unknown"
            ),
        )
        if conclusion.verdict is Verdict.PASS and held.height:
            raise CannotSay(f"{held.height} orders are paid and still open: their money is not settled yet")
        return conclusion


@dataclass(frozen=True, kw_only=True)
class LedgersAgree:
    """For every order the target believes to have been paid exactly what the ledger kept.

    Attributes:
        payments: The reading of the target's own payments.
        order, status, amount: Its columns.
        paid: Values of `status` under which the amount is believed to be kept; under any other it is not.
    """

    payments: str
    ledger: Ledger
    order: str = "order_id"
    status: str = "status"
    amount: str = "amount_cents"
    paid: tuple[str, ...] = ("COMPLETED",)

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders on which the two books differ."""
        columns = {self.order: pl.String, self.status: pl.String, self.amount: pl.Int64}
        rows = final_table(history, self.payments, columns)
        books = self.ledger.by_order(history)
        if rows.is_empty() and books.is_empty():
            raise CannotSay(
                f"{self.payments!r} and {self.ledger.reading!r} are both empty: nothing to compare"
            )
        is_paid = pl.col(self.status).is_in(list(self.paid))
        believed = rows.group_by(pl.col(self.order).alias("order")).agg(
            pl.when(is_paid).then(pl.col(self.amount)).otherwise(0).sum().alias("believed")
        )
        both = believed.join(books, on="order", how="full", coalesce=True).fill_null(0)
        differ = both.filter(pl.col("believed") != pl.col("net"))
        if both.filter((pl.col("believed") != 0) | (pl.col("net") != 0)).is_empty():
            raise CannotSay(
                f"neither {self.payments!r} nor {self.ledger.reading!r} kept any money: nothing to compare"
            )
        return conclude(
            keys(differ["order"]),
            otherwise=f"both books agree on all {both.height} orders",
            wrongly=(
                f"the books differ on {differ.height} of {both.height} orders: {self.payments!r} believes "
                f"{differ['believed'].sum()} there, {self.ledger.reading!r} kept {differ['net'].sum()}"
            ),
        )
