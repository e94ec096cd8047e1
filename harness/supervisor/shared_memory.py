"""System V segments that a SIGKILLed PostgreSQL leaves behind until the machine restarts.

The kernel remembers which process made a segment; one whose maker was ours and which nobody has attached
is removed. Only Linux lists its segments in a file; elsewhere PostgreSQL's own clean-up at its next start is all.
"""

import ctypes
import sys
from collections.abc import Collection
from pathlib import Path

_IPC_RMID = 0
_TABLE = Path("/proc/sysvipc/shm")


def remove_segments_of(makers: Collection[int]) -> list[int]:
    """Remove unattached segments made by one of these process ids; return the segments' ids."""
    if sys.platform != "linux" or not _TABLE.exists():
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    header, *rows = _TABLE.read_text().splitlines()
    columns = header.split()
    removed = []
    for row in rows:
        segment = dict(zip(columns, row.split(), strict=False))
        if int(segment["cpid"]) in makers and int(segment["nattch"]) == 0:
            libc.shmctl(int(segment["shmid"]), _IPC_RMID, None)
            removed.append(int(segment["shmid"]))
    return removed
