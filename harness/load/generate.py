"""The load generator's process: Locust's FastHttpUser behind one dispatcher that never waits for an answer.

Importing Locust replaces Python's blocking calls by gevent's, so this module is run and never imported by the
harness. One greenlet sends each request off at its intended time; answers are waited for in greenlets of their own.
Whatever the target does, requests leave on time, and how late they left is written beside each.

Locust's defaults that would spoil this: ten connections a user (a slow target would throttle the load), and an HTTP
library that sends a GET again by itself when a connection breaks (one operation, two requests).
"""

import os
import signal
import sys
from collections import Counter, deque
from pathlib import Path
from types import FrameType
from typing import Any

import gevent
import geventhttpclient.client
import msgspec
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ErrorResponse
from locust.env import Environment

from harness.chance import Chance
from harness.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from harness.load.arrivals import arrival_times_ns
from harness.load.operations import Answer, Request, from_record, of_wire_error
from harness.load.plan import LoadPlan, read
from harness.recording.records import Done, Intent, Outcome

NOT_SENT = "not sent: the generator has too many requests under way"
_TIME_TO_SPAWN_NS = NS_PER_MS  # a greenlet is started this much early and waits out the rest itself


def _never_again(method: str) -> bool:
    """Whether a request may silently be sent a second time. It may not: its record says one."""
    del method
    return False


geventhttpclient.client._may_retry_after_send_error = _never_again  # noqa: SLF001 - there is no setting for it


