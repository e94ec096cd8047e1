"""Telling somebody at a terminal what they wait for: nothing at first, then one moving line, which goes away again.

A command that says nothing for longer than this looks as if it hung, and one that tells of every moment hides what
matters. In a log nobody waits, so nothing is written there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from harness.console import can_move

PATIENCE_S = 2.0


class Delayed(Protocol):
    """Something that happens later unless it is called off; `threading.Timer` is one."""

    def start(self) -> None:
        """Begin to wait."""
        ...

    def cancel(self) -> None:
        """Call it off, if it has not begun."""
        ...

    def join(self) -> None:
        """Wait until it has been done or called off."""
        ...


@contextmanager
def patiently(
    console: Console, doing: str, later: Callable[[float, Callable[[], None]], Delayed] = Timer
) -> Iterator[None]:
    """Say what is being done, should it take longer than one waits without wondering."""
    if not can_move(console):
        yield
        return
    status = console.status(escape(doing))
    waiting = later(PATIENCE_S, status.start)
    waiting.start()
    try:
        yield
    finally:
        waiting.cancel()
        waiting.join()
        status.stop()
