"""Segments of ours are removed; those of a stranger whose process id came again are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.supervisor.shared_memory import remove_segments_of

pytestmark = pytest.mark.skipif(
    not Path("/proc/sysvipc/shm").exists(), reason="only Linux lists its segments in a file"
)
# Makes a segment that nobody has attached, and ends. 0o1600: IPC_CREAT, for its owner.
MAKER = "import ctypes; print(ctypes.CDLL(None).shmget(0, 4096, 0o1600))"


@pytest.fixture
def segment() -> tuple[int, int]:
    """Its id, and the process that made it."""
    with subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True) as maker:
        said, _ = maker.communicate()
    return int(said), maker.pid


def test_a_segment_is_removed_if_process_user_and_time_are_ours(segment: tuple[int, int]) -> None:
    number, maker = segment
    now_s = SYSTEM_CLOCK.wall_ns() / NS_PER_S
    me = os.geteuid()
    assert remove_segments_of({maker + 1: me}, since_s=now_s - 60) == []
    assert remove_segments_of({maker: me + 1}, since_s=now_s - 60) == [], "made by another user"
    assert remove_segments_of({maker: me}, since_s=now_s + 60) == [], "made before the run began"
    assert remove_segments_of({maker: me}, since_s=now_s - 60) == [number]
    assert remove_segments_of({maker: me}, since_s=now_s - 60) == []
