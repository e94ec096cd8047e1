"""Telling somebody at a terminal what they wait for: nothing at first, then one moving line, which goes away again.

A command that says nothing for longer than this looks as if it hung, and one that tells of every moment hides what
matters. In a log nobody waits, so nothing is written there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

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
    # Standard output and error are left as they are: pytest, for one, has others in their place meanwhile, and puts
    # them back before this does.
    line = Live(
        Spinner("dots", text=Text(doing)),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    waiting = later(PATIENCE_S, line.start)
    waiting.start()
    try:
        yield
    finally:
        waiting.cancel()
        waiting.join()
        line.stop()
