"""One turn at a time for all stacks of a user, and nobody waits for a turn for ever."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.clock import wait_until
from harness.errors import StackError
from harness.stack import State
from harness.supervisor import processes
from harness.supervisor.base_lock import base_lock
from harness.supervisor.client import Lifeline, SupervisorClient
from tests.supervisor.forking import start
from tests.supervisor.tight_disk import no_file_above

HOLDER = """
import pathlib, sys
from harness.supervisor.base_lock import base_lock
with base_lock(pathlib.Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def somebody_else(base: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process, which has the lock until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        try:
            yield holder
        finally:
            holder.kill()


def stop(holder: "subprocess.Popen[str]") -> None:
    holder.send_signal(signal.SIGSTOP)
    wait_until(
        lambda: processes.state_at(holder.pid) is State.PAUSED, within_s=5, what="the holder to stand still"
    )


def test_a_turn_that_is_given_back_in_time_is_waited_for(tmp_path: Path) -> None:
    with somebody_else(tmp_path) as holder:
        assert holder.stdin is not None
        threading.Timer(0.1, holder.stdin.close).start()
        with base_lock(tmp_path, within_s=20):
            assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_whoever_stands_still_with_the_lock_is_named_and_what_helps(tmp_path: Path) -> None:
    with somebody_else(tmp_path) as holder:
        stop(holder)
        wanted = rf"for 0.1 s: process {holder.pid}, which is stopped\..*kill -CONT {holder.pid}.*kill -KILL"
        with pytest.raises(StackError, match=wanted), base_lock(tmp_path, within_s=0.1):
            pytest.fail("two had the same turn")


def test_a_holder_that_runs_is_not_told_to_be_stopped(tmp_path: Path) -> None:
    with (
        somebody_else(tmp_path) as holder,
        pytest.raises(StackError, match=rf"process {holder.pid}\. Until"),
        base_lock(tmp_path, within_s=0.1),
    ):
        pytest.fail("two had the same turn")


def test_a_holder_that_ends_however_it_does_gives_the_turn_back(tmp_path: Path) -> None:
    with somebody_else(tmp_path) as holder:
        stop(holder)
        holder.kill()
        with base_lock(tmp_path, within_s=20):
            assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_on_a_full_disk_turns_go_on_and_nobody_is_named_wrongly(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1")
    with no_file_above(0), base_lock(tmp_path):
        assert (tmp_path / "lock").read_text() == ""
        with pytest.raises(StackError, match="lsof"), base_lock(tmp_path, within_s=0.05):
            pytest.fail("two had the same turn")


def test_a_supervisor_that_waits_for_its_turn_goes_on_answering(
    base: Path, held: tuple[SupervisorClient, Lifeline]
) -> None:
    client, _ = held
    start(client)
    other = SupervisorClient(client.folder)
    with somebody_else(base) as holder, ThreadPoolExecutor(1) as pool:
        stop(holder)
        ports = pool.submit(other.reserve_ports, 1)
        assert client.state("server") is State.RUNNING
        assert not ports.done()
        holder.kill()
        assert len(ports.result(20)) == 1
    other.close()


def test_a_stack_whose_turn_never_comes_is_ended_all_the_same(
    base: Path, held: tuple[SupervisorClient, Lifeline]
) -> None:
    client, lifeline = held
    family = start(client)
    with somebody_else(base) as holder:
        stop(holder)
        lifeline.cut()
        assert not client.folder.path.exists()
    assert not any(psutil.pid_exists(process.pid) for process in family)
