"""`session.json`: whole or not there, and no verdict for a session that it does not speak for."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RecordingError
from harness.recording.records import Verdict
from harness.recording.session_standing import session_standing, told_together
from harness.recording.sessions import (
    SESSION_FILE,
    JudgedRun,
    SessionInfo,
    Told,
    read_session,
    write_session,
)
from tests.tidy.sources import ROOT

ONE = JudgedRun(run="one", scenario="one", verdict=Verdict.PASS, superseded=False)
PASSED = SessionInfo(selected=("one",), replay="drill run one", exit_code=0, runs=("one",), judged=(ONE,))


def verdict(folder: Path, *runs: str) -> tuple[Verdict, str]:
    """What a session counts for whose runs are these, and what is wrong with it."""
    standing = session_standing(folder, [folder / run for run in runs])
    return standing.verdict, " ".join(standing.doubts)


def test_a_session_comes_back_as_it_was_written_and_passed_as_it_says(tmp_path: Path) -> None:
    write_session(tmp_path / "new", PASSED)
    assert replace(read_session(tmp_path / "new"), digest="") == PASSED
    assert verdict(tmp_path / "new", "one") == (Verdict.PASS, "")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1, Verdict.FAIL), (2, Verdict.INCONCLUSIVE), (3, Verdict.INCONCLUSIVE), (130, Verdict.INCONCLUSIVE)],
)
def test_a_session_counts_for_what_drill_ended_with(tmp_path: Path, code: int, expected: Verdict) -> None:
    write_session(tmp_path, replace(PASSED, exit_code=code))
    assert verdict(tmp_path, "one")[0] is expected


def test_a_session_that_was_begun_and_no_more_has_no_verdict(tmp_path: Path) -> None:
    write_session(tmp_path, SessionInfo(selected=("one", "two")))
    found, told = verdict(tmp_path, "one")
    assert found is Verdict.INCONCLUSIVE
    assert "was begun and nobody said what it came to" in told
    assert "It was to hold one, two." in told


GREEN_BY_HAND: dict[str, Callable[[Any], object]] = {
    "another exit code": lambda document: document.update(exit_code=0),
    "an error less": lambda document: document.update(errors=[]),
    "a scenario less": lambda document: document.update(selected=["one"]),
    "a digest less": lambda document: document.pop("digest"),
    "all of it": lambda document: document.update(exit_code=0, errors=[], not_held=[], selected=["one"]),
}


@pytest.mark.parametrize("edit", GREEN_BY_HAND.values(), ids=GREEN_BY_HAND.keys())
def test_what_was_changed_by_hand_is_not_believed(tmp_path: Path, edit: Callable[[Any], object]) -> None:
    red = replace(
        PASSED,
        exit_code=3,
        selected=("one", "two"),
        not_held=("two",),
        errors=(Told(scenario="two", told="no stack"),),
    )
    write_session(tmp_path, red)
    document = json.loads((tmp_path / SESSION_FILE).read_text())
    edit(document)
    (tmp_path / SESSION_FILE).write_text(json.dumps(document))
    found, told = verdict(tmp_path, "one")
    assert found is Verdict.INCONCLUSIVE
    assert "was changed after it had been written" in told


def test_another_way_to_lay_out_the_same_words_is_no_change(tmp_path: Path) -> None:
    write_session(tmp_path, PASSED)
    document = json.loads((tmp_path / SESSION_FILE).read_text())
    (tmp_path / SESSION_FILE).write_text(json.dumps(document))
    assert verdict(tmp_path, "one") == (Verdict.PASS, "")


@pytest.mark.parametrize(
    "against",
    [
        {"errors": (Told(scenario="", told="it broke"),)},
        {"not_held": ("two",)},
        {"selected": ("one", "two")},
        {"judged": ()},
        {"judged": (replace(ONE, verdict=Verdict.FAIL),)},
        {"judged": (replace(ONE, superseded=True),)},
    ],
    ids=str,
)
def test_a_pass_that_its_own_words_speak_against_is_none(tmp_path: Path, against: dict[str, Any]) -> None:
    write_session(tmp_path, replace(PASSED, **against))
    found, told = verdict(tmp_path, "one")
    assert found is Verdict.INCONCLUSIVE
    assert "it says that it ended with 0, and" in told


def test_a_scenario_that_was_skipped_with_a_reason_takes_nothing_from_a_pass(tmp_path: Path) -> None:
    skipped = (Told(scenario="two", told="one broker"),)
    write_session(tmp_path, replace(PASSED, selected=("one", "two"), skipped=skipped))
    assert verdict(tmp_path, "one") == (Verdict.PASS, "")


def test_a_run_that_is_gone_and_one_that_came_later_are_missed(tmp_path: Path) -> None:
    write_session(tmp_path, PASSED)
    found, told = verdict(tmp_path)
    assert (found, told) == (Verdict.INCONCLUSIVE, "these of its runs are gone: one.")
    found, told = verdict(tmp_path, "one", "two")
    assert found is Verdict.INCONCLUSIVE
    assert "put there after it had ended: two" in told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no session.json"),
        (b"", "is damaged"),
        (b'{"session_version": 1, "sel', "is damaged"),
        (b"[]", "is damaged"),
        (b"null", "is damaged"),
        (b"{}", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (bytes(range(256)), "is damaged"),
        (b'{"session_version": 0}', "has session_version '0', this drillbook reads 1"),
        (b'{"session_version": 2}', "has session_version '2', this drillbook reads 1"),
        (b'{"session_version": "1"}', "has session_version"),
        (b'{"session_version": 1, "exit_code": "0"}', "is damaged"),
        (b'{"session_version": 1, "replay": "\\ud800"}', "session.json"),
        (b'{"session_version": 1, "exit_code": 0}', "was changed after it had been written"),
    ],
)
def test_what_is_no_whole_session_file_of_ours_is_told_and_never_green(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / SESSION_FILE).write_bytes(content)
    with pytest.raises(RecordingError, match=r"session\.json"):
        read_session(tmp_path)
    found, said = verdict(tmp_path, "one")
    assert found is Verdict.INCONCLUSIVE
    assert told in said


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / SESSION_FILE)
    assert verdict(tmp_path, "one")[0] is Verdict.INCONCLUSIVE


def test_any_cut_leaves_no_verdict(tmp_path: Path) -> None:
    write_session(tmp_path, PASSED)
    whole = (tmp_path / SESSION_FILE).read_bytes()
    for end in range(len(whole.rstrip())):
        (tmp_path / SESSION_FILE).write_bytes(whole[:end])
        assert verdict(tmp_path, "one")[0] is Verdict.INCONCLUSIVE, end


def test_a_writer_that_is_killed_leaves_the_earlier_file_or_the_later_one(tmp_path: Path) -> None:
    """Killed in the moment before the new one takes the old one's place."""
    write_session(tmp_path, SessionInfo(selected=("one",)))
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from harness.recording.sessions import SessionInfo, write_session\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_session(Path(sys.argv[1]), SessionInfo(selected=('one',), exit_code=0))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert read_session(tmp_path).exit_code is None


def test_of_several_sessions_each_is_named_in_what_is_told_of_it(tmp_path: Path) -> None:
    for name in ("s1", "s2"):
        write_session(tmp_path / name, replace(PASSED, exit_code=3, errors=(Told(scenario="", told="no"),)))
    standings = [session_standing(tmp_path / name, [tmp_path / name / "one"]) for name in ("s1", "s2")]
    assert told_together(standings[:1]) == ({}, {"": "no"})
    assert told_together(standings) == ({}, {"s1": "no", "s2": "no"})
