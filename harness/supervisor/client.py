"""How everybody else asks a supervisor for something.

One connection each, one request at a time, every request with a time limit: a supervisor that hangs must not
hang the drill as well. Faults promised over a connection are undone when it closes.
"""

import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from harness import full_disk
from harness.clock import Deadline, wait_until
from harness.errors import DeadlineError, StackError
from harness.stack import State
from harness.stack.process import ProcessSpec
from harness.supervisor import state
from harness.supervisor.server import LOG, Assignment, as_argument
from harness.supervisor.sweep import sweep

REQUEST_TIMEOUT_S = 30.0
_READ_BYTES = 1 << 16


class SupervisorClient:
    """A connection to one supervisor. Threads may share it; their requests take turns, but for those that take long.

    Args:
        folder: The stack's.
        log: What the supervisor itself has to say, if we may read it.
    """

    def __init__(self, folder: state.StateFolder, log: Path | None = None) -> None:
        self.folder = folder
        self._log = log
        self._turn = threading.Lock()
        self._asked = 0
        self._read = b""
        self._torn = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(REQUEST_TIMEOUT_S)
        try:
            self._socket.connect(str(folder.socket))
        except OSError as error:
            self._socket.close()
            raise StackError(f"no supervisor answers for run {folder.run_id}: {error}") from error

    def ask(self, verb: str, *, timeout_s: float = REQUEST_TIMEOUT_S, **arguments: Any) -> Any:
        """Send one request and return its answer, in `timeout_s` altogether.

        Raises:
            StackError: The supervisor refused, died or did not answer.
        """
        with self._turn:
            if self._torn:
                raise StackError(
                    f"the supervisor of {self.folder.run_id} was told half a request, and can be asked nothing more "
                    "over this connection"
                )
            self._asked += 1
            request = {"id": self._asked, "verb": verb, **arguments}
            deadline = Deadline.after(timeout_s)
            try:
                self._socket.settimeout(timeout_s)
                self._torn = (
                    True  # until all of it is sent: what follows half a request would be read as its end
                )
                self._socket.sendall(msgspec.json.encode(request) + b"\n")
                self._torn = False
                answer = self._answer(deadline)
            except TimeoutError as error:
                raise StackError(
                    f"the supervisor of {self.folder.run_id} did not answer {verb!r} within {timeout_s:g} s. It stands "
                    "still, or the machine does: nothing of the stack can be started, hurt or healed any more."
                ) from error
            except OSError as error:
                self._torn = False  # nobody is there to read the end of it: the next one is to be told why
                raise self._gone() from error
        if "error" in answer:
            raise StackError(answer["error"])
        return answer["ok"]

    def _ask_aside(self, verb: str, **arguments: Any) -> Any:
        """The same over a connection of its own: what takes seconds must hold up nobody, least of all a healing.

        Not for promises, which end with the connection they were made over.
        """
        aside = SupervisorClient(self.folder, self._log)
        try:
            return aside.ask(verb, **arguments)
        finally:
            aside.close()

    def _answer(self, deadline: Deadline) -> dict[str, Any]:
        """The answer to the latest request; those to earlier ones, which a Ctrl-C or a time-out broke off, are let go.

        What has been read so far is kept in `_read` and not in a file object, which a time-out would spoil.
        """
        while True:
            while b"\n" not in self._read:
                self._socket.settimeout(max(deadline.left_s, 0.001))
                part = self._socket.recv(_READ_BYTES)
                if not part:
                    raise self._gone()
                self._read += part
            line, _, self._read = self._read.partition(b"\n")
            answer: dict[str, Any] = msgspec.json.decode(line)
            if answer["id"] == self._asked:
                return answer

    def _gone(self) -> StackError:
        try:
            said = self._log.read_text(errors="replace").strip().splitlines()[-1:] if self._log else []
        except OSError:
            said = []
        why = f" Its last words: {said[0]}." if said else ""
        return StackError(
            f"the supervisor of {self.folder.run_id} is gone, and every process of the stack with it.{why} "
            "Nothing that was recorded is lost; the drill must be run again."
        )

    def reserve_ports(self, count: int) -> list[int]:
        """Ports that no other stack of this machine will use."""
        ports: list[int] = self.ask("reserve", count=count)
        return ports

    def spawn(self, spec: ProcessSpec) -> int:
        """Start a process, or find it running; its process id."""
        pid: int = self._ask_aside("spawn", spec=asdict(spec))
        return pid

    def signal(self, name: str, number: int) -> int:
        """Signal a service; how many processes got it."""
        count: int = self.ask("signal", name=name, number=int(number))
        return count

    def await_state(self, name: str, wanted: State, *, within_s: float) -> bool:
        """Whether all of a service's processes came to `wanted` in time."""
        reached: bool = self._ask_aside(
            "await_state", timeout_s=within_s + REQUEST_TIMEOUT_S, name=name, state=wanted, within_s=within_s
        )
        return reached

    def losses(self) -> dict[str, int]:
        """Services that have ended though nobody told them to, each with its exit code."""
        lost: dict[str, int] = self.ask("losses")
        return lost

    def forget(self) -> None:
        """Say that the stack is as new: promises that are still open are void, and losses made good."""
        self.ask("forget")

    def state(self, name: str, *, spare: bool = False) -> State:
        """What a service is doing; a spare that was never started is as one that has ended."""
        return State(self.ask("state", name=name, spare=spare)["state"])

    def exit_code(self, name: str) -> int | None:
        """How a service ended; negative for a signal; None while it runs."""
        code: int | None = self.ask("state", name=name)["exit_code"]
        return code

    def tear_down(self, *, within_s: float = 10.0) -> None:
        """End the stack and wait until nothing of it is left.

        Raises:
            StackError: Something was still there after `within_s`.
        """
        self.ask("tear_down")
        try:
            wait_until(
                lambda: not self.folder.path.exists(),
                within_s=within_s,
                what="the stack to be gone",
                every_s=0.02,
            )
        except DeadlineError as error:
            raise StackError(
                f"{error}: {self.folder.path} is still there. `drill down --all` clears what is left of it."
            ) from error

    def close(self) -> None:
        """Hang up. Faults that were promised over this connection are undone."""
        self._socket.close()


