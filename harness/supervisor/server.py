"""The supervisor's main loop: it starts, signals and ends processes, and waits for its harness to die.

It is told to hold its stack either for as long as a pipe stays open (a drill: the kernel closes the pipe
however the harness ends) or until a lease runs out (`drill up`). Everything it promises is on disk first.

It runs everything that forks on its main thread, because the kernel's parent-death signal follows the thread
that forked, and it imports little, because it stands between `drill run` and the first server.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness import full_disk
from harness.errors import DrillError, StackError
from harness.stack.process import ProcessSpec
from harness.supervisor import state, sweep
from harness.supervisor.base_lock import awaited_base_lock, base_lock
from harness.supervisor.children import Children
from harness.supervisor.ports import PortBook
from harness.supervisor.promises import Promises

LOG = "supervisor.log"  # beside the services' logs, so that it is kept with the recording
_REMOVAL_PATIENCE_S = 2.0  # whoever ends a stack waits 10 s for all of it
LINE_LIMIT_BYTES = 16 * 1024 * 1024  # a whole stack's plan is one line


@dataclass
class Supervisor:
    """One stack's owner. `serve` returns when the stack is gone.

    Attributes:
        folder: The stack's state folder, held by a lock.
        logs: Where services' output goes. Outside the state folder for a drill, so that it is kept.
        lease_s: How long to live without being renewed; None when a pipe decides.
    """

    folder: state.StateFolder
    logs: Path
    lease_s: float | None
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _lease_end: asyncio.TimerHandle | None = None
    _connections: int = 0

    def __post_init__(self) -> None:
        self._promises = Promises(self.folder, self._end_because)
        self._children = Children(self.folder, self.logs)

    async def serve(self, pipe: int | None, listening: Callable[[], None] = lambda: None) -> None:
        """Answer requests until the pipe closes, the lease ends, a signal comes or somebody asks.

        Args:
            pipe: The reading end of the pipe to live by, if there is one.
            listening: Called as soon as requests can come.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        try:
            server = await asyncio.start_unix_server(
                self._converse, path=str(self.folder.socket), limit=LINE_LIMIT_BYTES
            )
            self.folder.socket.chmod(0o600)
            if pipe is not None:
                await self._end_with(pipe)
            self._begin_lease()
            listening()
            await self._over.wait()
            server.close()
        finally:
            self._over.set()  # from here on requests are refused
            self._tear_down()

    async def _end_with(self, pipe: int) -> None:
        """Make the end of the pipe the end of the stack."""

        class Lifeline(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                del exc
                over.set()

        over = self._over
        await asyncio.get_running_loop().connect_read_pipe(Lifeline, os.fdopen(pipe, "rb", buffering=0))

    def _begin_lease(self) -> None:
        if self.lease_s is not None:
            self.folder.lease.touch()
            self._prolong(self.lease_s)

    def _prolong(self, lease_s: float) -> None:
        """End the stack `lease_s` from now, unless somebody prolongs it again; never earlier than was promised."""
        loop = asyncio.get_running_loop()
        if self._lease_end is None or self._lease_end.when() < loop.time() + lease_s:
            if self._lease_end is not None:
                self._lease_end.cancel()
            self._lease_end = loop.call_later(lease_s, self._over.set)

    def _tear_down(self) -> None:
        """End every process and give everything back. Toxics end with Toxiproxy, which is ours as well."""
        self._children.no_more()
        sweep.kill_everything_of(self.folder)
        try:
            with base_lock(self.folder.path.parent, within_s=_REMOVAL_PATIENCE_S):
                self.folder.remove()
        except StackError:
            # The lock keeps a sweep from telling of this stack as a killed one. It is not worth leaving it behind.
            self.folder.remove()

    def _end_because(self, sentence: str) -> None:
        """End the stack, and leave word why: whoever asks next finds nobody here."""
        sys.stderr.write(f"{sentence}\n")
        self._over.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from connecting to closing. What it promised is undone when it is gone."""
        self._connections += 1
        connection = self._connections
        try:
            # What does not end in a newline is half a request, of a client that was killed while it asked.
            while (line := await reader.readline()).endswith(b"\n"):
                writer.write(msgspec.json.encode(await self._answer(connection, line)) + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # it hung up, or we are ending
        except ValueError:
            sys.stderr.write(f"a request of over {LINE_LIMIT_BYTES} bytes was refused\n")
        finally:
            writer.close()
            if not self._over.is_set():
                self._promises.keep_those_of(connection)

    async def _answer(self, connection: int, line: bytes) -> dict[str, Any]:
        """What to say to one request: under its own number, because a client may have given up an earlier one."""
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
            asked, verb = int(request.pop("id")), str(request.pop("verb"))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            return {"id": 0, "error": f"the supervisor was asked something that is no request: {error!r}"}
        return {"id": asked, **await self._done(connection, verb, request)}

    async def _done(self, connection: int, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        verbs: dict[str, Callable[..., Awaitable[Any]]] = {
            "reserve": self._reserve,
            "spawn": self._spawn,
            "signal": self._children.signal,
            "await_state": self._children.await_state,
            "state": self._children.state,
            "promise": self._promise,
            "undone": self._undone,
            "remember": self._remember,
            "renew": self._renew,
            "tear_down": self._ask_tear_down,
            "losses": self._children.losses,
            "forget": self._forget,
        }
        if self._over.is_set():
            return {
                "error": f"the stack {self.folder.run_id} is being ended: it was asked to {verb} too late"
            }
        if verb in {"promise", "undone"}:
            request["connection"] = connection
        try:
            return {"ok": await verbs[verb](**request)}
        except DrillError as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": f"the supervisor could not {verb}: {self._in_words(error)}"}
        except Exception as error:  # noqa: BLE001 - the stack must outlive a mistake in one request
            return {"error": f"the supervisor could not {verb}: {type(error).__name__}: {error}"}

    def _in_words(self, error: OSError) -> str:
        if not full_disk.was_met(error):
            return str(error)
        if str(error.filename or "").startswith(str(self.logs)):
            return full_disk.told(
                self.logs,
                takes="A recording takes some MB a minute.",
                instead="choose another folder with --runs",
            )
        return self.folder.no_room_for_data()

    async def _reserve(self, *, count: int) -> list[int]:
        async with awaited_base_lock(self.folder.path.parent):
            return PortBook(self.folder.path.parent).reserve(self.folder.run_id, count)

    async def _spawn(self, *, spec: dict[str, Any]) -> int:
        parsed = msgspec.convert(spec, ProcessSpec)
        try:
            return await self._children.spawn(parsed)
        except OSError as error:
            raise StackError(f"{parsed.name} cannot start: {self._in_words(error)}") from error

    async def _forget(self) -> bool:
        """The stack is as new: no promise is open any more, and what was lost is back."""
        self._promises.void()
        self._children.forget_losses()
        return True

    async def _promise(self, *, fault: dict[str, Any], limit_s: float, connection: int) -> str:
        return self._promises.give(fault, limit_s=limit_s, connection=connection)

    async def _undone(self, *, token: str, connection: int) -> bool:
        return self._promises.undone(token, connection=connection)

    async def _remember(self, *, plan: dict[str, Any]) -> bool:
        temporary = self.folder.plan.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(plan))
        temporary.replace(self.folder.plan)
        return True

    async def _renew(self, *, lease_s: float) -> bool:
        if self.lease_s is None:
            return False
        self._prolong(lease_s)
        return True

    async def _ask_tear_down(self) -> bool:
        """Begin the end. The caller waits for the folder to be gone."""
        asyncio.get_running_loop().call_later(0.01, self._over.set)
        return True


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a supervisor is started with, as one JSON argument.

    Attributes:
        run_id: The name of the stack's folder.
        base: Where it is made.
        logs: Where services' output goes; "" for the stack's folder.
        data_in: Where the folder for data is made; "" for in the stack's.
        lease_s: None to live by the pipe that standard input is.
    """

    run_id: str
    base: str
    logs: str
    data_in: str = ""
    lease_s: float | None = None


def main(argument: str) -> None:
    """Hold the folder, serve, leave nothing. Standard input is the pipe, unless there is a lease."""
    assignment = msgspec.json.decode(argument, type=Assignment)
    data_in = Path(assignment.data_in) if assignment.data_in else None
    with state.held_folder(Path(assignment.base), assignment.run_id, data_in=data_in) as folder:
        logs = Path(assignment.logs or folder.path)
        supervisor = Supervisor(folder, logs, assignment.lease_s)
        pipe = os.dup(0) if assignment.lease_s is None else None

        def speak_to_log() -> None:
            """Until now, whoever started us listens."""
            logs.mkdir(parents=True, exist_ok=True)
            os.dup2(os.open(logs / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)

        with suppress(KeyboardInterrupt):
            asyncio.run(supervisor.serve(pipe, speak_to_log))


def as_argument(assignment: Assignment) -> str:
    """The command-line argument that `main` understands."""
    return msgspec.json.encode(asdict(assignment)).decode()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (DrillError, OSError) as trouble:
        sys.exit(str(trouble))
