"""Final readings as tables: which reading, which columns, and what their words mean.

A checker compares tables that the target's own stores were read into when everything had settled. The
readings and columns are named by the scenario; column names default to those of a shop like the guide's.
A table of another shape than promised is not guessed at: the claim cannot be judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from harness.checks import CannotSay
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.readings import ReadingLine

# JSON numbers beyond this have lost their last digits on the way.
WHOLE_MAX = 2**53

# Many claims ask for the same columns of the same table, and parsing is what takes the time.
_PARSED: WeakKeyDictionary[History, dict[object, pl.DataFrame]] = WeakKeyDictionary()

CONFIRMED = "confirmed"
CANCELLED = "cancelled"
OPEN = "open"


def final_table(history: History, reading: str, columns: Mapping[str, Any]) -> pl.DataFrame:
    """The final reading of a table, with the wanted columns and no others.

    Args:
        history: The run.
        reading: The probe's name; its value is a list of objects.
        columns: Polars types by column. Whole numbers are checked to be whole: a price of 12.5 cents is
            refused, not rounded. No column may hold a null.

    Raises:
        CannotSay: There is no final reading, or it is not such a table.
    """
    line = history.final_line(reading)
    if line is None:
        raise CannotSay(f"there is no final reading of {reading!r}")
    parsed = _PARSED.setdefault(history, {})
    asked = (reading, tuple((name, str(kind)) for name, kind in columns.items()))
    if asked not in parsed:
        parsed[asked] = _parsed(history, line, columns)
    return parsed[asked]


def _parsed(history: History, line: ReadingLine, columns: Mapping[str, Any]) -> pl.DataFrame:
    reading = line.probe
    text = history.reading_text(line)
    if not text.lstrip().startswith(b"["):
        raise CannotSay(f"the final reading of {reading!r} is no list of rows: {text[:40]!r}")
    wide = {name: pl.Float64 if kind == pl.Int64 else kind for name, kind in columns.items()}
    try:
        table = pl.read_json(text, schema=wide)
    except pl.exceptions.PolarsError as error:
        raise CannotSay(
            f"the final reading of {reading!r} is no list of rows with {', '.join(columns)}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    for name, kind in columns.items():
        if missing := table[name].null_count():
            raise CannotSay(f"{missing} of {table.height} rows of {reading!r} have no {name!r}")
        if kind == pl.Int64:
            table = table.with_columns(_whole(table[name], reading))
    return table


def _whole(numbers: pl.Series, reading: str) -> pl.Series:
    odd = numbers.filter((numbers != numbers.floor()) | (numbers.abs() > WHOLE_MAX) | numbers.is_nan())
    if odd.len():
        raise CannotSay(f"{numbers.name!r} of {reading!r} must be whole numbers, got {odd[0]}")
    return numbers.cast(pl.Int64)


def only_once(table: pl.DataFrame, column: str, reading: str) -> pl.DataFrame:
    """The table, if no two rows have the same value there; a store's primary key cannot repeat.

    Raises:
        CannotSay: One does: the reading is not what it is said to be.
    """
    repeated = table.filter(pl.col(column).is_duplicated())
    if repeated.height:
        raise CannotSay(f"{reading!r} has {min(repeated[column])!r} more than once")
    return table


def keys(column: pl.Series) -> list[str]:
    """A column of keys as the examples of a conclusion."""
    return [str(key) for key in column.unique().to_list()]


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
        wanted: dict[str, Any] = {self.key: pl.String, self.status: pl.String}
        if "total" in columns:
            wanted[self.total] = pl.Int64
        table = final_table(history, self.reading, wanted)
        if table.is_empty():
            raise CannotSay(f"{self.reading!r} has no rows: there is nothing to judge")
        only_once(table, self.key, self.reading)
        state = (
            pl.when(pl.col(self.status).is_in(list(self.confirmed)))
            .then(pl.lit(CONFIRMED))
            .when(pl.col(self.status).is_in(list(self.cancelled)))
            .then(pl.lit(CANCELLED))
            .otherwise(pl.lit(OPEN))
        )
        chosen = [pl.col(self.key).alias("order"), state.alias("state")]
        if "total" in columns:
            chosen.append(pl.col(self.total).alias("total"))
        return table.select(chosen)

    def load_items(self, history: History) -> pl.DataFrame:
        """`order`, `sku`, `quantity`: one row for each sku of an order."""
        line = pl.List(pl.Struct({self.sku: pl.String, self.quantity: pl.Float64}))
        table = final_table(history, self.reading, {self.key: pl.String, self.items: line})
        lines = table.explode(self.items).drop_nulls(self.items).unnest(self.items)
        if lines.null_count().select(pl.sum_horizontal(pl.all())).item():
            raise CannotSay(f"items of {self.reading!r} lack their {self.sku!r} or {self.quantity!r}")
        lines = lines.with_columns(_whole(lines[self.quantity], self.reading))
        return lines.group_by(pl.col(self.key).alias("order"), pl.col(self.sku).alias("sku")).agg(
            pl.col(self.quantity).sum().alias("quantity")
        )


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What really moved, as the one who moved it wrote it down: rows of charges and refunds."""

    reading: str
    order: str = "order_id"
    kind: str = "kind"
    amount: str = "amount_cents"
    charge: str = "charge"
    refund: str = "refund"

    def load(self, history: History) -> pl.DataFrame:
        """`order`, `is_charge`, `amount`.

        Raises:
            CannotSay: There is no such reading, or a row is neither charge nor refund or moves backwards.
        """
        columns = {self.order: pl.String, self.kind: pl.String, self.amount: pl.Int64}
        table = final_table(history, self.reading, columns)
        odd = table.filter(~pl.col(self.kind).is_in([self.charge, self.refund]) | (pl.col(self.amount) < 0))
        if odd.height:
            raise CannotSay(
                f"{odd.height} rows of {self.reading!r} are neither a {self.charge!r} nor a {self.refund!r} "
                f"of 0 or more: {odd.row(0, named=True)}"
            )
        return table.select(
            pl.col(self.order).alias("order"),
            (pl.col(self.kind) == self.charge).alias("is_charge"),
            pl.col(self.amount).alias("amount"),
        )

    def by_order(self, history: History) -> pl.DataFrame:
        """`order`, `charges` and `refunds` (how many), `net` (charged less refunded)."""
        is_charge = pl.col("is_charge")
        return (
            self.load(history)
            .group_by("order")
            .agg(
                is_charge.sum().cast(pl.Int64).alias("charges"),
                (~is_charge).sum().cast(pl.Int64).alias("refunds"),
                pl.when(is_charge).then(pl.col("amount")).otherwise(-pl.col("amount")).sum().alias("net"),
            )
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
        columns = {
            self.order: pl.String,
            self.sku: pl.String,
            self.quantity: pl.Int64,
            self.status: pl.String,
        }
        table = final_table(history, self.reading, columns)
        odd = table.filter(~pl.col(self.status).is_in([*self.live, *self.released]))
        if odd.height:
            raise CannotSay(
                f"{self.reading!r} has the status {min(odd[self.status])!r}, which is neither live "
                f"({', '.join(self.live)}) nor released ({', '.join(self.released)})"
            )
        return (
            table.filter(pl.col(self.status).is_in(list(self.live)))
            .group_by(pl.col(self.order).alias("order"), pl.col(self.sku).alias("sku"))
            .agg(pl.col(self.quantity).sum().alias("quantity"))
        )


def matches(row: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a row has the wanted values; a tuple of values means any of them."""
    return all(
        row.get(column) in value if isinstance(value, tuple) else row.get(column) == value
        for column, value in where.items()
    )


def rows_of(value: Any) -> Iterable[Mapping[str, Any]]:
    """A reading's value as rows: a list of objects, or a single object as one row."""
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, Mapping)]
