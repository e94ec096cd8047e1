"""What a run is worth beyond what its findings say of themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.recording.clock_jumps import jumps, longest_s
from harness.recording.history import History
from harness.recording.records import Stream, Verdict
from harness.recording.rundir import read_run, write_run
from harness.recording.wholeness import doubts
from tests.fake_stack import finding
from tests.histories import Drill

BOTH = ({"fields": {"id": "one"}}, {"fields": {"id": "two"}})


def recorded(run_dir: Path, **changes: Any) -> History:
    Drill(run_dir).ended()
    write_run(run_dir, replace(read_run(run_dir), **changes))
    return History.load(run_dir)


def test_a_run_that_is_whole_and_was_judged_by_every_claim_is_not_doubted(tmp_path: Path) -> None:
    history = recorded(tmp_path, claims=BOTH)
    assert doubts(history, [finding(Verdict.PASS, claim=name) for name in ("one", "two")]) == []


def test_what_was_not_judged_or_only_in_part_is_doubted(tmp_path: Path) -> None:
    history = recorded(tmp_path, claims=(*BOTH, {"broken": True}))
    assert doubts(history, []) == ["The run has not been judged. `drill judge` does that."]
    other = [finding(Verdict.PASS, claim=name) for name in ("one", "another", "claim-3")]
    missing, strange = doubts(history, other)
    assert "1 of 3 claims, by id: what has no finding is two" in missing
    assert "is no claim of this run is another" in strange


@pytest.mark.parametrize(
    ("ended", "told"), [("", "cut off"), ("interrupted", "interrupted"), ("aborted: x", "x")]
)
def test_a_run_that_did_not_come_to_its_end_is_doubted(tmp_path: Path, ended: str, told: str) -> None:
    history = recorded(tmp_path, ended=ended)
    doubt = doubts(history, [finding(Verdict.PASS)])[-1]
    assert doubt.startswith("The run did not come to its planned end: ")
    assert told in doubt


def test_a_stream_that_is_gone_is_doubted(tmp_path: Path) -> None:
    recorded(tmp_path)
    (tmp_path / "phases.jsonl").unlink()
    assert doubts(History.load(tmp_path), [finding(Verdict.PASS)]) == ["phases: the file is missing"]


def test_a_moment_long_after_the_plan_is_a_clock_that_jumped_and_an_overrun_is_none() -> None:
    planned = {"load_s": 60, "converge_s": 20}
    latest_ns = {Stream.OPERATIONS: round(460e9), Stream.PHASES: round(461e9), Stream.FAULTS: None}
    assert longest_s(planned) == 460
    assert list(jumps(planned, 0, latest_ns)) == [Stream.PHASES]
    assert jumps({}, 0, latest_ns) == {}, "without a plan nobody can tell"
    assert longest_s({"load_s": "long", "converge_s": -1}) is None
