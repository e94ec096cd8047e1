"""System V segments that a SIGKILLed PostgreSQL leaves behind until the machine restarts.

The kernel remembers which process made a segment, when, and whose it is; one whose maker was ours and which nobody has
attached is removed. The number alone would not do: numbers come again. Only Linux lists its segments in a file;
elsewhere PostgreSQL's own clean-up at its next start is all.
"""

import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path

_IPC_RMID = 0
_TABLE = Path("/proc/sysvipc/shm")


def remove_segments_of(makers: Mapping[int, int], *, since_s: float) -> list[int]:
    """Remove unattached segments that our processes have made; return the segments' ids.

    Args:
        makers: Process id to the user id it was started with.
        since_s: The wall clock (seconds since 1970) when the first of them was started.
    """
    if sys.platform != "linux" or not _TABLE.exists():
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    header, *rows = _TABLE.read_text().splitlines()
    columns = header.split()
    removed = []
    for row in rows:
        segment = dict(zip(columns, map(int, row.split()), strict=False))
        ours = makers.get(segment["cpid"]) == segment["uid"] and segment["ctime"] >= int(since_s)
        if ours and segment["nattch"] == 0:
            libc.shmctl(segment["shmid"], _IPC_RMID, None)
            removed.append(segment["shmid"])
    return removed
