"""A lock among processes whose holder can be told by name.

The kernel takes a file lock from a process that ends, so it is never stale; but not from one that is stopped (Ctrl-Z, a
debugger). So whoever wants one looks again and again, up to a limit of his own, and can then say who is in the way: the
holder's process id is in the lock's file.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from harness.stack import State
from harness.supervisor import processes


@dataclass(frozen=True)
class Holder:
    """Who has a lock.

    Attributes:
        pid: The process, or None if nobody knows: it let go just now, or is none of ours.
        stopped: Whether it stands still, and will not let go by itself.
    """

    pid: int | None
    stopped: bool = False

    def __str__(self) -> str:
        if self.pid is None:
            return "another process"
        return f"process {self.pid}{', which is stopped' if self.stopped else ''}"


def opened(path: Path) -> FileIO:
    """The lock's file. Whoever has taken the lock has it until the file is closed."""
    # Not through a buffer: what a full disk did not take would be tried again at closing, and raise there.
    return path.open("ab+", buffering=0)


def taken(file: FileIO) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def named(file: FileIO) -> Iterator[None]:
    """Have the lock's file say whose it is for the length of the block."""
    file.truncate(0)  # whoever was killed with it has left his
    with suppress(OSError):  # a full disk: then nobody is named
        file.write(str(os.getpid()).encode())
    try:
        yield
    finally:
        file.truncate(0)


def holder(file: FileIO) -> Holder:
    """Who has the lock at the moment."""
    file.seek(0)
    name = file.read().decode(errors="replace")
    doing = processes.state_at(int(name)) if name.isdecimal() else State.EXITED
    return Holder(None) if doing is State.EXITED else Holder(int(name), stopped=doing is State.PAUSED)