class Lifeline:
    """The writing end of the pipe a supervisor lives by. Never written to; closing it is the message."""

    def __init__(self, popen: "subprocess.Popen[bytes]", folder: state.StateFolder) -> None:
        self._popen = popen
        self._folder = folder

    def cut(self) -> None:
        """End the stack, whatever state it is in, and wait until nothing is left of it."""
        if self._popen.stdin is None:  # held by a lease
            self._popen.terminate()
        elif not self._popen.stdin.closed:
            self._popen.stdin.close()
        try:
            self._popen.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        if self._folder.path.exists():  # the supervisor was killed, by us or by somebody else
            sweep(self._folder.path.parent)


def launch(
    *, run_id: str, base: Path, logs: Path | None, data_in: Path | None = None, lease_s: float | None = None
) -> tuple[SupervisorClient, Lifeline | None]:
    """Start a supervisor and connect to it.

    Args:
        run_id: The name of the stack's folder.
        base: Where it is made.
        logs: Where services' output goes; None for the state folder.
        data_in: Where the folder for their data is made; None for in the stack's.
        lease_s: None to hold the stack by a pipe; else how long it lives without being renewed.

    Returns:
        The connection, and the lifeline if there is one.

    Raises:
        StackError: It did not come up.
    """
    folder = state.StateFolder(base / run_id)
    argument = as_argument(
        Assignment(
            run_id=run_id,
            base=str(base),
            logs=str(logs.resolve()) if logs else "",
            data_in=str(data_in) if data_in else "",
            lease_s=lease_s,
        )
    )
    popen = subprocess.Popen(
        [sys.executable, "-m", "harness.supervisor.server", argument],
        stdin=subprocess.PIPE if lease_s is None else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A session of its own: Ctrl-C and a closing terminal are for the harness, which then decides.
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )

    lifeline = Lifeline(popen, folder)

    def connected() -> SupervisorClient | None:
        if popen.poll() is not None:
            raise DeadlineError(f"it ended with exit code {popen.returncode}")
        try:
            return SupervisorClient(folder, (logs or folder.path) / LOG)
        except StackError:
            return None  # its socket is not there yet, or not listened on yet

    try:
        client = wait_until(connected, within_s=15.0, what="its socket", every_s=0.01)
    except DeadlineError as error:
        lifeline.cut()
        raise StackError(f"the supervisor did not start: {_last_words(popen, base) or error}") from error
    except BaseException:  # somebody stopped us: without a pipe nobody would end it before its lease
        lifeline.cut()
        raise
    if popen.stderr:
        popen.stderr.close()
    return client, lifeline if lease_s is None else None


def _last_words(popen: "subprocess.Popen[bytes]", base: Path) -> str:
    said = popen.stderr.read().decode(errors="replace").strip()[-2000:] if popen.stderr else ""
    if full_disk.was_met(said):
        return state.no_room(base)
    return said
