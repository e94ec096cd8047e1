"""The recording that judging is measured with is innocent, and judging it does not make Python objects of it."""

import tracemalloc
from pathlib import Path

from harness.checks.judging import judge
from harness.recording.history import History
from harness.recording.records import Verdict
from scenarios.large_run import Shape, write_large_run

FEW, MANY = Shape(orders=900, refused=100), Shape(orders=900, refused=10_100)
# An operation as a Python object takes a thousand bytes and more, as columns none that Python knows of.
BYTES_MAX = 100


def peak_bytes(run_dir: Path) -> int:
    """Of Python's own memory, while a run is judged; what columns take is not counted."""
    tracemalloc.start()
    try:
        findings = judge(History.load(run_dir))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert {finding.verdict for finding in findings} == {Verdict.PASS}
    return peak


def test_no_check_makes_an_object_of_each_operation(tmp_path: Path) -> None:
    write_large_run(tmp_path / "few", FEW)
    write_large_run(tmp_path / "many", MANY)
    text = [(tmp_path / name / "operations.jsonl").stat().st_size for name in ("few", "many")]
    more = peak_bytes(tmp_path / "many") - peak_bytes(tmp_path / "few")
    # The text itself is held once while it is parsed, in pieces that are larger than these.
    assert more - (text[1] - text[0]) < BYTES_MAX * (MANY.operations - FEW.operations)
