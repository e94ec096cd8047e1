"""A plan being carried out: one dispatcher that never waits for an answer, and a greenlet for each that does.

Whatever the target does, requests leave at their time, and how late each left is written beside it. The intent is
handed to the operating system before the request leaves and the outcome after, so that a killed run can still be
judged: what has no outcome is unknown.
"""

import traceback
from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from gevent.event import Event
from gevent.pool import Pool

from harness.chance import Chance
from harness.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK, Clock
from harness.errors import DrillError
from harness.load.arrivals import arrival_times_ns
from harness.load.operations import Answer, OwnLimitError, Request, from_record, of_wire_error
from harness.load.plan import LoadPlan
from harness.recording.recorder import Recorder
from harness.recording.records import NOT_SENT, Done, Intent, Outcome, Stream

# Enough to see a percentile of, and few enough to be sorted for every look at the state.
_LATENESSES = 1_000


class State(StrEnum):
    """How far a generator is."""

    ARMED = "armed"
    RUNNING = "running"
    DRAINING = "draining"  # nothing new is sent, answers are outstanding
    DONE = "done"
    BROKEN = "broken"  # it cannot do what the plan asks for; why is in `problem`


class Asks(Protocol):
    """What sends one request and waits for its answer, or raises what `of_wire_error` understands."""

    def ask(self, request: Request, *, name: str) -> Answer:
        """The whole answer to a request."""
        ...


