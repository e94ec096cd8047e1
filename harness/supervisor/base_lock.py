"""Whose turn it is to change what all stacks of a user share: their folders, and the book of ports.

A turn is over in moments, unless whoever has it stands still. So nobody waits for a turn without a limit, and whoever
has waited in vain is told who is in the way (`named_lock`).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path

from harness.clock import Deadline, wait_until
from harness.errors import DeadlineError, StackError
from harness.supervisor import named_lock

PATIENCE_S = 10.0  # a sweep may have several stacks to end
_LOOK_EVERY_S = 0.01
_LOCK = "lock"


@contextmanager
def base_lock(base: Path, *, within_s: float = PATIENCE_S) -> Iterator[None]:
    """Have the turn for the length of the block: while a folder is made or swept, or ports are given out.

    Raises:
        StackError: Somebody else had it for `within_s`. The message says who.
    """
    with named_lock.opened(base / _LOCK) as file:
        try:
            wait_until(
                lambda: named_lock.taken(file),
                within_s=within_s,
                what=f"the lock {file.name}",
                every_s=_LOOK_EVERY_S,
            )
        except DeadlineError as error:
            raise _in_the_way(file, within_s) from error
        with named_lock.named(file):
            yield


@asynccontextmanager
async def awaited_base_lock(base: Path, *, within_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """The same for an event loop, which goes on with its other work meanwhile."""
    with named_lock.opened(base / _LOCK) as file:
        deadline = Deadline.after(within_s)
        while not named_lock.taken(file):
            if deadline.passed:
                raise _in_the_way(file, within_s)
            await asyncio.sleep(_LOOK_EVERY_S)
        with named_lock.named(file):
            yield


def _in_the_way(file: FileIO, waited_s: float) -> StackError:
    holder = named_lock.holder(file)
    told = f"{file.name} is wanted for a moment, and somebody has had it for {waited_s:g} s"
    if holder.pid is None:
        return StackError(
            f"{told}. Until it is free no stack can be started, looked for or ended. `lsof {file.name}` tells who has "
            "it."
        )
    remedy = f"`kill -CONT {holder.pid}` lets it go on, " if holder.stopped else ""
    return StackError(
        f"{told}: {holder}. Until it is free no stack can be started, looked for or ended. {remedy}"
        f"`kill -KILL {holder.pid}` frees it at once."
    )
