"""What somebody who waits is told, without anybody waiting."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.console import terminal
from harness.patience import PATIENCE_S, patiently


class Terminal(io.StringIO):
    """A terminal on paper."""

    def isatty(self) -> bool:
        return True


@dataclass
class Clockwork:
    """Waits as long as it is told to, which is no time at all, or for ever."""

    after_s: float
    do: Callable[[], None]
    slow: bool = True
    ended: int = 0

    def start(self) -> None:
        if self.slow:
            self.do()

    def cancel(self) -> None:
        self.ended += 1

    def join(self) -> None:
        self.ended += 1


def waited(out: io.StringIO, *, slow: bool) -> tuple[str, Clockwork]:
    made: list[Clockwork] = []

    def later(after_s: float, do: Callable[[], None]) -> Clockwork:
        made.append(Clockwork(after_s, do, slow))
        return made[-1]

    with patiently(terminal(out), "reading [3] recordings …", later):
        pass
    return out.getvalue(), made[0] if made else Clockwork(0, lambda: None)


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_who_waits_long_is_told_what_for_and_the_line_goes_away() -> None:
    told, clockwork = waited(Terminal(), slow=True)
    assert "reading [3] recordings …" in told
    assert told.endswith("\x1b[2K") or "\x1b[?25h" in told  # erased, and the cursor is back
    assert (clockwork.after_s, clockwork.ended) == (PATIENCE_S, 2)


def test_who_hardly_waits_is_told_nothing() -> None:
    told, clockwork = waited(Terminal(), slow=False)
    assert "reading" not in told
    assert clockwork.ended == 2


def test_in_a_log_nothing_is_told() -> None:
    assert waited(io.StringIO(), slow=True)[0] == ""


def test_without_colour_the_line_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    told, _ = waited(Terminal(), slow=True)
    assert "reading [3] recordings …" in told
    assert "\x1b[3" not in told


def test_what_others_put_in_the_place_of_standard_output_is_theirs_to_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As pytest does while it collects scenarios: it would be left with a file that is closed by then."""
    before, theirs = sys.stdout, io.StringIO()
    made: list[Clockwork] = []

    def later(after_s: float, do: Callable[[], None]) -> Clockwork:
        made.append(Clockwork(after_s, do, slow=False))
        return made[-1]

    with patiently(terminal(Terminal()), "reading …", later):
        monkeypatch.setattr(sys, "stdout", theirs)
        made[0].do()
        assert sys.stdout is theirs
        monkeypatch.setattr(sys, "stdout", before)
    assert sys.stdout is before


def test_a_mistake_meanwhile_is_let_through_and_leaves_no_line() -> None:
    out = Terminal()
    with pytest.raises(ZeroDivisionError), patiently(terminal(out), "reading …", Clockwork):
        raise ZeroDivisionError
    assert "\x1b[?25h" in out.getvalue()
