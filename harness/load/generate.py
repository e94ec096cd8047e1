"""The load generator's process: it carries out one plan, steered over a loopback port, and ends when asked to.

It is started by its name and never imported by the harness, because importing Locust replaces Python's blocking
calls by gevent's. Locust is used as a library: its own runner is a closed loop of users, and its exit code, its web
page and its statistics are replaced by the recording.
"""

import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from harness.errors import ConfigError, DrillError, StackError
from harness.load.clients import Client
from harness.load.dispatch import Dispatch, State
from harness.load.plan import LoadPlan, read
from harness.stack import LOOPBACK

_JSON = [("Content-Type", "application/json")]


class _Start(msgspec.Struct):
    """The body of POST /start."""

    at_ns: int


class Control:
    """The HTTP door that the runner steers through. Loopback only.

    `GET /ready` and `GET /state` answer 200, `POST /start {"at_ns": monotonic time}` and `POST /stop` 202, each with
    the state. A plan is carried out once: a second start, or one after a stop, is 409.
    """

    def __init__(self, dispatch: Dispatch, port: int) -> None:
        self._dispatch = dispatch
        self._started = False
        self._server = WSGIServer((LOOPBACK, port), self._answer, log=None, error_log=sys.stderr)

    def serve(self) -> None:
        """Answer in the background.

        Raises:
            StackError: The port is not to be had.
        """
        try:
            self._server.start()
        except OSError as error:
            raise StackError(
                f"the load generator could not listen on its control port {self._server.server_port}: "
                f"{error.strerror}. Nobody could steer it, so it ends. End whatever listens there."
            ) from error

    def _answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/ready" | "/state":
                status = "200 OK"
            case "POST", "/start":
                status = self._start(environ["wsgi.input"].read())
            case "POST", "/stop":
                gevent.spawn(self._dispatch.stop)
                status = "202 Accepted"
            case _:
                status = "404 Not Found"
        start_response(status, _JSON)
        return [msgspec.json.encode(self._dispatch.report())]

    def _start(self, body: bytes) -> str:
        if self._started or self._dispatch.state is not State.ARMED:
            return "409 Conflict"
        try:
            at_ns = msgspec.json.decode(body, type=_Start).at_ns
        except msgspec.DecodeError:
            return "400 Bad Request"
        self._started = True
        gevent.spawn(self._dispatch.run, at_ns)
        return "202 Accepted"


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each request under way holds a connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS says "unlimited" and means less; then the soft limit stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def carry_out(plan: LoadPlan) -> None:
    """Serve until SIGTERM or SIGINT; then send nothing new, wait for what is under way, and return.

    A second signal ends the process at once; even then every line written is whole.

    Raises:
        ConfigError: The plan's operation cannot be made.
        RecordingError: The recording cannot be written to.
        StackError: The control port is not to be had.
        DrillError: The load was given up on the way.
    """
    sys.path[:0] = plan.python_path
    dispatch = Dispatch(plan, Client(plan.base_url, timeout_s=plan.timeout_s))
    control = Control(dispatch, plan.control_port)
    asked_to_end = Event()

    def end(number: int) -> None:
        if asked_to_end.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked_to_end.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, end, number)
    control.serve()
    asked_to_end.wait()
    dispatch.stop()
    dispatch.ended.wait()
    if dispatch.state is State.BROKEN:
        raise DrillError(f"the load was given up: {dispatch.problem}")


def main(arguments: Sequence[str]) -> int:
    """Carry out the plan in the file named. The exit code is `drill`'s own."""
    allow_many_files()
    try:
        match arguments:
            case [plan_path]:
                carry_out(read(Path(plan_path)))
            case _:
                raise ConfigError(f"wanted the path of one load plan, got {len(arguments)} arguments")
    except DrillError as error:
        print(error, file=sys.stderr)  # noqa: T201 - its log is beside the services' logs
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
