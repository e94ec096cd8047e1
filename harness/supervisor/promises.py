"""Faults that will be undone, whatever becomes of those who injected them.

A promise is on disk before the damage. It is kept by whoever gave it, or, when its time is up or its giver is gone,
by a healer: a process of its own, so that a control plane that hangs cannot hang the supervisor with it. What even a
healer cannot undo ends the stack.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from harness.clock import Deadline
from harness.stack.process import HEALING_TAKES_S
from harness.supervisor import processes, state

_LOOK_EVERY_S = 0.1


@dataclass
class Promise:
    """One fault, and who has it undone when."""

    fault: Mapping[str, Any]
    connection: int
    timer: asyncio.TimerHandle | None = None
    healer: "subprocess.Popen[bytes] | None" = None

    @property
    def title(self) -> str:
        """The fault's name for people."""
        return str(self.fault.get("title") or self.fault.get("type") or "a fault")

    def stop_waiting(self) -> None:
        """Nobody need be called any more."""
        if self.timer:
            self.timer.cancel()

    def stop_healing(self) -> None:
        """End a healer that is still at it."""
        if self.healer and self.healer.poll() is None:
            self.healer.kill()


@dataclass
class Promises:
    """All promises of one stack.

    Attributes:
        folder: The stack's; the undo record lies there.
        end_because: Ends the stack, for a reason that is told.
    """

    folder: state.StateFolder
    end_because: Callable[[str], None]
    _open: dict[str, Promise] = field(default_factory=dict)
    _given: int = 0

    def give(self, fault: Mapping[str, Any], *, limit_s: float, connection: int) -> str:
        """Write a promise down and watch its time; its token."""
        self._given += 1
        token = f"fault-{self._given}"
        state.append_line(self.folder.undo, {"token": token, "fault": fault, "limit_s": limit_s})
        promise = Promise(fault, connection)
        promise.timer = asyncio.get_running_loop().call_later(limit_s, self._heal, token)
        self._open[token] = promise
        return token

    def undone(self, token: str, *, connection: int | None = None) -> bool:
        """Somebody has undone the fault. False if there is no such promise any more.

        Args:
            token: Of the promise.
            connection: Whose word it is. The one who gave the promise may have been slower than its limit: then a
                healer is at it too, and must not go on to undo the next fault of its kind.
        """
        promise = self._open.pop(token, None)
        if promise is None:
            return False
        promise.stop_waiting()
        if connection == promise.connection:
            promise.stop_healing()
        state.append_line(self.folder.undo, {"token": token, "undone": True})
        return True

    def keep_those_of(self, connection: int) -> None:
        """Whoever gave them is gone."""
        for token in [token for token, promise in self._open.items() if promise.connection == connection]:
            self._heal(token)

    def void(self) -> None:
        """The stack was made as new: no fault is left, and a late healer would undo the next one of its kind."""
        for token in list(self._open):
            self._open[token].stop_healing()
            self.undone(token)

    def _heal(self, token: str) -> None:
        """Undo a fault from its record."""
        promise = self._open.get(token)
        if promise is None or promise.healer is not None:
            return
        promise.stop_waiting()
        with suppress(OSError):  # no memory, no process ids: then it has ended before it began
            promise.healer = subprocess.Popen(
                [sys.executable, "-m", "harness.supervisor.heal", str(self.folder.path), token],
                cwd=self.folder.path,
                env=processes.marked(
                    os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, self.folder.path
                ),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._await_healer(token, promise, Deadline.after(HEALING_TAKES_S))

    def _await_healer(self, token: str, promise: Promise, deadline: Deadline) -> None:
        """See that the fault is said to be undone. A target left hurt is worse than none."""
        if token not in self._open:
            return
        ended = promise.healer is None or promise.healer.poll() is not None
        if not ended and not deadline.passed:
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._await_healer, token, promise, deadline)
            return
        promise.stop_healing()
        self.end_because(
            f"the fault {promise.title!r} could not be undone{'' if ended else f' in {HEALING_TAKES_S:g} s'}, so the "
            "stack was ended: a target left hurt is worse than none"
        )
