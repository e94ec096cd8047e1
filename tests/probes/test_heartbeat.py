import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from harness.clock import wait_until
from harness.errors import ConfigError, ProbeError
from harness.probes.heartbeat import DiskHeartbeat, Heartbeat
from harness.recording.records import Stall


def lines_of(heart: Heartbeat) -> list[Stall]:
    return [msgspec.json.decode(line, type=Stall) for line in heart.file.read_bytes().splitlines()]


def child_of(heart: Heartbeat) -> psutil.Process:
    assert heart._process is not None
    return psutil.Process(heart._process.pid)


def test_it_proves_that_somebody_was_looking(tmp_path: Path) -> None:
    before_ns = time.monotonic_ns()
    with Heartbeat(tmp_path, every_ms=5, late_from_ms=1000) as heart:
        first = lines_of(heart)[0]
    assert first.late_ms == 0
    assert first.every_ms == 5
    assert before_ns <= first.at_ns <= time.monotonic_ns()


def test_it_tells_what_the_wall_clock_said(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, every_ms=5, late_from_ms=1000) as heart:
        first = lines_of(heart)[0]
    offset_ns = time.time_ns() - time.monotonic_ns()
    assert abs(first.wall_ns - first.at_ns - offset_ns) < 100e6


def test_a_machine_that_stands_still_is_one_line_as_late_as_it_was(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, every_ms=5, late_from_ms=150) as heart:
        child = child_of(heart)
        child.suspend()
        stopped_ns = time.monotonic_ns()
        wait_until(lambda: time.monotonic_ns() - stopped_ns > 200e6, within_s=5, what="200 ms to pass")
        child.resume()
        wait_until(lambda: any(line.late_ms for line in lines_of(heart)), within_s=5, what="the stall's line")
    late = [line for line in lines_of(heart) if line.late_ms]
    assert len(late) == 1
    assert 190 <= late[0].late_ms < 5000
    assert late[0].at_ns > stopped_ns


def test_it_ends_with_the_harness_even_when_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal\n"
        "from harness.probes.heartbeat import Heartbeat\n"
        f"heart = Heartbeat(pathlib.Path({str(tmp_path)!r}))\n"
        "heart.start()\n"
        "print(heart._process.pid, flush=True)\n"
        "signal.pause()\n"
    )
    root = Path(__file__).parents[2]
    harness = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root)
    assert harness.stdout is not None
    beating = psutil.Process(int(harness.stdout.readline()))
    assert beating.is_running()
    harness.kill()
    harness.communicate()
    wait_until(
        lambda: not beating.is_running() or beating.status() == psutil.STATUS_ZOMBIE,
        within_s=5,
        what="the heartbeat to end",
    )


def test_ctrl_c_does_not_end_it_before_the_harness_has_finished(tmp_path: Path) -> None:
    with Heartbeat(tmp_path) as heart:
        assert os.getpgid(child_of(heart).pid) != os.getpgid(0)


def test_one_that_ended_by_itself_is_told_when_it_is_stopped(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path)
    heart.start()
    child_of(heart).send_signal(signal.SIGKILL)
    child = child_of(heart)
    wait_until(lambda: child.status() == psutil.STATUS_ZOMBIE, within_s=5, what="it to be gone")
    with pytest.raises(ProbeError, match="had ended with -9 before it was stopped"):
        heart.stop()
    heart.stop()


def test_one_that_cannot_write_says_why(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="No such file or directory"):
        Heartbeat(tmp_path / "nowhere").start()


def test_a_line_is_never_cut_off(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, every_ms=1, late_from_ms=0.001) as heart:
        wait_until(lambda: heart.file.stat().st_size > 5000, within_s=10, what="many lines")
    assert all(json.loads(line)["every_ms"] == 1.0 for line in heart.file.read_text().splitlines())


def test_a_disk_is_watched_by_putting_something_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with DiskHeartbeat(tmp_path, disk, every_ms=1, late_from_ms=0.001) as heart:
        wait_until(lambda: heart.file.stat().st_size > 500, within_s=10, what="some commits")
    beats = lines_of(heart)
    assert heart.file.name == "disk.jsonl"
    assert all(beat.late_ms > 0 and beat.every_ms == 1 for beat in beats)
    assert list(disk.iterdir()) == []


def test_a_disk_that_serves_everybody_is_proven_to_have_been_watched(tmp_path: Path) -> None:
    with DiskHeartbeat(tmp_path, tmp_path, every_ms=1, late_from_ms=60_000) as heart:
        assert [beat.late_ms for beat in lines_of(heart)] == [0]


def test_a_disk_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="heartbeat of disk ended at once"):
        DiskHeartbeat(tmp_path, tmp_path / "nowhere").start()


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Heartbeat(tmp_path, every_ms=0)
