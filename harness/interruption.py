"""Being stopped by somebody: every way of asking unwinds the stack, so that what was hurt is healed on the way out."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import Interrupted

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def is_interruption(error: BaseException | None) -> bool:
    """Whether somebody stopped us, even if something broke on the way out and is what is raised now."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt | Interrupted):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def unwinding() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt like Ctrl-C does.

    A second one is ignored: it would cut the healing short, and every step of that has a time limit anyway. A third
    one is from somebody who means it; then the supervisor heals, as it does when we are killed.
    """
    asked = 0

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        nonlocal asked
        asked += 1
        if asked != 2:
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in ASKING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
