"""The dispatcher with a client that is a function: no sockets, no Locust, no time beyond a few milliseconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event

from harness.checks.load import LoadReached
from harness.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK, SystemClock
from harness.errors import ConfigError
from harness.load.arrivals import Shape, steady
from harness.load.dispatch import Dispatch, State
from harness.load.operations import Answer, NotConnectedError, OwnLimitError, Request, to_record
from harness.load.plan import LoadPlan
from harness.recording.history import History
from harness.recording.recorder import Recorder
from harness.recording.records import NOT_SENT, Outcome, Phase, PhaseStarted, Stream
from harness.recording.rundir import extent, stream_path
from tests.histories import run_info
from tests.load.calls import Call, Faulty, TwoKinds
from tests.load.recorded import operations

BRIEFLY = steady(1_000, seconds=0.02)  # 20 requests
LONG_S = 3_600  # a phase that no machine is too slow for


def fine(_: Request) -> Answer:
    return Answer(status=200, headers={}, body=b"fine")


@dataclass
class Ask:
    """A client that answers as it is told to, and keeps what it was asked."""

    treat: Callable[[Request], Answer] = fine
    asked: list[str] = field(default_factory=list)

    def ask(self, request: Request, *, name: str) -> Answer:
        self.asked.append(request.key)
        return self.treat(request)


def plan(run_dir: Path, **changed: Any) -> LoadPlan:
    given: dict[str, Any] = {
        "operation": to_record(Call()),
        "shape": BRIEFLY,
        "base_url": "http://127.0.0.1:23000",
        "seed": 1,
        "timeout_s": 1.0,
        "record": str(stream_path(run_dir, Stream.OPERATIONS)),
        "control_port": 23001,
        "in_flight_max": 1_000,
    }
    return LoadPlan(**given | changed)


def carried_out(client: Ask, plan: LoadPlan) -> Dispatch:
    dispatch = Dispatch(plan, client)
    dispatch.run(SYSTEM_CLOCK.now_ns())
    assert dispatch.ended.is_set()
    return dispatch


def test_every_request_of_the_shape_is_sent_once_and_written_down(tmp_path: Path) -> None:
    client = Ask()
    dispatch = carried_out(client, plan(tmp_path))
    rows = operations(tmp_path)
    assert sorted(client.asked) == sorted(row["key"] for row in rows)
    assert [row["id"] for row in rows] == list(range(20))
    assert {row["outcome"] for row in rows} == {"ok"}
    assert dispatch.report()["ok"] == dispatch.report()["sent"] == dispatch.report()["done"] == 20
    assert dispatch.state is State.DONE


def test_a_request_is_called_what_it_wants_and_else_what_its_operation_is(tmp_path: Path) -> None:
    carried_out(Ask(), plan(tmp_path, operation=to_record(TwoKinds())))
    assert [row["name"] for row in operations(tmp_path)] == ["call", "look"] * 10


def test_no_request_leaves_before_its_time(tmp_path: Path) -> None:
    carried_out(Ask(), plan(tmp_path))
    assert all(row["intended_ns"] <= row["sent_ns"] <= row["done_ns"] for row in operations(tmp_path))


def test_the_intent_is_on_disk_when_the_client_is_asked(tmp_path: Path) -> None:
    stream = stream_path(tmp_path, Stream.OPERATIONS)
    unnoted: list[str] = []

    def look(request: Request) -> Answer:
        if f'"{request.key}"' not in stream.read_text():
            unnoted.append(request.key)
        return fine(request)

    client = Ask(look)
    carried_out(client, plan(tmp_path))
    assert len(client.asked) == 20
    assert unnoted == []


def test_the_same_seed_sends_the_same_requests_at_the_same_times(tmp_path: Path) -> None:
    asked: list[list[bytes]] = []
    offsets: list[list[int]] = []
    for run_dir in (tmp_path / "one", tmp_path / "two"):
        bodies: list[bytes] = []

        def keep(request: Request, bodies: list[bytes] = bodies) -> Answer:
            bodies.append(request.content or b"")
            return fine(request)

        dispatch = Dispatch(plan(run_dir), Ask(keep))
        start_ns = SYSTEM_CLOCK.now_ns()
        dispatch.run(start_ns)
        asked.append(sorted(bodies))
        offsets.append([row["intended_ns"] - start_ns for row in operations(run_dir)])
    assert asked[0] == asked[1]
    assert offsets[0] == offsets[1]


def test_an_early_timer_sends_nothing_early(tmp_path: Path) -> None:
    class Slow(SystemClock):
        """By this clock every timer of the machine comes in half its time."""

        began_ns = SYSTEM_CLOCK.now_ns()

        def now_ns(self) -> int:
            return self.began_ns + (super().now_ns() - self.began_ns) // 2

    clock = Slow()
    Dispatch(plan(tmp_path), Ask(), clock=clock).run(clock.now_ns())
    assert all(row["intended_ns"] <= row["sent_ns"] for row in operations(tmp_path))


def test_late_requests_are_still_sent_one_after_the_other_and_say_how_late(tmp_path: Path) -> None:
    """A dispatcher that caught up without letting go would find its places full of requests not yet begun."""
    client = Ask()
    dispatch = Dispatch(plan(tmp_path, in_flight_max=2), client)
    dispatch.run(SYSTEM_CLOCK.now_ns() - 200 * NS_PER_MS)
    assert len(client.asked) == 20
    assert dispatch.report()["late_ms_p99"] > 150


def test_requests_beyond_the_generator_s_own_bound_are_told_apart_and_hold_nothing_up(tmp_path: Path) -> None:
    over = Event()
    seen: dict[str, Any] = {}

    def hold(request: Request) -> Answer:
        if request.key.endswith("-0"):  # the first has the only place until the last has been refused
            over.wait(timeout=5)
        return fine(request)

    client = Ask(hold)
    dispatch = Dispatch(plan(tmp_path, in_flight_max=1), client)
    original = dispatch._refuse

    def refuse(number: int, request: Request, intended_ns: int) -> None:
        original(number, request, intended_ns)
        if number == 19:
            seen.update(dispatch.report())
            over.set()

    dispatch._refuse = refuse  # type: ignore[method-assign]  # to see the moment of the last refusal
    dispatch.run(SYSTEM_CLOCK.now_ns())
    assert client.asked == ["ok-0"]
    assert (seen["sent"], seen["done"], seen["in_flight"], seen["not_sent"]) == (1, 0, 1, 19)
    assert seen["sent_last_second"] <= 1, "what was refused is no rate that the target was offered"
    refused = [row for row in operations(tmp_path) if row["id"] > 0]
    assert {row["outcome"] for row in refused} == {"rejected"}
    assert all(row["error"].startswith(NOT_SENT) for row in refused)


def fails(error: Exception) -> Callable[[Request], Answer]:
    def ask(_: Request) -> Answer:
        raise error

    return ask


@pytest.mark.parametrize(
    ("error", "outcome", "told", "not_sent"),
    [
        (NotConnectedError("refused"), Outcome.REJECTED, "refused", 0),
        (OwnLimitError("too many files"), Outcome.REJECTED, NOT_SENT, 20),
        (ConnectionResetError("reset"), Outcome.UNKNOWN, "reset", 0),
        (ValueError("whatever"), Outcome.UNKNOWN, "whatever", 0),
    ],
)
def test_what_came_instead_of_an_answer_decides(
    tmp_path: Path, error: Exception, outcome: Outcome, told: str, not_sent: int
) -> None:
    dispatch = carried_out(Ask(fails(error)), plan(tmp_path))
    rows = operations(tmp_path)
    assert len(rows) == 20
    assert {(row["outcome"], row["status"]) for row in rows} == {(outcome.value, 0)}
    assert all(row["error"].startswith(told) for row in rows)
    report = dispatch.report()
    assert (report["sent"], report["not_sent"], report["in_flight"]) == (20 - not_sent, not_sent, 0)


def test_a_stop_sends_nothing_new_and_waits_for_what_is_under_way(tmp_path: Path) -> None:
    client = Ask()
    dispatch = Dispatch(plan(tmp_path, shape=steady(100, seconds=60)), client)
    states: list[State] = []

    def stop(request: Request) -> Answer:
        dispatch.stop()
        states.append(dispatch.state)
        return fine(request)

    client.treat = stop
    dispatch.run(SYSTEM_CLOCK.now_ns())
    assert len(client.asked) == 1
    assert states == [State.RUNNING]
    assert dispatch.state is State.DONE
    assert [row["outcome"] for row in operations(tmp_path)] == ["ok"]


def test_a_stop_before_the_start_is_the_end(tmp_path: Path) -> None:
    dispatch = Dispatch(plan(tmp_path), Ask())
    dispatch.stop()
    assert dispatch.state is State.DONE
    assert dispatch.ended.is_set()


def test_an_operation_with_a_mistake_breaks_the_load_aloud(tmp_path: Path) -> None:
    client = Ask()
    dispatch = carried_out(client, plan(tmp_path, operation=to_record(Faulty(at=5))))
    assert dispatch.state is State.BROKEN
    assert dispatch.report()["problem"] == "KeyError: 'basket'"
    assert len(client.asked) == 5
    assert len(operations(tmp_path)) == 5


def test_a_body_that_cannot_be_sent_breaks_the_load_and_is_no_unknown_operation(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = Ask()
    dispatch = carried_out(client, plan(tmp_path, operation=to_record(Faulty(at=5, body=True))))
    assert dispatch.state is State.BROKEN
    assert dispatch.report()["problem"].startswith("TypeError: Encoding objects of type object")
    assert len(client.asked) == len(operations(tmp_path)) == 5
    assert "Traceback" in capfd.readouterr().err, "the log has nothing for the operation's author"


def test_what_it_takes_to_understand_an_answer_is_not_the_target_s_time(tmp_path: Path) -> None:
    class Steps(SystemClock):
        step_ns = 0

        def now_ns(self) -> int:
            return super().now_ns() + self.step_ns

    clock = Steps()

    class LongWinded(bytes):
        def decode(self, *_: Any) -> str:
            clock.step_ns += 60 * NS_PER_S
            return "fine"

    client = Ask(lambda _: Answer(status=200, headers={}, body=LongWinded()))
    Dispatch(plan(tmp_path, shape=steady(1_000, seconds=0.001)), client, clock=clock).run(clock.now_ns())
    [row] = operations(tmp_path)
    assert clock.step_ns == 60 * NS_PER_S
    assert row["done_ns"] - row["sent_ns"] < 30 * NS_PER_S


def test_a_load_that_nobody_looks_at_does_not_fill_the_memory(tmp_path: Path) -> None:
    class Hurried(SystemClock):
        """Every look at it is a second later: no two requests leave in the same second."""

        at_ns = SYSTEM_CLOCK.now_ns()

        def now_ns(self) -> int:
            self.at_ns += NS_PER_S
            return self.at_ns

    clock = Hurried()
    dispatch = Dispatch(plan(tmp_path, shape=steady(1_000, seconds=0.5)), Ask(), clock=clock)
    dispatch.run(clock.now_ns())
    assert len(dispatch._sent_ns) <= 1
    assert dispatch.report()["sent"] == 500


def test_an_answer_that_the_operation_cannot_read_breaks_the_load_aloud(tmp_path: Path) -> None:
    unreadable = Answer(status=200, headers={}, body=b"\xff")
    dispatch = carried_out(Ask(lambda _: unreadable), plan(tmp_path))
    assert dispatch.state is State.BROKEN
    assert "UnicodeDecodeError" in dispatch.report()["problem"]


def test_nothing_is_sent_that_cannot_be_written_down(tmp_path: Path) -> None:
    stream_path(tmp_path, Stream.OPERATIONS).symlink_to("/dev/full")
    client = Ask()
    dispatch = carried_out(client, plan(tmp_path))
    assert client.asked == []
    assert dispatch.state is State.BROKEN
    assert "disk is full" in dispatch.report()["problem"]


def test_requests_that_were_not_sent_are_evidence_against_the_load(tmp_path: Path) -> None:
    """The generator's own words, read by the check that decides whether there was a load at all."""
    with Recorder(tmp_path) as recorder:
        recorder.start(run_info(promised={"phases": {"steady": 0.0}, "load_s": LONG_S}))
        start_ns = SYSTEM_CLOCK.now_ns()
        recorder.note(Stream.PHASES, PhaseStarted(phase=Phase.STEADY, at_ns=start_ns))
        recorder.note(Stream.PHASES, PhaseStarted(phase="end", at_ns=start_ns + LONG_S * NS_PER_S))
        client = Ask()
        dispatch = Dispatch(plan(tmp_path, in_flight_max=18), client)

        def hold(request: Request) -> Answer:
            while dispatch.report()["not_sent"] < 2:
                Event().wait(timeout=0.001)
            return fine(request)

        client.treat = hold
        dispatch.run(start_ns)
        recorder.finish("completed")
    seen = LoadReached(phase=Phase.STEADY, rate_per_s=20 / LONG_S).seen(History.load(tmp_path))
    assert not seen.ok
    assert seen.sentence.startswith("18 of 20 operations offered in steady (wanted 90%), 2 could not be sent")


def test_an_unknown_operation_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tests\.load\.calls:Gone"):
        Dispatch(plan(tmp_path, operation={"type": "tests.load.calls:Gone", "fields": {}}), Ask())


def test_without_a_recording_the_load_is_the_same(tmp_path: Path) -> None:
    client = Ask()
    carried_out(client, plan(tmp_path, record=""))
    assert len(client.asked) == 20
    assert extent(stream_path(tmp_path, Stream.OPERATIONS)) is None


def test_a_shape_of_nothing_ends_at_once(tmp_path: Path) -> None:
    empty: Shape = steady(0, seconds=60)
    assert carried_out(Ask(), plan(tmp_path, shape=empty)).state is State.DONE
