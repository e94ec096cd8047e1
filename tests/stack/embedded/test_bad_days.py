"""Days on which something breaks that no drill meant to: a clear message, the documented exit code, nothing left."""

import os
import pty
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ExitCode
from harness.recording.history import History
from harness.recording.records import Stream
from tests.stack.embedded.drilling import Drilling, drilling, short_folder
from tests.stack.embedded.small_disk import small_disk

pytestmark = pytest.mark.stack


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder("drillbad-") as made:
        yield made


def ends(drill: Drilling, code: ExitCode, *sentences: str) -> None:
    """It ended as documented, said why, showed nobody a stack trace and left nothing."""
    assert drill.end() == code, drill.text
    for sentence in sentences:
        assert re.search(sentence, drill.text), drill.text
    assert "Traceback" not in drill.text
    assert drill.left() == []


def test_no_room_for_the_stack_is_told_with_the_disk_and_the_variable(folder: Path) -> None:
    with (
        small_disk(folder / "state", kilobytes=8) as disk,
        drilling(folder, "first", wrapped_in=disk.wrapper) as drill,
    ):
        ends(drill, ExitCode.NO_STACK, r"the disk of .*/state.* is too full: 0 of 0 MB.*DRILLBOOK_STATE")
        assert disk.left() == []
        assert [path.name for path in (disk.seen / "drillbook").iterdir() if path.is_dir()] == []


def test_a_disk_that_fills_up_under_the_recording_is_never_a_pass(folder: Path) -> None:
    with (
        small_disk(folder / "runs", kilobytes=4096) as disk,
        drilling(folder, "first", wrapped_in=disk.wrapper) as drill,
    ):
        drill.await_line("fault begins")
        disk.fill()
        ends(drill, ExitCode.INCONCLUSIVE, r"No space left.*the disk of .*/runs.* is too full.*--runs")
        assert "PASS" not in drill.text
        [run] = disk.seen.glob("*/first")
        history = History.load(run)
        assert not history.completed
        assert history.operations.height > 50


def test_a_disk_that_fills_up_under_the_stack_ends_the_drill_and_is_swept_clean(folder: Path) -> None:
    with (
        small_disk(folder / "state", kilobytes=4096) as disk,
        drilling(folder, "first", wrapped_in=disk.wrapper) as drill,
    ):
        drill.await_line("steady begins")
        disk.fill()
        ends(drill, ExitCode.INCONCLUSIVE, r"could not promise: the disk of .*/state.* is too full")
        assert disk.left() == []
        assert [path.name for path in (disk.seen / "drillbook").iterdir() if path.is_dir()] == []


def test_a_toxiproxy_that_stands_still_between_two_drills_is_woken(folder: Path) -> None:
    with drilling(folder) as drill:
        drill.await_line("converge begins")
        drill.process("toxiproxy").suspend()
        ends(drill, ExitCode.PASS, "PASS +second")


def test_a_server_that_dies_by_itself_makes_the_drill_inconclusive(folder: Path) -> None:
    with drilling(folder, "first") as drill:
        drill.await_line("heal begins")
        drill.process("toxiproxy").kill()
        ends(drill, ExitCode.INCONCLUSIVE, "toxiproxy ended by itself with exit code -9")
        assert drill.ended("first").startswith("aborted: toxiproxy ended by itself")


def test_a_killed_supervisor_takes_its_stack_along_and_its_harness_clears_up(folder: Path) -> None:
    with drilling(folder, "first") as drill:
        drill.await_line("fault begins")
        drill.supervisor().kill()
        ends(drill, ExitCode.NO_STACK, "the supervisor of .* is gone, and every process of the stack with it")
        assert drill.ended("first").startswith("aborted: ")


def test_an_impatient_ctrl_c_at_the_start_leaves_nothing(folder: Path) -> None:
    with drilling(folder, "first", target="running") as drill:
        drill.await_line("toxiproxy answers")
        drill.signal(signal.SIGINT)
        drill.signal(signal.SIGINT)
        ends(drill, ExitCode.INTERRUPTED, "interrupted.*nothing had been recorded yet")


def test_an_impatient_ctrl_c_with_a_fault_active_still_heals_and_keeps_the_recording(folder: Path) -> None:
    with drilling(folder, "first") as drill:
        drill.await_line("fault begins")
        drill.signal(signal.SIGINT)
        drill.signal(signal.SIGINT)
        ends(drill, ExitCode.INTERRUPTED, "interrupted. Every fault was healed.*recorded up to there")
        assert drill.ended("first") == "interrupted"


def test_a_closed_terminal_heals_and_ends_the_drill_though_nobody_can_be_told(folder: Path) -> None:
    ours, its_own = pty.openpty()
    with drilling(folder, "first", terminal=its_own, environment={"TERM": "dumb"}) as drill:
        os.close(its_own)
        drill.await_recorded("first", Stream.FAULTS, '"active"')
        os.close(ours)
        assert drill.end() == ExitCode.INTERRUPTED
        assert drill.left() == []
        assert drill.ended("first") == "interrupted"
