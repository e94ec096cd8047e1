"""A load generator that did not get ready must not be taken for the next one."""

import sys
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.load.arrivals import steady
from harness.load.plan import LoadPlan
from harness.stack import State
from harness.stack.embedded import assembly
from harness.stack.embedded.assembly import LOAD
from harness.stack.embedded.plan import Plan
from harness.stack.embedded.stack import EmbeddedStack
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.supervisor.client import Lifeline, SupervisorClient
from tests.load.calls import Call

SILENT = (sys.executable, "-c", "import signal; signal.pause()")
LISTENING = (
    sys.executable,
    "-c",
    "import http.server, sys; http.server.test(port=int(sys.argv[1]), bind='127.0.0.1')",
)


@pytest.fixture
def stack(held: tuple[SupervisorClient, Lifeline], tmp_path: Path) -> EmbeddedStack:
    client, _ = held
    nothing = Plan(run_id="test", target="none", toxiproxy=1, entry=1, logs=str(tmp_path), specs=(), edges=())
    return EmbeddedStack(plan=nothing, supervisor=client)


def start(stack: EmbeddedStack, run_dir: Path) -> None:
    stack.start_load(operation=Call(), shape=steady(1.0, seconds=1.0), timeout_s=1.0, seed=1, run_dir=run_dir)


def in_place_of_load(monkeypatch: pytest.MonkeyPatch, *argv: str) -> None:
    def spec(plan: LoadPlan, *, work: Path) -> ProcessSpec:
        del work
        port = plan.control_port
        return ProcessSpec(
            name=LOAD,
            argv=(*argv, str(port)),
            environment={},
            port=port,
            ports=(port,),
            ready=Readiness(kind=ReadyKind.TCP, port=port, timeout_s=0.3 if argv == SILENT else 10.0),
        )

    monkeypatch.setattr(assembly, "load_spec", spec)


def test_a_generator_that_is_not_ready_in_time_is_ended_and_the_next_one_is_another(
    stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place_of_load(monkeypatch, *SILENT)
    with pytest.raises(StackError, match="load to answer"):
        start(stack, tmp_path)
    assert stack.supervisor.state(LOAD) is State.EXITED
    in_place_of_load(monkeypatch, *LISTENING)
    start(stack, tmp_path)
    assert stack.supervisor.state(LOAD) is State.RUNNING
    stack.end_load()
    assert stack.supervisor.state(LOAD) is State.EXITED


def test_one_that_was_left_is_ended_before_the_next_is_started(
    stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place_of_load(monkeypatch, *LISTENING)
    start(stack, tmp_path)
    first = stack.supervisor.ask("state", name=LOAD)["pid"]
    start(stack, tmp_path)
    assert stack.supervisor.ask("state", name=LOAD)["pid"] != first


def test_where_no_load_was_started_there_is_none_to_end(stack: EmbeddedStack) -> None:
    stack.end_load()
    with pytest.raises(StackError, match="no service 'load' was started"):
        stack.supervisor.state(LOAD)
