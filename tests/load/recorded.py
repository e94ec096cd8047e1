"""Operations as a history would see them."""

from pathlib import Path
from typing import Any

from harness.recording.operations import load_operations
from harness.recording.records import Stream
from harness.recording.rundir import extent, stream_path


def operations(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of a recording that is whole but for a torn last line."""
    path = stream_path(run_dir, Stream.OPERATIONS)
    found = extent(path)
    assert found is not None, "there is no recording"
    rows, damage = load_operations(path, found)
    assert damage == []
    return rows.sort("id").to_dicts()
