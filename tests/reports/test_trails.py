"""The trail of an operation is found in the target's own tables, however large they are."""

import json
import tracemalloc
from pathlib import Path

import pytest

from harness.recording.history import History
from reports import trails
from reports.axis import axis_of
from reports.trails import Operations, operations_shown
from tests.histories import Drill

ROWS = 20_000


def shown(history: History) -> Operations:
    return operations_shown(history, (), axis_of(history))


def table(rows: int) -> list[dict[str, object]]:
    return [
        {"order_id": f"order-{n}", "status": "CONFIRMED", "deep": {"key": "order-3"}} for n in range(rows)
    ]


def test_only_the_rows_that_name_an_operation_become_objects(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("order-3", 30).operation(f"order-{ROWS - 1}", 31)
    history = drill.reading("orders", table(ROWS)).ended()
    text = len(json.dumps(table(ROWS), separators=(",", ":")))
    tracemalloc.start()
    found = shown(history)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [record.told for operation in found.shown for record in operation.records] == [
        'status CONFIRMED, deep {"key":"order-3"}'
    ] * 2
    # The text is held as it is read and as it is handed on; objects would take five times as much again.
    assert peak < 4 * text


def test_a_key_is_found_however_it_is_spelled_and_only_as_a_whole_value(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation('ö "1"', 30).operation("order-1", 31)
    rows = [
        {"id": 'ö "1"', "n": 1},
        {"id": "order-12", "n": 2},
        "order-1",
        ["order-1"],
        {"order-1": "x", "n": 3},
    ]
    found = {operation.key: operation.records for operation in shown(drill.reading("t", rows).ended()).shown}
    assert [record.told for record in found['ö "1"']] == ["n 1"]
    assert found["order-1"] == ()


def test_a_table_that_is_too_large_to_be_searched_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = Drill(tmp_path).operation("order-1", 30).reading("orders", table(5)).ended()
    assert "Too large" not in shown(history).told
    monkeypatch.setattr(trails, "_TABLE_BYTES_MAX", 100)
    assert shown(history).told.endswith("Too large to be searched for what they left behind: orders.")
    assert shown(history).shown[0].records == ()
