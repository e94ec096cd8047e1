"""Whose a process is: ours wherever it went, and nobody else's wherever he looks."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.clock import wait_until
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.supervisor import processes, promises, state, sweep
from harness.supervisor.client import Lifeline, SupervisorClient
from tests.supervisor.forking import gone

# A wrapper that starts the server proper elsewhere, in a session of its own, and waits for it.
WRAPPER = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-m", "http.server", sys.argv[1], "--bind", "127.0.0.1"], cwd="/", start_new_session=True
)
child.wait()
"""
# As PostgreSQL's backends do with their titles: nothing of the environment is left to be read.
NAMELESS = [sys.executable, "-c", "import sys; print('there', flush=True); sys.stdin.read()"]


@contextmanager
def somebody(folder: Path, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A process that works in a folder until the block ends."""
    with subprocess.Popen(
        NAMELESS, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


@pytest.fixture
def dead_run(base: Path) -> state.StateFolder:
    """What a killed run has left: a folder that nobody holds."""
    with state.held_folder(base, "20260101-000000-dead") as folder:
        folder.work("kafka-1").mkdir()
    return folder


def test_a_strangers_pager_in_a_dead_runs_folder_lives_through_the_sweep(
    dead_run: state.StateFolder, base: Path
) -> None:
    with somebody(dead_run.work("kafka-1"), {"PATH": os.environ["PATH"]}) as pager:
        [swept] = sweep.sweep(base)
        assert swept.processes == 0
        assert pager.is_running()
        assert pager.status() != psutil.STATUS_ZOMBIE
    assert not dead_run.path.exists()


def test_a_process_with_the_runs_mark_is_ended_wherever_it_works(
    dead_run: state.StateFolder, base: Path, tmp_path: Path
) -> None:
    with somebody(tmp_path, processes.marked({}, dead_run.work("kafka-1"))) as ours:
        [swept] = sweep.sweep(base)
        assert swept.processes == 1
        assert gone([ours])


def test_a_process_that_wrote_over_its_environment_is_known_by_its_folder(
    dead_run: state.StateFolder, base: Path
) -> None:
    with somebody(dead_run.work("kafka-1"), {}) as backend:
        assert processes.belonging_to(dead_run.path) == [backend]
        assert processes.belonging_to(dead_run.work("kafka-1")) == [backend]
        assert processes.belonging_to(dead_run.path / "kafka") == []
        sweep.sweep(base)
        assert gone([backend])


def test_a_descendant_that_left_folder_and_session_ends_with_the_stack(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, lifeline = held
    [port] = client.reserve_ports(1)
    pid = client.spawn(
        ProcessSpec(
            name="wrapped",
            argv=(sys.executable, "-c", WRAPPER, str(port)),
            environment={"PATH": os.environ["PATH"]},
            port=port,
            ports=(port,),
            ready=Readiness(kind=ReadyKind.TCP, port=port),
        )
    )
    wrapper = psutil.Process(pid)
    [child] = wait_until(wrapper.children, within_s=10, what="the wrapped server")
    wait_until(lambda: child.cwd() == "/", within_s=10, what="it to leave its folder")
    lifeline.cut()
    assert gone([wrapper, child])


class SlowHealing:
    """What a healer looks like that waits for a stuck proxy."""

    def __init__(self) -> None:
        self.killed = False

    def poll(self) -> int | None:
        return -9 if self.killed else None

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize(("says_so", "ended"), [("the drill", True), ("the healer", False)])
def test_a_healer_does_not_go_on_when_the_drill_itself_was_done_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says_so: str, ended: bool
) -> None:
    healer = SlowHealing()
    popen = SimpleNamespace(Popen=lambda *_, **__: healer, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr(promises, "subprocess", popen)
    connections = {"the drill": 1, "the healer": 2}

    async def past_its_limit() -> bool:
        given = promises.Promises(state.StateFolder(tmp_path), pytest.fail)
        token = given.give({"title": "provider killed"}, limit_s=3600, connection=1)
        given.keep_those_of(1)  # as its limit would
        return given.undone(token, connection=connections[says_so])

    assert asyncio.run(past_its_limit())
    assert healer.killed is ended


def test_folders_are_open_to_the_users_of_servers_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root PostgreSQL runs as somebody else, and must reach its data."""
    base = tmp_path / "base"
    monkeypatch.setenv(state.STATE_VARIABLE, str(base))
    before = os.umask(0o077)
    try:
        with state.held_folder(state.base_folder(), state.new_run_id()) as folder:
            spec = ProcessSpec(
                name="server",
                argv=("true",),
                environment={},
                port=1,
                ports=(1,),
                ready=Readiness(kind=ReadyKind.TCP, port=1),
                files={"config/one.conf": "a = 1\n"},
            )
            processes.prepare_folder(spec, folder.work("server"))
            ways = [
                folder.path.parent,
                folder.path,
                folder.data,
                folder.work("server"),
                folder.work("server") / "config",
            ]
            assert [path.stat().st_mode & 0o001 for path in ways] == [1, 1, 1, 1, 1]
    finally:
        os.umask(before)


def test_a_child_with_an_environment_of_its_own_ends_with_its_stack(
    held: tuple[SupervisorClient, Lifeline], tmp_path: Path
) -> None:
    """It bears no mark, works elsewhere, and its parent dies first: only the tree, read before, tells whose it is."""
    client, lifeline = held
    started = tmp_path / "pid"
    # What it waits for is to be killed. Should nobody do so, it ends by itself some time, and stays on no machine.
    stranger = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    wrapper = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], cwd='/', "
        "env={'PATH': '/bin'}, start_new_session=True).wait()"
    )
    client.spawn(
        ProcessSpec(
            name="wrapper",
            argv=(sys.executable, "-c", wrapper, stranger),
            environment={},
            port=1,
            ports=(),
            ready=Readiness(kind=ReadyKind.TCP, port=1),
        )
    )
    wait_until(lambda: started.exists() and started.read_text(), within_s=10, what="the child", every_s=0.01)
    child = psutil.Process(int(started.read_text()))
    lifeline.cut()
    assert gone([child])
