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
from typing import Any, BinaryIO

import msgspec

from harness.clock import wait_until
from harness.errors import DeadlineError, StackError
from harness.stack import State
from harness.stack.process import ProcessSpec
from harness.supervisor import state
from harness.supervisor.server import Assignment, as_argument

REQUEST_TIMEOUT_S = 30.0


class SupervisorClient:
    """A connection to one supervisor. Threads may share it; their requests take turns."""

    def __init__(self, folder: state.StateFolder) -> None:
        self.folder = folder
        self._turn = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(REQUEST_TIMEOUT_S)
        try:
            self._socket.connect(str(folder.socket))
        except OSError as error:
            raise StackError(f"no supervisor answers for run {folder.run_id}: {error}") from error
        self._lines: BinaryIO = self._socket.makefile("rb")

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Send one request and return its answer.

        Raises:
            StackError: The supervisor refused, died or did not answer.
        """
        line = msgspec.json.encode({"verb": verb, **arguments}) + b"\n"
        with self._turn:
            try:
                self._socket.sendall(line)
                answer = self._lines.readline()
            except OSError as error:
                raise StackError(f"the supervisor of {self.folder.run_id} did not {verb}: {error}") from error
        if not answer:
            raise StackError(
                f"the supervisor of {self.folder.run_id} is gone, and every process of the stack with it. "
                "Nothing that was recorded is lost; the drill must be run again."
            )
        decoded = msgspec.json.decode(answer)
        if "error" in decoded:
            raise StackError(decoded["error"])
        return decoded["ok"]

    def reserve_ports(self, count: int) -> list[int]:
        """Ports that no other stack of this machine will use."""
        ports: list[int] = self.ask("reserve", count=count)
        return ports

    def spawn(self, spec: ProcessSpec) -> int:
        """Start a process, or find it running; its process id."""
        pid: int = self.ask("spawn", spec=asdict(spec))
        return pid

    def signal(self, name: str, number: int) -> int:
        """Signal a service; how many processes got it."""
        count: int = self.ask("signal", name=name, number=int(number))
        return count

    def await_state(self, name: str, wanted: State, *, within_s: float) -> bool:
        """Whether all of a service's processes came to `wanted` in time."""
        reached: bool = self.ask("await_state", name=name, state=wanted, within_s=within_s)
        return reached

    def state(self, name: str) -> State:
        """What a service is doing."""
        return State(self.ask("state", name=name)["state"])

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
        self._lines.close()
        self._socket.close()


class Lifeline:
    """The writing end of the pipe a supervisor lives by. Never written to; closing it is the message."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    def cut(self) -> None:
        """End the stack, whatever state it is in, and wait for its supervisor to end."""
        if self._popen.stdin and not self._popen.stdin.closed:
            self._popen.stdin.close()
        try:
            self._popen.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def launch(
    *, run_id: str, base: Path, logs: Path | None, lease_s: float | None = None
) -> tuple[SupervisorClient, Lifeline | None]:
    """Start a supervisor and connect to it.

    Args:
        run_id: The name of the stack's folder.
        base: Where it is made.
        logs: Where services' output goes; None for the state folder.
        lease_s: None to hold the stack by a pipe; else how long it lives without being renewed.

    Returns:
        The connection, and the lifeline if there is one.

    Raises:
        StackError: It did not come up.
    """
    folder = state.StateFolder(base / run_id)
    argument = as_argument(
        Assignment(run_id=run_id, base=str(base), logs=str(logs.resolve()) if logs else "", lease_s=lease_s)
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

    def connected() -> SupervisorClient | None:
        if popen.poll() is not None:
            raise DeadlineError(f"it ended with exit code {popen.returncode}")
        try:
            return SupervisorClient(folder)
        except StackError:
            return None  # its socket is not there yet, or not listened on yet

    try:
        client = wait_until(connected, within_s=15.0, what="its socket", every_s=0.01)
    except DeadlineError as error:
        popen.kill()
        said = popen.stderr.read().decode(errors="replace").strip() if popen.stderr else ""
        raise StackError(f"the supervisor did not start: {error}. {said[-2000:]}") from error
    if popen.stderr:
        popen.stderr.close()
    return client, Lifeline(popen) if lease_s is None else None