class Log:
    """The `operations` stream. One write a line, so that a SIGKILL tears the last one at most."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o644) if path else None
        self._encoder = msgspec.json.Encoder()

    def write(self, record: Intent | Done) -> None:
        """Hand a line to the operating system before returning."""
        if self._file is not None:
            os.write(self._file, self._encoder.encode(record) + b"\n")


class Generator:
    """A plan being carried out.

    It is armed, then running, then draining (nothing new, answers outstanding), then done.
    """

    def __init__(self, plan: LoadPlan, user: "DrillUser") -> None:
        self._plan = plan
        self._user = user
        self._operation = from_record(plan.operation)
        self._chance = Chance(plan.seed)
        self._log = Log(plan.record)
        self._pool = Pool(plan.in_flight_max)
        self._stopped = Event()
        self._outcomes: Counter[str] = Counter()
        self._late_ms: deque[float] = deque(maxlen=10_000)
        self._recent_ns: deque[int] = deque()
        self._not_sent = 0
        self.state = "armed"

    def stop(self) -> None:
        """Send nothing new."""
        self._stopped.set()

    def dispatch(self, start_ns: int) -> None:
        """Send every request at its time, then wait for the answers still outstanding."""
        self.state = "running"
        times = arrival_times_ns(self._plan.shape, self._chance.stream("arrivals"))
        for number, offset_ns in enumerate(times):
            intended_ns = start_ns + offset_ns
            wait_s = (intended_ns - SYSTEM_CLOCK.now_ns()) / NS_PER_S
            if self._stopped.wait(timeout=max(0.0, wait_s)):
                break
            request = self._operation.request(number, self._chance.stream(f"operation {number}"))
            if self._pool.full():
                self._refuse(number, request, intended_ns)
            else:
                self._pool.spawn(self._perform, number, request, intended_ns)
        self.state = "draining"
        self._pool.join()
        self.state = "done"

    def _intend(self, number: int, request: Request, intended_ns: int) -> None:
        now_ns = SYSTEM_CLOCK.now_ns()
        self._log.write(
            Intent(
                id=number,
                name=self._operation.name,
                key=request.key,
                intended_ns=intended_ns,
                sent_ns=now_ns,
                detail=request.detail,
            )
        )
        self._late_ms.append((now_ns - intended_ns) / NS_PER_MS)

    def _refuse(self, number: int, request: Request, intended_ns: int) -> None:
        """Own up to a request that was not sent because of us and not because of the target."""
        self._not_sent += 1
        self._intend(number, request, intended_ns)
        self._finish(number, Outcome.REJECTED, status=0, error=NOT_SENT, result={})

    def _perform(self, number: int, request: Request, intended_ns: int) -> None:
        self._intend(number, request, intended_ns)
        self._recent_ns.append(SYSTEM_CLOCK.now_ns())
        status, error, outcome, result = 0, "", Outcome.UNKNOWN, {}
        limit = gevent.Timeout(self._plan.timeout_s)
        limit.start()
        try:
            response = self._user.client.request(
                request.method,
                request.path,
                name=self._operation.name,
                json=request.body,
                headers={**request.headers, "Accept-Encoding": "identity"},
                allow_redirects=False,
            )
            problem = (
                response.error if isinstance(response, ErrorResponse) else getattr(response, "error", None)
            )
            if problem is not None and not response.status_code:
                outcome, error = of_wire_error(problem), f"{type(problem).__name__}: {problem}"
            else:
                status = int(response.status_code)
                answer = Answer(
                    status=status, headers=dict((response.headers or {}).items()), body=response.content or b""
                )
                outcome, told = self._operation.outcome(answer)
                result = dict(told)
        except gevent.Timeout:
            error = f"Timeout: no answer within {self._plan.timeout_s:g} s"
        except Exception as unforeseen:  # noqa: BLE001 - whatever it was, the client does not know what happened
            outcome, error = of_wire_error(unforeseen), f"{type(unforeseen).__name__}: {unforeseen}"
        finally:
            limit.close()
        self._finish(number, outcome, status=status, error=error[:500], result=result)

    def _finish(
        self, number: int, outcome: Outcome, *, status: int, error: str, result: dict[str, Any]
    ) -> None:
        self._outcomes[outcome.value] += 1
        self._log.write(
            Done(
                id=number,
                done_ns=SYSTEM_CLOCK.now_ns(),
                outcome=outcome,
                status=status,
                error=error,
                result=result,
            )
        )

    def report(self) -> dict[str, Any]:
        """How it stands, as `harness.load.generator.LoadState` reads it."""
        now_ns = SYSTEM_CLOCK.now_ns()
        while self._recent_ns and self._recent_ns[0] < now_ns - NS_PER_S:
            self._recent_ns.popleft()
        late = sorted(self._late_ms)
        done = sum(self._outcomes.values())
        return {
            "state": self.state,
            "sent": done + len(self._pool) - self._not_sent,
            "done": done,
            "in_flight": len(self._pool),
            "not_sent": self._not_sent,
            "sent_last_second": len(self._recent_ns),
            "late_ms_p99": late[min(len(late) - 1, round(0.99 * len(late)))] if late else 0.0,
            **{outcome.value: self._outcomes[outcome.value] for outcome in Outcome},
        }


class DrillUser(FastHttpUser):
    """The one Locust user. Its session is shared by all greenlets, each with a connection of its own."""

    host = ""
    max_retries = 0

    @task
    def wait(self) -> None:
        """Locust wants a task; the dispatcher does the work."""
        gevent.sleep(1)


class Control:
    """The HTTP door that the runner steers through. Loopback only."""

    def __init__(self, generator: Generator, port: int) -> None:
        self._generator = generator
        self._dispatcher: gevent.Greenlet | None = None
        self._server = WSGIServer(("127.0.0.1", port), self._answer, log=None, error_log=sys.stderr)

    def serve(self) -> None:
        """Answer in the background."""
        self._server.start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/ready" | "/state":
                status = "200 OK"
            case "POST", "/start" if self._dispatcher is None:
                order = msgspec.json.decode(environ["wsgi.input"].read())
                self._dispatcher = gevent.spawn(self._generator.dispatch, int(order["at_ns"]))
                status = "202 Accepted"
            case "POST", "/start":
                status = "409 Conflict"
            case "POST", "/stop":
                self._generator.stop()
                status = "202 Accepted"
            case _:
                status = "404 Not Found"
        start_response(status, [("Content-Type", "application/json")])
        return [msgspec.json.encode(self._generator.report())]


def main(plan_path: str) -> None:
    """Carry out one plan, steered over its control port, until SIGTERM."""
    plan = read(Path(plan_path))
    sys.path[:0] = plan.python_path
    DrillUser.host = plan.base_url
    DrillUser.concurrency = plan.in_flight_max
    DrillUser.network_timeout = DrillUser.connection_timeout = plan.timeout_s
    environment = Environment(user_classes=[DrillUser], host=plan.base_url)
    runner = environment.create_local_runner()
    generator = Generator(plan, DrillUser(environment))
    ended = Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    Control(generator, plan.control_port).serve()
    ended.wait()
    generator.stop()
    runner.quit()


if __name__ == "__main__":
    main(sys.argv[1])
