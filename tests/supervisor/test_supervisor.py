"""A supervisor with real, small processes: what it starts it also ends, whoever dies first."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.clock import wait_until
from harness.errors import StackError
from harness.stack import State
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.supervisor import state, sweep
from harness.supervisor.client import Lifeline, SupervisorClient, launch

# A server with a child of its own, as PostgreSQL has: the child takes a session of its own.
FORKING_SERVER = textwrap.dedent("""
    import os, signal, socket, sys, time
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    print("serving", flush=True)
    signal.pause()
""")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not tmp_path itself: a Unix socket's path has 104 bytes at most.
    folder = Path(f"/tmp/drilltest-{os.getpid()}-{abs(hash(tmp_path)) % 10**6}")  # noqa: S108
    monkeypatch.setenv(state.STATE_VARIABLE, str(folder))
    yield state.base_folder()
    sweep.sweep(folder)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture
def held(base: Path, tmp_path: Path) -> Iterator[tuple[SupervisorClient, Lifeline]]:
    client, lifeline = launch(run_id="test", base=base, logs=tmp_path / "logs")
    assert lifeline is not None
    yield client, lifeline
    lifeline.cut()


def server(port: int, name: str = "server") -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-c", FORKING_SERVER, str(port)),
        environment={"PATH": os.environ["PATH"]},
        port=port,
        ports=(port,),
        ready=Readiness(kind=ReadyKind.TCP, port=port),
        files={"config/one.conf": "a = 1\n"},
    )


def start(client: SupervisorClient) -> list[psutil.Process]:
    """Start the forking server; both of its processes."""
    pid = client.spawn(server(client.reserve_ports(1)[0]))
    return wait_until(lambda: both(pid), within_s=10, what="the server and its child")


def both(pid: int) -> list[psutil.Process] | None:
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    return family if len(family) == 2 else None


def gone(family: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def test_a_cut_lifeline_ends_every_process_and_removes_the_folder(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, lifeline = held
    family = start(client)
    lifeline.cut()
    assert gone(family)
    assert not client.folder.path.exists()


def test_killing_the_supervisor_kills_what_it_started_and_a_sweep_clears_the_rest(
    held: tuple[SupervisorClient, Lifeline], base: Path
) -> None:
    client, _ = held
    family = start(client)
    [supervisor] = [
        process
        for process in psutil.Process().children()
        if "harness.supervisor" in " ".join(process.cmdline())
    ]
    supervisor.kill()
    supervisor.wait(5)
    [swept] = sweep.sweep(base)
    assert swept.run_id == "test"
    assert gone(family)
    assert not client.folder.path.exists()
    assert sweep.sweep(base) == []


def test_a_sweep_leaves_a_live_stack_alone(held: tuple[SupervisorClient, Lifeline], base: Path) -> None:
    client, _ = held
    family = start(client)
    assert sweep.sweep(base) == []
    assert all(process.is_running() for process in family)


def test_kill_pause_and_resume_reach_children_that_left_the_session(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    family = start(client)
    client.signal("server", signal.SIGSTOP)
    assert client.await_state("server", State.PAUSED, within_s=5)
    assert {process.status() for process in family} == {psutil.STATUS_STOPPED}
    client.signal("server", signal.SIGCONT)
    assert client.await_state("server", State.RUNNING, within_s=5)
    client.signal("server", signal.SIGKILL)
    assert client.await_state("server", State.EXITED, within_s=5)
    assert gone(family)
    assert client.exit_code("server") == -signal.SIGKILL


def test_a_paused_process_is_torn_down_too(held: tuple[SupervisorClient, Lifeline]) -> None:
    client, lifeline = held
    family = start(client)
    client.signal("server", signal.SIGSTOP)
    assert client.await_state("server", State.PAUSED, within_s=5)
    lifeline.cut()
    assert gone(family)


def test_a_busy_port_is_refused_with_its_number(held: tuple[SupervisorClient, Lifeline]) -> None:
    client, _ = held
    [port] = client.reserve_ports(1)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StackError, match=f"port {port} .* busy"):
        client.spawn(server(port))


def test_two_stacks_are_never_given_the_same_port(
    base: Path, held: tuple[SupervisorClient, Lifeline]
) -> None:
    client, _ = held
    other, lifeline = launch(run_id="other", base=base, logs=None)
    assert lifeline is not None
    try:
        mine, theirs = client.reserve_ports(200), other.reserve_ports(200)
        assert len({*mine, *theirs}) == 400
        assert all(20_000 <= port < 32_768 for port in (*mine, *theirs))
    finally:
        lifeline.cut()


def test_a_detached_stack_ends_with_its_lease(base: Path) -> None:
    client, lifeline = launch(run_id="leased", base=base, logs=None, lease_s=1.5)
    assert lifeline is None
    family = start(client)
    client.close()
    wait_until(lambda: not client.folder.path.exists(), within_s=10, what="the lease to end")
    assert gone(family)


def test_an_unknown_service_or_verb_is_an_error_and_not_the_end(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    with pytest.raises(StackError, match="no service 'ghost'"):
        client.state("ghost")
    with pytest.raises(StackError, match="could not dance"):
        client.ask("dance")
    assert client.reserve_ports(1)
