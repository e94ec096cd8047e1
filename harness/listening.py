"""Output that nobody may be reading any more: the terminal was closed, or the other end of the pipe.

A drill that is being broken off has faults to heal, and must not stumble over telling nobody about it. Nor may a reader
that has seen enough (`drill list | head`) change an exit code: what is read of a verdict does not change it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TextIO, cast


class WhoeverListens:
    """A stream that goes on when nobody reads it any more."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or do not."""
        try:
            self._stream.write(text)
        except BrokenPipeError:
            forget(self._stream)
        except OSError:
            pass
        return len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            forget(self._stream)
        except OSError:
            pass


def forget(stream: IO[str]) -> None:
    """Let what is still to be written vanish, here and in children, now that nobody is at the other end."""
    with suppress(OSError, ValueError):  # a stream in memory has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def whoever_listens() -> Iterator[None]:
    """Let nothing that is printed in the block fail because nobody reads it, not even when Python ends."""
    out, err = _open(sys.stdout), _open(sys.stderr)
    for stream in (
        out,
        err,
    ):  # a terminal that has no word for a tick is shown something else, and the drill goes on
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    with redirect_stdout(_heard(out)), redirect_stderr(_heard(err)):
        try:
            yield
        finally:
            for stream in (out, err):
                try:
                    stream.flush()
                except (OSError, ValueError):  # Python would try again on its way out, and end with 120
                    forget(stream)


def _open(stream: TextIO | None) -> TextIO:
    """Python has no stream at all for a descriptor that was closed before it began."""
    return Path(os.devnull).open("w", encoding="utf-8") if stream is None else stream


def _heard(stream: TextIO) -> TextIO:
    return cast("TextIO", WhoeverListens(stream))