class Dispatch:
    """One plan, carried out once.

    Raises:
        ConfigError: The plan's operation cannot be made.
        RecordingError: The recording cannot be written to.
    """

    def __init__(self, plan: LoadPlan, client: Asks, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._plan = plan
        self._client = client
        self._clock = clock
        self._operation = from_record(plan.operation)
        self._chance = Chance(plan.seed)
        self._recorder = Recorder(Path(plan.record).parent) if plan.record else None
        self._pool = Pool(plan.in_flight_max)
        self._stopped = Event()
        self._sent = self._not_sent = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._late_ms: deque[float] = deque(maxlen=_LATENESSES)
        self._sent_ns: deque[int] = deque()
        self.problem = ""
        self.state = State.ARMED
        self.ended = Event()

    def run(self, start_ns: int) -> None:
        """Send every request at its time after `start_ns`, then wait for the answers outstanding."""
        self.state = State.RUNNING
        times_ns = arrival_times_ns(self._plan.shape, self._chance.stream("arrivals"))
        try:
            for number, offset_ns in enumerate(times_ns):
                request = self._made(number)
                if not self._in_time(start_ns + offset_ns):
                    break
                if self._pool.full():
                    self._refuse(number, request, start_ns + offset_ns)
                else:
                    self._pool.spawn(self._perform, number, request, start_ns + offset_ns)
        except Exception as error:  # noqa: BLE001 - whatever it was, the load ends here and somebody must hear why
            self._give_up(error)
        self._drain()

    def stop(self) -> None:
        """Send nothing new. Answers outstanding are waited for, each to its time-out."""
        self._stopped.set()
        if self.state is State.ARMED:
            self._drain()

    def report(self) -> dict[str, Any]:
        """How it stands, as `harness.load.generator.LoadState` reads it."""
        self._forget_before(self._clock.now_ns() - NS_PER_S)
        late_ms = sorted(self._late_ms)
        return {
            "state": self.state,
            "sent": self._sent,
            "done": self._outcomes.total() - self._not_sent,
            "in_flight": self._sent + self._not_sent - self._outcomes.total(),
            "not_sent": self._not_sent,
            "sent_last_second": len(self._sent_ns),
            "late_ms_p99": late_ms[int(0.99 * len(late_ms))] if late_ms else 0.0,
            "problem": self.problem,
            **{outcome.value: self._outcomes[outcome] for outcome in Outcome},
        }

    def _made(self, number: int) -> Request:
        """A request before its time has come, down to its bytes: making it costs no lateness.

        A mistake of the operation's shows here, where nothing has been sent yet and everybody knows it.
        """
        request = self._operation.request(number, self._chance.stream(f"operation {number}"))
        _ = request.content
        return request

    def _in_time(self, at_ns: int) -> bool:
        """Come back at a monotonic time; False once nothing is to be sent any more.

        It lets others run even when it is late: those it has started cannot send before.
        """
        stopped = self._stopped.wait(timeout=max(0, at_ns - self._clock.now_ns()) / NS_PER_S)
        while not stopped and (left_ns := at_ns - self._clock.now_ns()) > 0:  # timers may be early
            stopped = self._stopped.wait(timeout=left_ns / NS_PER_S)
        return not stopped

    def _drain(self) -> None:
        if self.state is not State.BROKEN:
            self.state = State.DRAINING
        self._pool.join()
        if self.state is not State.BROKEN:
            self.state = State.DONE
        if self._recorder:
            self._recorder.close()
        self.ended.set()

    def _give_up(self, error: Exception) -> None:
        """End the load: what cannot be sent or recorded as planned cannot be judged."""
        if self.state is not State.BROKEN:
            self.state = State.BROKEN
            ours = isinstance(error, DrillError)  # then it is a sentence
            self.problem = str(error) if ours else f"{type(error).__name__}: {error}"
            if not ours:
                traceback.print_exception(error)  # for the operation's author, who finds it in the log
        self._stopped.set()

    def _refuse(self, number: int, request: Request, intended_ns: int) -> None:
        """Own up to a request that was not sent because of us and not because of the target."""
        self._intend(number, request, intended_ns)
        self._not_sent += 1
        limit = f"{NOT_SENT}{self._plan.in_flight_max} requests are under way, as many as the plan allows"
        self._finish(number, Outcome.REJECTED, self._clock.now_ns(), error=limit)

    def _perform(self, number: int, request: Request, intended_ns: int) -> None:
        try:
            sent_ns = self._intend(number, request, intended_ns)
            self._sent += 1
            self._sent_ns.append(sent_ns)
            self._forget_before(sent_ns - NS_PER_S)
            self._late_ms.append((sent_ns - intended_ns) / NS_PER_MS)
            try:
                answer = self._client.ask(request, name=self._name_of(request))
            except OwnLimitError as error:
                self._sent -= 1
                self._not_sent += 1
                self._finish(number, Outcome.REJECTED, self._clock.now_ns(), error=f"{NOT_SENT}{error}")
            except Exception as error:  # noqa: BLE001 - whatever it was, the client does not know what happened
                told = str(error) or type(error).__name__
                self._finish(number, of_wire_error(error), self._clock.now_ns(), error=told)
            else:
                done_ns = (
                    self._clock.now_ns()
                )  # what it takes to understand the answer is not the target's doing
                outcome, result = self._operation.outcome(answer)
                self._finish(number, outcome, done_ns, status=answer.status, result=result)
        except Exception as error:  # noqa: BLE001 - the disk, or the operation's own code
            self._give_up(error)

    def _name_of(self, request: Request) -> str:
        return request.name or self._operation.name

    def _intend(self, number: int, request: Request, intended_ns: int) -> int:
        """Write down that a request leaves now, and when that is."""
        now_ns = self._clock.now_ns()
        self._note(
            Intent(
                id=number,
                name=self._name_of(request),
                key=request.key,
                intended_ns=intended_ns,
                sent_ns=now_ns,
                detail=request.detail,
            )
        )
        return now_ns

    def _forget_before(self, at_ns: int) -> None:
        """Keep no more than the last second of what was sent, whether or not anybody looks."""
        while self._sent_ns and self._sent_ns[0] < at_ns:
            self._sent_ns.popleft()

    def _finish(
        self,
        number: int,
        outcome: Outcome,
        done_ns: int,
        *,
        status: int = 0,
        error: str = "",
        result: Mapping[str, Any] | None = None,
    ) -> None:
        self._note(
            Done(
                id=number,
                done_ns=done_ns,
                outcome=outcome,
                status=status,
                error=error[:500],
                result=result or {},
            )
        )
        self._outcomes[outcome] += 1

    def _note(self, record: Intent | Done) -> None:
        if self._recorder:
            self._recorder.note(Stream.OPERATIONS, record)
