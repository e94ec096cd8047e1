"""Where a stack's servers keep their data: in memory where that is safe, else beside its other files.

On a shared machine a commit of a few bytes now and then waits half a second for the disk. Nothing that a drill
does needs a disk: it kills processes and never the operating system, so what was written stays written. In
memory nobody waits, and one thing less keeps a drill from proving something.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.machine import memory_gib
from harness.supervisor.state import DATA_VARIABLE, STATE_VARIABLE

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder that is made in it is new and ours
_SYSTEMD = Path("/run/systemd/system")
_MOUNTS = Path("/proc/mounts")
_ROOM_GIB = 1.0  # three times what a stack's data takes
_MEMORY_GIB = 4.0  # with it: the stack itself, the harness, and room for everybody else
_LAST_SYSTEM_USER = 999


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where data goes.

    Attributes:
        folder: Each stack makes a folder of its own in it; None for beside the stack's other files.
        because: Why there.
    """

    folder: Path | None
    because: str


def place() -> Place:
    """Where the data of a stack that is started now would go.

    Raises:
        ConfigError: What the variable names is no folder of this machine.
    """
    if named := os.environ.get(DATA_VARIABLE):
        folder = Path(named)
        if not folder.is_absolute() or not folder.is_dir():
            raise ConfigError(
                f"{DATA_VARIABLE} must be the absolute path of a folder that is there, got {named!r}. A stack's "
                "servers keep their data in it. Make it, or unset the variable."
            )
        return Place(folder=folder, because=f"{DATA_VARIABLE} says so")
    if os.environ.get(STATE_VARIABLE):
        return Place(folder=None, because=f"{STATE_VARIABLE} says where everything goes")
    if why_not := _why_not_in_memory():
        return Place(folder=None, because=why_not)
    return Place(folder=_SHARED_MEMORY, because="it is memory, where no commit waits for a disk")


def _why_not_in_memory() -> str:
    if sys.platform != "linux" or not _is_memory(_SHARED_MEMORY):
        return f"{_SHARED_MEMORY} is no memory here"
    if os.getuid() > _LAST_SYSTEM_USER and _SYSTEMD.exists():
        # logind's RemoveIPC, which is on by default.
        return f"systemd may clear {_SHARED_MEMORY} when uid {os.getuid()} logs out"
    free_gib = shutil.disk_usage(_SHARED_MEMORY).free / (1 << 30)
    if free_gib < _ROOM_GIB:
        return f"{_SHARED_MEMORY} has {free_gib:.1f} GiB free, {_ROOM_GIB:g} would be needed"
    available_gib, _ = memory_gib()
    if available_gib < _MEMORY_GIB:
        return f"{available_gib:.1f} GiB of memory are available, {_MEMORY_GIB:g} would be needed"
    return ""


def _is_memory(folder: Path) -> bool:
    try:
        mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return False
    return any(mount[1:3] == [str(folder), "tmpfs"] for mount in mounts) and os.access(
        folder, os.W_OK | os.X_OK
    )
