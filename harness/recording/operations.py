"""The operations of a run as columns: one row an operation, however many there were.

A million operations as Python objects take over a gigabyte and a second for every checker that walks
them. As columns they take a fraction of that, and a checker is a join. The file is read in pieces, so that
the text of the whole recording is never in memory at once.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import polars as pl

from harness.clock import NS_PER_S
from harness.recording.records import Outcome
from harness.recording.rundir import UNREADABLE, Extent

# A piece is held once for each reader, and several times over while it is parsed.
PIECE_BYTES = 1 << 24
READERS = 2
# Lines of several threads may be noted in a slightly different order than they were stamped.
BACKWARDS_NS_MAX = NS_PER_S

OUTCOME = pl.Enum([outcome.value for outcome in Outcome])
_LINE = {
    "e": pl.String,
    "id": pl.Int64,
    "name": pl.String,
    "key": pl.String,
    "intended_ns": pl.Int64,
    "sent_ns": pl.Int64,
    "done_ns": pl.Int64,
    "outcome": pl.String,
    "status": pl.Int64,
    "error": pl.String,
    "detail": pl.String,  # a nested object comes out as its JSON text
    "result": pl.String,
}
_INTENT = ("id", "name", "key", "intended_ns", "sent_ns", "detail")
_DONE = ("id", "done_ns", "outcome", "status", "error", "result")

_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Line(msgspec.Struct):
    """What the fields of a line may hold, for telling the good lines of a damaged piece from the bad."""

    e: str
    id: _Whole
    name: str = ""
    key: str = ""
    intended_ns: _Whole | None = None
    sent_ns: _Whole | None = None
    done_ns: _Whole | None = None
    outcome: str = ""
    status: _Whole | None = None
    error: str = ""
    detail: dict[str, object] = {}
    result: dict[str, object] = {}


def load_operations(path: Path, found: Extent | None) -> tuple[pl.DataFrame, list[str]]:
    """Merge the intents and outcomes of an `operations` stream.

    Args:
        path: The stream's file.
        found: How much of it are whole lines, None without a file.

    Returns:
        A frame in the order of the intents and what was wrong with the file. Columns: `id`, `name`, `key`,
        `intended_ns`, `sent_ns`, `done_ns` (null without an answer), `outcome` ("unknown" without an
        answer), `status`, `error`, and `detail` and `result` as JSON text.
    """
    found = found or Extent(lines=0, whole_bytes=0, torn_bytes=0)
    intents, dones = [_intents(pl.DataFrame(schema=_LINE))], [_dones(pl.DataFrame(schema=_LINE))]
    with ThreadPoolExecutor(READERS) as readers:  # one reads from disk while the other's piece is parsed
        for intent, done in readers.map(partial(_read, path), _pieces(path, found.whole_bytes)):
            intents.append(intent)
            dones.append(done)
    intent, done = pl.concat(intents), pl.concat(dones)
    damage = []
    # Counted and not told by the parser, which passes over empty lines.
    if broken := found.lines - intent.height - done.height:
        damage.append(f"{broken} lines could not be read and were left out")
    intent, twice_sent = _first_of_each_id(intent)
    done, twice_done = _first_of_each_id(done)
    if twice_sent or twice_done:
        damage.append(f"{twice_sent + twice_done} lines repeat the id of an earlier one and were left out")
    operations = _merged(intent, done)
    # Of an outcome the moment is always known, so it is there as often as an outcome found its intent.
    orphans = done.height - operations["done_ns"].count()
    if orphans:
        damage.append(f"{orphans} outcomes belong to no operation")
    return operations, damage + _clock_damage(operations)


def _merged(intent: pl.DataFrame, done: pl.DataFrame) -> pl.DataFrame:
    """Each intent with its outcome, in the order of the intents.

    What is sorted is joined in a twentieth of the time, and ids nearly are. No id may occur twice on a side.
    """
    merged = intent.with_row_index("place").sort("id").join(done.sort("id"), on="id", how="left")
    return (
        merged.sort("place")
        .drop("place")
        .with_columns(
            pl.col("outcome").fill_null(Outcome.UNKNOWN.value),
            pl.col("status").fill_null(0),
            pl.col("error").fill_null(""),
            pl.col("result").fill_null("{}"),
        )
    )


def _pieces(path: Path, whole_bytes: int) -> Iterator[tuple[int, int]]:
    """Where each piece of whole lines begins and ends in the file."""
    if not whole_bytes:  # then there may be no file at all
        return
    with path.open("rb") as file:
        begin = 0
        while begin < whole_bytes:
            file.seek(begin + PIECE_BYTES)
            file.readline()
            end = min(file.tell(), whole_bytes)
            yield begin, end
            begin = end


def _read(path: Path, piece: tuple[int, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The intents and the outcomes of a piece."""
    begin, end = piece
    with path.open("rb") as file:
        file.seek(begin)
        text = file.read(end - begin)
    lines = _parse(text)
    return _intents(lines), _dones(lines)


def _parse(piece: bytes) -> pl.DataFrame:
    """The lines of a piece that can be read, as columns."""
    try:
        return pl.read_ndjson(piece, schema=_LINE)
    except pl.exceptions.PolarsError:
        pass  # One bad line refuses the whole piece: look at each, which is slow and rare.
    decoder = msgspec.json.Decoder(_Line)
    good: list[bytes] = []
    for line in piece.splitlines(keepends=True):
        try:
            decoder.decode(line)
            line.decode()
        except UNREADABLE:
            continue
        good.append(line)
    try:
        return pl.read_ndjson(b"".join(good), schema=_LINE)
    except pl.exceptions.PolarsError:
        return pl.DataFrame(schema=_LINE)


def _intents(lines: pl.DataFrame) -> pl.DataFrame:
    needed = ("name", "key", "intended_ns", "sent_ns")
    return (
        lines.filter(pl.col("e") == "intent")
        .select(_INTENT)
        .drop_nulls(["id", *needed])
        .with_columns(pl.col("name").cast(pl.Categorical), pl.col("detail").fill_null("{}"))
    )


def _dones(lines: pl.DataFrame) -> pl.DataFrame:
    return (
        lines.filter(pl.col("e") == "done")
        .select(_DONE)
        .with_columns(pl.col("outcome").cast(OUTCOME, strict=False), pl.col("error").cast(pl.Categorical))
        .drop_nulls(["id", "done_ns", "outcome"])
    )


def _first_of_each_id(lines: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    repeated = lines.height - lines["id"].n_unique()
    return (lines.unique("id", keep="first", maintain_order=True) if repeated else lines), repeated


def _clock_damage(operations: pl.DataFrame) -> list[str]:
    if operations.is_empty():
        return []
    answered_early = operations.filter(pl.col("done_ns") < pl.col("sent_ns")).height
    backwards = operations.filter(pl.col("sent_ns").cum_max() - pl.col("sent_ns") > BACKWARDS_NS_MAX).height
    damage = []
    if answered_early:
        damage.append(f"{answered_early} operations ended before they were sent: the clock jumped")
    if backwards:
        damage.append(f"{backwards} operations were sent over 1 s before an earlier one: the clock jumped")
    return damage
