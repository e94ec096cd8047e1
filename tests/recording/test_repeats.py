"""Which runs stop counting: only those that were INCONCLUSIVE, and only for another try that said something."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.recording.records import Stream, Verdict
from harness.recording.repeats import superseded
from harness.recording.rundir import read_run, stream_path, write_findings, write_run
from tests.fake_stack import finding
from tests.histories import Drill


def held(run_dir: Path, verdict: Verdict | None, supersedes: str = "", **changes: Any) -> Path:
    """A run that was judged so, or not at all."""
    Drill(run_dir, phases={}).ended()
    write_run(run_dir, replace(read_run(run_dir), supersedes=supersedes, **changes))
    if verdict is not None:
        write_findings(run_dir, [finding(verdict)])
    return run_dir


@pytest.mark.parametrize("verdict", Verdict)
def test_a_run_that_said_nothing_gives_way_to_the_one_that_repeats_it(
    tmp_path: Path, verdict: Verdict
) -> None:
    first = held(tmp_path / "one", Verdict.INCONCLUSIVE)
    again = held(tmp_path / "one.again-1", verdict, "one")
    assert superseded([first, again]) == {first}
    assert superseded([first]) == superseded([again]) == set()


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL, None])
def test_what_said_something_or_may_have_done_is_never_tried_away(
    tmp_path: Path, verdict: Verdict | None
) -> None:
    first = held(tmp_path / "one", verdict)
    again = held(tmp_path / "one.again-1", Verdict.PASS, "one")
    assert superseded([first, again]) == set()


def test_a_second_try_that_came_to_no_verdict_takes_nothing_away(tmp_path: Path) -> None:
    first = held(tmp_path / "one", Verdict.INCONCLUSIVE)
    again = held(tmp_path / "one.again-1", None, "one")
    assert superseded([first, again]) == set()
    stream_path(again, Stream.FINDINGS).write_text('{"claim": "torn')
    assert superseded([first, again]) == set()
    (again / "run.json").write_text("{")
    assert superseded([first, again]) == set()


@pytest.mark.parametrize(
    "other",
    [
        {"scenario": "another"},
        {"seed": 8},
        {"profile": "guide"},
        {"variants": ("forgets",)},
        {"target": "another"},
        {"run_id": "another"},
        {"claims": ({"fields": {"id": "easier"}},)},
    ],
    ids=str,
)
def test_another_drill_repeats_nothing(tmp_path: Path, other: dict[str, Any]) -> None:
    first = held(tmp_path / "one", Verdict.INCONCLUSIVE)
    again = held(tmp_path / "one.again-1", Verdict.PASS, "one", **other)
    assert superseded([first, again]) == set()


def test_of_a_circle_every_run_counts(tmp_path: Path) -> None:
    one = held(tmp_path / "one", Verdict.INCONCLUSIVE, "two")
    two = held(tmp_path / "two", Verdict.INCONCLUSIVE, "one")
    itself = held(tmp_path / "three", Verdict.INCONCLUSIVE, "three")
    assert superseded([one, two, itself]) == set()


def test_of_a_chain_the_last_counts(tmp_path: Path) -> None:
    runs = [
        held(tmp_path / "one", Verdict.INCONCLUSIVE),
        held(tmp_path / "two", Verdict.INCONCLUSIVE, "one"),
        held(tmp_path / "three", Verdict.PASS, "two"),
    ]
    assert superseded(runs) == set(runs[:2])


@pytest.mark.parametrize("name", ["../one", "./one", "", "/", "one/"])
def test_only_the_name_of_a_folder_beside_it_is_meant(tmp_path: Path, name: str) -> None:
    first = held(tmp_path / "s1" / "one", Verdict.INCONCLUSIVE)
    again = held(tmp_path / "s2" / "again", Verdict.PASS, name)
    beside = held(tmp_path / "s1" / "again", Verdict.PASS, name)
    assert superseded([first, again, beside]) == set()
