"""Final readings as columns of known types.

A checker compares tables that the target's own stores were read into when everything had settled. A table of another
shape than promised is not guessed at: the claim cannot be judged.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from harness.checks import CannotSay
from harness.checks.columns import parsed
from harness.recording.history import History

# JSON numbers beyond this have lost their last digits on the way.
WHOLE_MAX = 2**53 - 1

# Many claims ask for the same columns of the same table. By reading, name and type of the column.
_CHECKED: WeakKeyDictionary[History, dict[tuple[str, str, str], pl.Series]] = WeakKeyDictionary()


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
        errors = [seen.error for seen in history.reading_lines(reading) if seen.final and seen.error]
        why = errors[-1] if errors else "it never looked"
        raise CannotSay(f"there is no final reading of {reading!r} ({why})")
    checked = _CHECKED.setdefault(history, {})
    asked = {name: (reading, name, str(kind)) for name, kind in columns.items()}
    if missing := {name: kind for name, kind in columns.items() if asked[name] not in checked}:
        # A price of 12.5 cents has to be seen to be refused.
        wide = {name: pl.Float64 if kind == pl.Int64 else kind for name, kind in missing.items()}
        table = _checked(parsed(history, line, wide), reading, missing)
        checked.update({asked[name]: table[name] for name in missing})
    return pl.DataFrame([checked[key] for key in asked.values()])


def named_table(history: History, reading: str, **columns: tuple[str, Any]) -> pl.DataFrame:
    """The final reading of a table with columns by our names.

    Args:
        history: The run.
        reading: The probe's name.
        columns: For each of our names the target's name of the column, and its Polars type.

    Raises:
        CannotSay: See `final_table`.
    """
    table = final_table(history, reading, dict(columns.values()))
    return table.select(pl.col(theirs).alias(ours) for ours, (theirs, _) in columns.items())


def _checked(table: pl.DataFrame, reading: str, columns: Mapping[str, Any]) -> pl.DataFrame:
    """The table, if no value is missing and whole numbers are whole."""
    for name, kind in columns.items():
        if missing := table[name].null_count():
            raise CannotSay(f"{missing} of {table.height} rows of {reading!r} have no {name!r}")
        if kind == pl.Int64:
            table = table.with_columns(whole(table[name], reading))
    return table


def whole(numbers: pl.Series, reading: str) -> pl.Series:
    """Numbers as integers.

    Raises:
        CannotSay: One is none, or is too large to have come through JSON unharmed.
    """
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
