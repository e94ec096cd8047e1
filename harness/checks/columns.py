"""The final reading of a table as columns, parsed once however many claims ask for them.

Parsing takes longer than any check, and the parser holds many times the size of what it is given. So a table is given
to it in pieces, and with what is asked for the rest of a row is parsed along: another claim is going to ask for it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import polars as pl

from harness.checks import CannotSay
from harness.recording.history import History
from harness.recording.readings import ReadingLine
from harness.recording.rundir import UNREADABLE

PIECE_ROWS = 5_000
READERS = 2
# A table may come from anywhere. Of one with thousands of columns only those are parsed that somebody asks for.
ALONG_MAX = 20

# By reading, name and type of the column.
_PARSED: WeakKeyDictionary[History, dict[tuple[str, str, str], pl.Series]] = WeakKeyDictionary()


def parsed(history: History, line: ReadingLine, wanted: Mapping[str, Any]) -> pl.DataFrame:
    """The wanted columns of a table. What a row does not have, or has of another type, is a null in them.

    Args:
        history: The run.
        line: The reading of the table; its value is a list of objects.
        wanted: Polars types by column.

    Raises:
        CannotSay: It is not such a table.
    """
    known = _PARSED.setdefault(history, {})
    keys = {name: (line.probe, name, str(kind)) for name, kind in wanted.items()}
    if not known.keys() >= set(keys.values()):
        table = _read(history, line, wanted)
        known.update({(line.probe, name, str(kind)): table[name] for name, kind in table.schema.items()})
    return pl.DataFrame([known[key] for key in keys.values()])


def _read(history: History, line: ReadingLine, wanted: Mapping[str, Any]) -> pl.DataFrame:
    """The wanted columns and others."""
    rows = history.reading_rows(line)
    if rows is None:
        text = history.reading_text(line)
        raise CannotSay(f"the final reading of {line.probe!r} is no list of rows: {text[:40]!r}")
    for schema in ({**_along(rows), **wanted}, wanted):  # what nobody asked for may be what cannot be parsed
        try:
            return _in_pieces(rows, schema)
        except pl.exceptions.PolarsError:
            continue
    try:  # in one piece: of all that is wrong with a table its first mistake is to be told
        return pl.read_json(history.reading_text(line), schema=wanted)
    except pl.exceptions.PolarsError as error:
        raise CannotSay(
            f"the final reading of {line.probe!r} is no list of rows with {', '.join(wanted)}: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _along(rows: Sequence[msgspec.Raw]) -> dict[str, Any]:
    """The words and numbers of a table, by its first row."""
    try:
        first = msgspec.json.decode(rows[0]) if rows else None
    except UNREADABLE:
        first = None
    kinds = {str: pl.String, int: pl.Float64, float: pl.Float64}
    items = list(first.items())[:ALONG_MAX] if isinstance(first, dict) else []
    return {name: kinds[type(value)] for name, value in items if type(value) in kinds}


def _in_pieces(rows: Sequence[msgspec.Raw], schema: Mapping[str, Any]) -> pl.DataFrame:
    with ThreadPoolExecutor(READERS) as readers:
        pieces = list(readers.map(partial(_piece, rows, schema), range(0, len(rows), PIECE_ROWS)))
    return pl.concat([pl.DataFrame(schema=schema), *pieces], rechunk=True)


def _piece(rows: Sequence[msgspec.Raw], schema: Mapping[str, Any], begin: int) -> pl.DataFrame:
    return pl.read_json(b"[" + b",".join(rows[begin : begin + PIECE_ROWS]) + b"]", schema=schema)
