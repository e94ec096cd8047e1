"""Whose turn it is to change what all stacks of a user share: their folders, and the book of ports.

A turn is over in moments, unless whoever has it stands still (Ctrl-Z, a debugger): the kernel takes the lock from a
process that ends, not from one that is stopped. So nobody waits for a turn without a limit, and whoever has waited in
vain is told who is in the way. His process id is in the lock's own file.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from io import FileIO
from pathlib import Path

from harness.clock import Deadline, wait_until
from harness.errors import DeadlineError, StackError
from harness.stack import State
from harness.supervisor import processes

PATIENCE_S = 10.0  # a sweep may have several stacks to end
_LOOK_EVERY_S = 0.01


@contextmanager
def base_lock(base: Path, *, within_s: float = PATIENCE_S) -> Iterator[None]:
    """Have the turn for the length of the block: while a folder is made or swept, or ports are given out.

    Raises:
        StackError: Somebody else had it for `within_s`. The message says who.
    """
    with _opened(base) as file:
        try:
            wait_until(
                lambda: _had(file), within_s=within_s, what=f"the lock {file.name}", every_s=_LOOK_EVERY_S
            )
        except DeadlineError as error:
            raise _in_the_way(file, within_s) from error
        with _named(file):
            yield


@asynccontextmanager
async def awaited_base_lock(base: Path, *, within_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """The same for an event loop, which goes on with its other work meanwhile."""
    with _opened(base) as file:
        deadline = Deadline.after(within_s)
        while not _had(file):
            if deadline.passed:
                raise _in_the_way(file, within_s)
            await asyncio.sleep(_LOOK_EVERY_S)
        with _named(file):
            yield


def _opened(base: Path) -> FileIO:
    # Not through a buffer: what a full disk did not take would be tried again at closing, and raise there.
    return (base / "lock").open("ab+", buffering=0)


def _had(file: FileIO) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _named(file: FileIO) -> Iterator[None]:
    """Have the lock's file say whose it is for the length of the block."""
    file.truncate(0)  # whoever was killed with it has left his
    with suppress(OSError):  # a full disk: then nobody is named
        file.write(str(os.getpid()).encode())
    try:
        yield
    finally:
        file.truncate(0)


def _in_the_way(file: FileIO, waited_s: float) -> StackError:
    file.seek(0)
    name = file.read().decode(errors="replace")
    told = f"{file.name} is wanted for a moment, and somebody has had it for {waited_s:g} s"
    doing = processes.state_at(int(name)) if name.isdecimal() else State.EXITED
    if doing is State.EXITED:  # it let go just now, or it is none of ours
        return StackError(
            f"{told}. Until it is free no stack can be started, looked for or ended. `lsof {file.name}` tells who has "
            "it."
        )
    stopped = doing is State.PAUSED
    remedy = f"`kill -CONT {name}` lets it go on, " if stopped else ""
    return StackError(
        f"{told}: process {name}{', which is stopped' if stopped else ''}. Until it is free no stack can be started, "
        f"looked for or ended. {remedy}`kill -KILL {name}` frees it at once."
    )
