"""Goods are neither made nor lost: every piece is on the shelf, or set aside or sold for a living order."""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, CONFIRMED, OPEN, Orders, Reservations
from harness.checks.tables import final_table, keys, only_once
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class StockConserved:
    """For every sku: initial = available + reserved + sold, none below 0, and what is gone is accounted for.

    Attributes:
        stock: The reading with one row a sku.
        reservations: Where given, `reserved + sold` must equal what live reservations hold of the sku.
    """

    stock: str
    reservations: Reservations | None = None
    sku: str = "sku"
    initial: str = "initial"
    available: str = "available"
    reserved: str = "reserved"
    sold: str = "sold"

    def check(self, history: History) -> Conclusion:
        """FAIL names the skus that do not add up."""
        amounts = [self.initial, self.available, self.reserved, self.sold]
        columns = {self.sku: pl.String, **dict.fromkeys(amounts, pl.Int64)}
        table = only_once(final_table(history, self.stock, columns), self.sku, self.stock)
        if table.is_empty():
            raise CannotSay(f"{self.stock!r} has no rows: there is nothing to conserve")
        gone = pl.col(self.reserved) + pl.col(self.sold)
        unbalanced = table.filter(pl.col(self.initial) != pl.col(self.available) + gone)
        negative = table.filter(pl.min_horizontal(amounts) < 0)
        unheld = self._unheld(table, gone, history)
        wrong = [key for part in (unbalanced, negative, unheld) for key in keys(part[self.sku])]
        return conclude(
            wrong,
            otherwise=(
                f"{table.height} skus add up: {table[self.reserved].sum()} reserved and "
                f"{table[self.sold].sum()} sold of {table[self.initial].sum()}"
            ),
            wrongly=(
                f"of {table.height} skus {unbalanced.height} do not add up to their initial stock, "
                f"{negative.height} have an amount below 0, {unheld.height} differ from what their live "
                "reservations hold"
            ),
        )

    def _unheld(self, table: pl.DataFrame, gone: pl.Expr, history: History) -> pl.DataFrame:
        if self.reservations is None:
            return table.clear()
        held = self.reservations.load_live(history).group_by("sku").agg(pl.col("quantity").sum())
        both = table.join(held, left_on=self.sku, right_on="sku", how="full", coalesce=True)
        return both.with_columns(pl.col("quantity").fill_null(0)).filter(
            gone.fill_null(0) != pl.col("quantity")
        )


@dataclass(frozen=True, kw_only=True)
class ReservationsMatchOrders:
    """A confirmed order holds exactly its items, a cancelled one nothing, an unknown one does not exist.

    An open order may hold all of its items or none yet, but nothing in between.
    """

    orders: Orders
    reservations: Reservations

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders whose reservations are too many, too few or without an order."""
        orders = self.orders.load(history)
        wanted = self.orders.load_items(history)
        if wanted.is_empty():
            raise CannotSay(f"no order of {self.orders.reading!r} has items: there was nothing to hold")
        held = self.reservations.load_live(history)
        unknown = held.join(orders, on="order", how="anti")
        lines = wanted.join(held, on=["order", "sku"], how="full", coalesce=True, suffix="_held").fill_null(0)
        compared = lines.group_by("order").agg(
            (pl.col("quantity") == pl.col("quantity_held")).all().alias("all"),
            (pl.col("quantity_held") == 0).all().alias("none"),
        )
        both = orders.join(compared, on="order", how="left").with_columns(
            # An order without items holds nothing; there is nothing that could have been confirmed.
            pl.col("all").fill_null(False),
            pl.col("none").fill_null(True),
        )
        state, everything, nothing = pl.col("state"), pl.col("all"), pl.col("none")
        short = both.filter((state == CONFIRMED) & ~everything)
        leaked = both.filter((state == CANCELLED) & ~nothing)
        partial = both.filter(~state.is_in([CONFIRMED, CANCELLED]) & ~everything & ~nothing)
        wrong = [key for part in (short, leaked, partial, unknown) for key in keys(part["order"])]
        if not wrong and both.filter(state != OPEN).is_empty():
            raise CannotSay(f"none of {both.height} orders has ended: an open one may hold its items or not")
        return conclude(
            wrong,
            otherwise=f"live reservations match {both.height} orders, item by item",
            wrongly=(
                f"of {both.height} orders {short.height} are confirmed without holding exactly their items, "
                f"{leaked.height} are cancelled and still hold some, {partial.height} are open and hold a "
                f"part; {unknown['order'].n_unique()} reservations are for unknown orders"
            ),
        )
