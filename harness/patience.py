"""Telling somebody who waits what for: nothing at first, and then one line.

A command that says nothing for longer than this looks as if it hung, and one that tells of every moment hides what
matters.
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
    """Say what is being done, should it take longer than one waits without wondering.

    On a terminal the line moves and goes away again; in a log it is one line.
    """
    status = console.status(escape(doing)) if can_move(console) else None
    waiting = later(
        PATIENCE_S, status.start if status else lambda: console.print(doing, markup=False, soft_wrap=True)
    )
    waiting.start()
    try:
        yield
    finally:
        waiting.cancel()
        waiting.join()
        if status:
            status.stop()
