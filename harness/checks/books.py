"""What a target's tables mean: its orders and sagas, what was set aside for them, and the money that really moved.

Readings and columns are named by the scenario; the names of columns default to those of a shop like the guide's.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.checks import CannotSay
from harness.checks.moments import on_run_clock
from harness.checks.tables import final_table, named_table, only_once, whole
from harness.errors import ConfigError
from harness.recording.history import History

CONFIRMED = "confirmed"
CANCELLED = "cancelled"
OPEN = "open"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The target's orders.

    Attributes:
        confirmed, cancelled: The words that `status` ends with. Every other word is an open order: a status
            nobody told us of is no settled one.
        items: A list of objects with `sku` and `quantity`.
    """

    reading: str
    key: str = "order_id"
    status: str = "status"
    total: str = "total_cents"
    items: str = "items"
    sku: str = "sku"
    quantity: str = "quantity"
    confirmed: tuple[str, ...] = ("CONFIRMED",)
    cancelled: tuple[str, ...] = ("CANCELLED",)

    def __post_init__(self) -> None:
        """Refuse words with two meanings."""
        if both := set(self.confirmed) & set(self.cancelled):
            raise ConfigError(
                f"{sorted(both)} cannot mean both confirmed and cancelled: every order would satisfy "
                "one of two opposite rules. Give each status one meaning."
            )

    def load(self, history: History, *columns: str) -> pl.DataFrame:
        """`order`, `state` (confirmed, cancelled or open) and, on request, `total`.

        Raises:
            CannotSay: There is no such reading, or not a single order.
        """
        wanted: dict[str, tuple[str, Any]] = {
            "order": (self.key, pl.String),
            "state": (self.status, pl.String),
        }
        if "total" in columns:
            wanted["total"] = (self.total, pl.Int64)
        table = named_table(history, self.reading, **wanted)
        if table.is_empty():
            raise CannotSay(f"{self.reading!r} has no rows: there is nothing to judge")
        state = (
            pl.when(pl.col("state").is_in(list(self.confirmed)))
            .then(pl.lit(CONFIRMED))
            .when(pl.col("state").is_in(list(self.cancelled)))
            .then(pl.lit(CANCELLED))
            .otherwise(pl.lit(OPEN))
        )
        return only_once(table, "order", self.reading).with_columns(state.alias("state"))

    def load_items(self, history: History) -> pl.DataFrame:
        """`order`, `sku`, `quantity`: one row for each sku of an order."""
        line = pl.List(pl.Struct({self.sku: pl.String, self.quantity: pl.Float64}))
        table = final_table(history, self.reading, {self.key: pl.String, self.items: line})
        lines = table.filter(pl.col(self.items).list.len() > 0).explode(self.items).unnest(self.items)
        if lines.null_count().select(pl.sum_horizontal(pl.all())).item():
            raise CannotSay(f"items of {self.reading!r} lack their {self.sku!r} or {self.quantity!r}")
        lines = lines.with_columns(whole(lines[self.quantity], self.reading))
        return lines.group_by(pl.col(self.key).alias("order"), pl.col(self.sku).alias("sku")).agg(
            pl.col(self.quantity).sum().alias("quantity")
        )


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What really moved, as the one who moved it wrote it down: rows of charges and refunds.

    Attributes:
        at_ms: When, by the wall clock, in ms since 1970.
        requests: How many requests came with the row's key, the first one included.
    """

    reading: str
    order: str = "order_id"
    kind: str = "kind"
    amount: str = "amount_cents"
    at_ms: str = "at_ms"
    requests: str = "requests"
    charge: str = "charge"
    refund: str = "refund"

    def load_charges(self, history: History) -> pl.DataFrame:
        """`order`, `at_ns` on the run's own clock (to the ms), and `requests`, one row a charge.

        Raises:
            CannotSay: There is no such reading, or it does not tell when, or how many requests came.
        """
        table = named_table(
            history,
            self.reading,
            order=(self.order, pl.String),
            kind=(self.kind, pl.String),
            at_ms=(self.at_ms, pl.Int64),
            requests=(self.requests, pl.Int64),
        )
        at_ns = on_run_clock(history, pl.col("at_ms"))
        return table.filter(pl.col("kind") == self.charge).select("order", at_ns.alias("at_ns"), "requests")

    def by_order(self, history: History) -> pl.DataFrame:
        """`order`, `charges` and `refunds` (how many), `net` (charged less refunded).

        Raises:
            CannotSay: There is no such reading, or a row is neither charge nor refund or moves backwards.
        """
        table = named_table(
            history,
            self.reading,
            order=(self.order, pl.String),
            kind=(self.kind, pl.String),
            amount=(self.amount, pl.Int64),
        )
        odd = table.filter(~pl.col("kind").is_in([self.charge, self.refund]) | (pl.col("amount") < 0))
        if odd.height:
            raise CannotSay(
                f"{odd.height} rows of {self.reading!r} are neither a {self.charge!r} nor a {self.refund!r} "
                f"of 0 or more: {odd.row(0, named=True)}"
            )
        is_charge, amount = pl.col("kind") == self.charge, pl.col("amount")
        return table.group_by("order").agg(
            is_charge.sum().cast(pl.Int64).alias("charges"),
            (~is_charge).sum().cast(pl.Int64).alias("refunds"),
            pl.when(is_charge).then(amount).otherwise(-amount).sum().alias("net"),
        )


@dataclass(frozen=True, kw_only=True)
class Reservations:
    """What is set aside for orders. A row whose status is in `live` still holds its goods."""

    reading: str
    order: str = "order_id"
    sku: str = "sku"
    quantity: str = "quantity"
    status: str = "status"
    live: tuple[str, ...] = ("RESERVED", "CONFIRMED")
    released: tuple[str, ...] = ("RELEASED",)

    def load_live(self, history: History) -> pl.DataFrame:
        """`order`, `sku`, `quantity`: what is still held, one row for each sku of an order.

        Raises:
            CannotSay: There is no such reading, or a row has a status we were not told of.
        """
        table = named_table(
            history,
            self.reading,
            order=(self.order, pl.String),
            sku=(self.sku, pl.String),
            quantity=(self.quantity, pl.Int64),
            status=(self.status, pl.String),
        )
        odd = table.filter(~pl.col("status").is_in([*self.live, *self.released]))
        if odd.height:
            raise CannotSay(
                f"{self.reading!r} has the status {min(odd['status'])!r}, which is neither live "
                f"({', '.join(self.live)}) nor released ({', '.join(self.released)})"
            )
        live = table.filter(pl.col("status").is_in(list(self.live)))
        return live.group_by("order", "sku").agg(pl.col("quantity").sum())


@dataclass(frozen=True, kw_only=True)
class SagaLog:
    """The target's log of saga steps: one row for each change, numbered in the order it was written."""

    reading: str
    saga: str = "saga_id"
    order: str = "order_id"
    step: str = "step_name"
    status: str = "status"
    at_ms: str = "executed_at"
    seq: str = "seq"
    error: str = "error_message"
    completed: tuple[str, ...] = ("COMPLETED",)
    compensated: tuple[str, ...] = ("COMPENSATED",)

    def load(self, history: History, *columns: str) -> pl.DataFrame:
        """The named columns, by our names: saga, order, step, status, seq, at_ms, error.

        Raises:
            CannotSay: There is no such reading, or it has no rows.
        """
        numbers = {"seq": pl.Int64, "at_ms": pl.Float64}
        wanted = {name: (getattr(self, name), numbers.get(name, pl.String)) for name in columns}
        table = named_table(history, self.reading, **wanted)
        if table.is_empty():
            raise CannotSay(f"{self.reading!r} has no rows: no saga was seen")
        return table
