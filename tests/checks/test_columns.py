import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness.checks import CannotSay, columns
from harness.checks.columns import parsed
from harness.recording.history import History
from tests.histories import Drill

WORDS_AND_NUMBERS = {"key": pl.String, "cents": pl.Float64}


def history_of(folder: Path, table: Any) -> History:
    return Drill(folder / "run").tables({"table": table}).ended()


def read(history: History, wanted: dict[str, Any]) -> pl.DataFrame:
    line = history.final_line("table")
    assert line is not None
    return parsed(history, line, wanted)


def test_a_table_of_several_pieces_comes_out_whole_and_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "PIECE_ROWS", 2)
    rows = [{"key": f"o{number}", "cents": number} for number in range(5)]
    table = read(history_of(tmp_path, rows), WORDS_AND_NUMBERS)
    assert table.to_dicts() == rows


def test_a_table_is_read_once_for_all_of_its_words_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = history_of(tmp_path, [{"key": "o1", "cents": 5, "status": "OPEN", "items": [], "paid": True}])
    read(history, {"key": pl.String})
    monkeypatch.setattr(History, "reading_rows", None)
    assert read(history, {"status": pl.String, "cents": pl.Float64}).to_dicts() == [
        {"status": "OPEN", "cents": 5.0}
    ]


def test_what_nobody_asked_for_keeps_no_column_from_being_read(tmp_path: Path) -> None:
    history = history_of(tmp_path, [{"key": "o1", "note": "fine"}, {"key": "o2", "note": {"not": "fine"}}])
    assert read(history, {"key": pl.String})["key"].to_list() == ["o1", "o2"]
    with pytest.raises(CannotSay, match="is no list of rows with note: error deserializing"):
        read(history, {"note": pl.String})


@pytest.mark.parametrize("position", [0, 3])
def test_of_a_table_with_mistakes_in_several_pieces_the_same_is_told_as_in_one(
    position: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, Any]] = [{"key": f"o{number}", "word": "w"} for number in range(4)]
    rows[position]["key"], rows[3 - position]["word"] = {"a": 1}, {"b": 2}

    def told(folder: Path, piece_rows: int) -> str:
        monkeypatch.setattr(columns, "PIECE_ROWS", piece_rows)
        with pytest.raises(CannotSay) as caught:
            read(history_of(folder, rows), {"key": pl.String, "word": pl.String})
        return str(caught.value)

    assert told(tmp_path / "pieces", 1) == told(tmp_path / "one", 100)


@pytest.mark.parametrize("value", [{"key": "o1"}, "text", 5, None])
def test_what_is_no_list_is_told(value: Any, tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="is no list of rows: ") as caught:
        read(history_of(tmp_path, value), {"key": pl.String})
    assert json.dumps(value, separators=(",", ":")) in str(caught.value)


def test_a_table_without_rows_has_its_columns_all_the_same(tmp_path: Path) -> None:
    assert read(history_of(tmp_path, []), WORDS_AND_NUMBERS).schema == WORDS_AND_NUMBERS


def test_of_a_table_with_endless_columns_only_a_few_are_read_along(tmp_path: Path) -> None:
    history = history_of(tmp_path, [{f"c{number}": "x" for number in range(1_000)}, {}])
    assert read(history, {"c999": pl.String})["c999"].to_list() == ["x", None]
    kept = columns._PARSED[history]  # a column costs memory for each row, also where no row has it
    assert len(kept) == columns.ALONG_MAX + 1
