"""The processes a supervisor has started: what each is doing, and which of them ended though nobody told them to.

Their folders are laid out in threads, since copying a database cluster takes half a second in which others want to
start. Forking stays on the main thread: the kernel's parent-death signal follows the thread that forked.
"""

import asyncio
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import StackError
from harness.stack import State
from harness.stack.process import ProcessSpec
from harness.supervisor import processes, state

_POLL_S = 0.005
_ENDING = (signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


@dataclass
class Process:
    """A service that was started at least once.

    Attributes:
        told_to_end: Somebody of the drill has sent it a signal that ends it.
    """

    spec: ProcessSpec
    popen: subprocess.Popen[bytes]
    told_to_end: bool = False

    def state(self) -> State:
        """What it is doing now. Reaps it if it has ended."""
        if self.popen.poll() is not None:
            return State.EXITED
        # Not its tree: that means reading the whole process table, and a start asks hundreds of times.
        found = processes.state_at(self.popen.pid)
        if found is State.EXITED and self.popen.poll() is None:
            return State.RUNNING  # its first thread has ended; others still do, and hold its ports until then
        return found


class Children:
    """All of one stack. Every verb belongs to the event loop's thread.

    Args:
        folder: Where each works, in a folder of its own, and where they are written down.
        logs: Where their output goes.
    """

    def __init__(self, folder: state.StateFolder, logs: Path) -> None:
        self._folder = folder
        self._logs = logs
        self._known: dict[str, Process] = {}
        self._losses: dict[str, int] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._layout = ThreadPoolExecutor(max_workers=2, thread_name_prefix="layout")

    async def spawn(self, spec: ProcessSpec) -> int:
        """Start a process, unless it runs already; its process id.

        Raises:
            StackError: One of its ports is busy, it cannot be run, another one of its name runs, or the stack is being
                ended.
            OSError: There is no room for its files.
        """
        async with self._turns.setdefault(spec.name, asyncio.Lock()):
            known = self._known.get(spec.name)
            if known and known.state() is not State.EXITED:
                if known.spec != spec:
                    raise StackError(
                        f"{spec.name} runs already, started otherwise than is wanted now: whoever asked would be "
                        "speaking to another one. End it first."
                    )
                return known.popen.pid
            self._note_losses()  # what is started again would look as if it had never ended
            user_id = os.geteuid() if spec.user_id is None else spec.user_id
            identity = {"name": spec.name, "death_signal": spec.death_signal, "user_id": user_id}
            state.append_line(self._folder.processes, identity)
            self._logs.mkdir(parents=True, exist_ok=True)
            processes.refuse_busy_ports(spec)
            work = self._folder.work(spec.name)
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._layout, processes.prepare_folder, spec, work
                )
            except RuntimeError as error:  # what an executor says that takes no more
                raise StackError(f"{spec.name} is not started: the stack is being ended") from error
            popen = processes.spawn(spec, work, self._logs / f"{spec.name}.log")
            self._known[spec.name] = Process(spec, popen)
            state.append_line(self._folder.processes, identity | {"pid": popen.pid})
            return popen.pid

    def no_more(self) -> None:
        """Lay out no other folder; wait for those that are being laid out, or they would come back after the end."""
        self._layout.shutdown(wait=True, cancel_futures=True)

    def _note_losses(self) -> None:
        for name, process in self._known.items():
            if process.state() is State.EXITED and not process.told_to_end:
                self._losses.setdefault(name, process.popen.returncode)

    async def losses(self) -> dict[str, int]:
        """Services that have ended though nobody here told them to, each with its (first) exit code."""
        self._note_losses()
        return self._losses

    def forget_losses(self) -> None:
        """What was lost is back."""
        self._losses.clear()

    def _process(self, name: str) -> Process:
        try:
            return self._known[name]
        except KeyError:
            raise StackError(f"no service {name!r} was started; there are {', '.join(self._known)}") from None

    async def signal(self, *, name: str, number: int) -> int:
        """Signal a service: SIGTERM, SIGINT and SIGQUIT its first process, all else its whole tree."""
        process = self._process(name)
        tree = processes.tree(process.popen.pid) if process.state() is not State.EXITED else []
        asked = tree[:1] if number in {signal.SIGTERM, signal.SIGQUIT, signal.SIGINT} else tree
        process.told_to_end |= number in _ENDING and bool(tree)  # it may have ended before, by itself
        processes.send(asked, number)
        return len(asked)

    async def await_state(self, *, name: str, state: str, within_s: float) -> bool:
        """Wait until a service and all its children are in a state. False when the time is up."""
        process = self._process(name)
        deadline = SYSTEM_CLOCK.now_ns() + round(within_s * NS_PER_S)
        while True:
            root = process.state()
            tree = [] if root is State.EXITED else processes.alive(processes.tree(process.popen.pid))
            everyone = {root, *(processes.state_of(item) for item in tree)}
            if everyone == {State(state)} and (state != State.EXITED or not self._orphans(name)):
                return True
            if state == State.PAUSED:  # those that were forked while their parent was being stopped
                running = [item for item in tree if processes.state_of(item) is State.RUNNING]
                processes.send(running, signal.SIGSTOP)
            if SYSTEM_CLOCK.now_ns() > deadline:
                return False
            await asyncio.sleep(_POLL_S)

    def _orphans(self, name: str) -> bool:
        """Whether children of an ended service live on (PostgreSQL's backends do for a second)."""
        left = processes.alive(processes.belonging_to(self._folder.work(name)))
        processes.send(left, signal.SIGKILL)
        return bool(left)

    async def state(self, *, name: str, spare: bool = False) -> dict[str, Any]:
        """What a service is doing, its process id, and how it ended if it has.

        A spare need not have been started: then it is as if it had ended.
        """
        if spare and name not in self._known:
            return {"state": State.EXITED, "pid": None, "exit_code": None}
        process = self._process(name)
        return {"state": process.state(), "pid": process.popen.pid, "exit_code": process.popen.returncode}
