"""The operations behind a verdict, each with the trail that it left in the target's own books.

A finding names keys. Whoever doubts it wants to see what the client asked and was told, and what the target's tables
say of that key: two charges beside one order say more than any sentence.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from json import dumps
from operator import itemgetter
from typing import Any

import msgspec
import polars as pl

from harness.recording.history import History
from harness.recording.records import NOT_SENT, Finding, Outcome, Verdict
from harness.recording.rundir import UNREADABLE
from reports.answers import was_answered, was_sent
from reports.axis import Axis
from reports.text import counted, figure, listed, plain

NAMED_MAX, BAD_MAX, SLOW_MAX = 60, 40, 5
TRAILS_MAX = 12
ROWS_MAX = 20
_TABLE_BYTES_MAX = 128_000_000  # of one final reading; a larger one is not searched, and that is told
_ROW_CHARS_MAX = 300


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row of the target's own that mentions an operation.

    Attributes:
        at: When it was written, in s on the page's axis, if it says so by a wall clock in ms; else "".
    """

    reading: str
    told: str
    at: str


@dataclass(frozen=True, kw_only=True)
class OperationShown:
    """One operation.

    Attributes:
        ended: Whether and when it was answered.
        why: Why it is shown.
        records: What final readings say of it.
    """

    anchor: str
    key: str
    name: str
    outcome: str
    due_s: str
    ended: str
    asked: str
    answer: str
    why: str
    records: tuple[Record, ...]


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Those of a run that are shown, and how they were chosen."""

    told: str
    shown: tuple[OperationShown, ...]
    anchors: dict[str, str]


def operations_shown(history: History, findings: Sequence[Finding], axis: Axis) -> Operations:
    """The operations that findings name, those that were not ok, and the slowest."""
    frame = history.operations
    worst_first = sorted(findings, key=lambda found: -found.verdict.badness)
    naming = {key: found for found in reversed(worst_first) for key in found.examples}
    named = frame.filter(pl.col("key").is_in(list(naming)))
    bad = frame.filter((pl.col("outcome") != Outcome.OK.value) & ~pl.col("key").is_in(list(naming)))
    fine = frame.filter((pl.col("outcome") == Outcome.OK.value) & ~pl.col("key").is_in(list(naming)))
    slow = fine.filter(was_answered()).top_k(SLOW_MAX, by=pl.col("done_ns") - pl.col("intended_ns"))
    chosen = [
        *((row, _named_by(naming[row["key"]])) for row in named.head(NAMED_MAX).iter_rows(named=True)),
        *((row, "not ok") for row in bad.head(BAD_MAX).iter_rows(named=True)),
        *((row, "among the slowest") for row in slow.iter_rows(named=True)),
    ]
    keys = list(dict.fromkeys(row["key"] for row, _ in chosen))[:TRAILS_MAX]
    records = _records(history, keys, axis)
    shown = tuple(_shown(row, why, axis, records.get(row["key"], ())) for row, why in chosen)
    return Operations(
        told=(
            f"{counted(frame.height, 'operation')} were due{_unsent(frame)}. Shown are {len(shown)}: "
            f"of {named.height:,} that a claim names {min(named.height, NAMED_MAX)}, of {bad.height:,} others that "
            f"were not ok {min(bad.height, BAD_MAX)}, and {slow.height} of the slowest.{_unsearched(history)}"
        ),
        shown=shown,
        anchors={
            row["key"]: operation.anchor
            for (row, _), operation in reversed(list(zip(chosen, shown, strict=True)))
        },
    )


def _unsearched(history: History) -> str:
    """A trail that ends here may go on in a table that nobody looked into."""
    finals = [line for probe in history.probes if (line := history.final_line(probe))]
    large = [plain(line.probe, 40) for line in finals if line.length > _TABLE_BYTES_MAX]
    return f" Too large to be searched for what they left behind: {listed(large)}." if large else ""


def _unsent(frame: pl.DataFrame) -> str:
    unsent = frame.filter(~was_sent()).height
    return f", of which the drill itself could not send {unsent:,}" if unsent else ""


def _named_by(finding: Finding) -> str:
    how = "proves" if finding.verdict is Verdict.FAIL else "is named by"
    return f"{how} {plain(finding.claim, 80)}"


def _shown(row: dict[str, Any], why: str, axis: Axis, records: Sequence[Record]) -> OperationShown:
    took = "" if row["done_ns"] is None else f"after {figure((row['done_ns'] - row['intended_ns']) / 1e6)} ms"
    answer = [
        f"status {row['status']}" if row["status"] else "no answer",
        row["error"],
        _fields(row["result"]),
    ]
    return OperationShown(
        anchor=f"operation-{row['id']}",
        key=plain(row["key"], 80),
        name=plain(row["name"], 80),
        outcome=row["outcome"],
        due_s=f"{axis.at_s(row['intended_ns']):.3f}",
        ended=_ended(row, took),
        asked=plain(_fields(row["detail"]), _ROW_CHARS_MAX),
        answer=plain("; ".join(part for part in answer if part), _ROW_CHARS_MAX),
        why=why,
        records=tuple(records),
    )


def _ended(row: dict[str, Any], took: str) -> str:
    """What became of a request: a client that gave up after a while was not answered then."""
    if row["status"] and took:
        return f"answered {took}"
    if row["error"].startswith(NOT_SENT):
        return "never sent"
    return f"given up {took}" if took else "never answered"


def _fields(text: str) -> str:
    """A JSON object as people read it; anything else as it is."""
    try:
        value = msgspec.json.decode(text)
    except (*UNREADABLE, ValueError):
        return text
    return _told(value) if isinstance(value, dict) else text


def _told(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {part if isinstance(part, str) else msgspec.json.encode(part).decode()}"
        for name, part in row.items()
        if part is not None
    )


def _records(history: History, keys: Sequence[str], axis: Axis) -> dict[str, tuple[Record, ...]]:
    """What the final readings say of some keys: what has a time in its order, then the rest by its table."""
    found: dict[str, list[tuple[float, Record]]] = {key: [] for key in keys}
    for probe in history.probes:
        line = history.final_line(probe)
        if line is None or line.length > _TABLE_BYTES_MAX:
            continue
        for key, row in _rows_about(history.reading_text(line), found):
            if len(found[key]) < ROWS_MAX:
                moments = {name: at_s for name, part in row.items() if (at_s := _moment(part, history, axis))}
                told = _told(
                    {name: part for name, part in row.items() if part != key and name not in moments}
                )
                at_s = min(moments.values(), default=float("inf"))
                record = Record(
                    reading=plain(probe, 80),
                    told=plain(told, _ROW_CHARS_MAX),
                    at=f"{at_s:.3f} s" if moments else "",
                )
                found[key].append((at_s, record))
    return {
        key: tuple(record for _, record in sorted(records, key=itemgetter(0)))
        for key, records in found.items()
    }


def _moment(part: object, history: History, axis: Axis) -> float | None:
    """When a row was written, if this part of it is a time of the wall clock in ms and lies within the run."""
    if not isinstance(part, int | float) or isinstance(part, bool) or not 1e12 < part < 1e13:
        return None
    at_s = axis.at_s(part * 1e6 + history.wall_offset_ns)
    return at_s if axis.holds(at_s) else None


def _rows_about(text: bytes, keys: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a table that have one of the keys as a value. Only those become objects: a table can be large."""
    spelled = {spelling for key in keys for spelling in (msgspec.json.encode(key), dumps(key).encode())}
    if not keys or not any(spelling in text for spelling in spelled):
        return
    about = re.compile(b"|".join(map(re.escape, sorted(spelled))))
    try:
        rows = msgspec.json.decode(text, type=list[msgspec.Raw])
    except UNREADABLE:
        return
    for raw in rows:
        if about.search(raw):
            row = msgspec.json.decode(raw)
            if isinstance(row, dict):
                for part in row.values():
                    if isinstance(part, str) and part in keys:
                        yield part, row
                        break
