"""A supervisor with real, small processes: what it starts it also ends, whoever dies first."""

import shutil
import signal
import socket
from pathlib import Path

import psutil
import pytest

from harness.clock import wait_until
from harness.errors import ConfigError, StackError
from harness.stack import State
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.supervisor import processes, state, sweep
from harness.supervisor.client import Lifeline, SupervisorClient, launch
from harness.supervisor.ports import PortBook
from tests.supervisor.forking import gone, server, start
from tests.supervisor.tight_disk import no_file_above


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
    assert swept.run_id == "20260101-000000-0000"
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


def test_a_child_that_is_forked_while_its_parent_is_being_paused_is_paused_too(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    """A busy PostgreSQL forks a backend for each new connection."""
    client, _ = held
    family = start(client)
    client.signal("server", signal.SIGSTOP)
    family[1].send_signal(signal.SIGCONT)  # as one that was not there yet when all were listed
    assert client.await_state("server", State.PAUSED, within_s=5)
    assert {process.status() for process in family} == {psutil.STATUS_STOPPED}


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
    other, lifeline = launch(run_id="20260101-000000-0001", base=base, logs=None)
    assert lifeline is not None
    try:
        mine, theirs = client.reserve_ports(200), other.reserve_ports(200)
        assert len({*mine, *theirs}) == 400
        assert all(20_000 <= port < 32_768 for port in (*mine, *theirs))
    finally:
        lifeline.cut()


def test_a_detached_stack_ends_with_its_lease(base: Path) -> None:
    client, lifeline = launch(run_id="20260101-000000-0002", base=base, logs=None, lease_s=1.5)
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


def test_an_answer_to_a_request_that_was_broken_off_is_not_taken_for_the_next_ones(
    held: tuple[SupervisorClient, Lifeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = held
    start(client)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, "_answer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.reserve_ports(1)
    assert client.state("server") is State.RUNNING
    assert client.exit_code("server") is None


def test_a_supervisor_that_stands_still_is_told_and_what_it_says_later_is_let_go(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    family = start(client)
    supervisor = psutil.Process(family[0].ppid())
    supervisor.suspend()
    with pytest.raises(StackError, match=r"did not answer 'reserve' within 0.1 s.*stands still"):
        client.ask("reserve", timeout_s=0.1, count=1)
    supervisor.resume()
    assert client.state("server") is State.RUNNING


def connection(client: SupervisorClient) -> socket.socket:
    """Another client, which speaks as it likes."""
    other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    other.connect(str(client.folder.socket))
    return other


@pytest.mark.parametrize("said", [b"", b'{"id": 1, "verb": "tear_d', b'{"id": 1, "verb": "tear_down"}'])
def test_a_client_that_hangs_up_in_the_middle_of_a_request_has_asked_for_nothing(
    held: tuple[SupervisorClient, Lifeline], said: bytes
) -> None:
    client, _ = held
    family = start(client)
    with connection(client) as other:
        other.sendall(said)
        other.shutdown(socket.SHUT_WR)
        assert other.recv(100) == b""  # it was read to its end, and not answered
    assert client.state("server") is State.RUNNING
    assert not gone(family)


@pytest.mark.parametrize("said", [b"\n", b"[]\n", b"{}\n", b'{"id": "one", "verb": "spawn"}\n', b"\xff\n"])
def test_what_is_no_request_is_answered_with_an_error(
    held: tuple[SupervisorClient, Lifeline], said: bytes
) -> None:
    client, _ = held
    with connection(client) as other:
        other.sendall(said)
        assert b"no request" in other.recv(1000)
        other.sendall(b'{"id": 7, "verb": "reserve", "count": 1}\n')
        assert other.recv(1000).startswith(b'{"id":7,"ok":[')


def test_nothing_is_started_once_the_end_has_begun(held: tuple[SupervisorClient, Lifeline]) -> None:
    client, _ = held
    ports = client.reserve_ports(200)
    client.ask("tear_down")

    def refused() -> bool:
        try:
            client.spawn(server(port := ports.pop(), name=f"server-{port}"))
        except StackError:
            return True
        return False

    wait_until(refused, within_s=10, what="the supervisor to refuse", every_s=0.0)
    wait_until(lambda: not client.folder.path.exists(), within_s=10, what="the folder to go", every_s=0.01)
    assert processes.belonging_to(client.folder.path) == []


def test_two_requests_to_start_one_service_start_one_process(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    spec = server(client.reserve_ports(1)[0])
    other = SupervisorClient(client.folder)
    assert client.spawn(spec) == other.spawn(spec)
    other.close()


def test_what_runs_is_not_taken_for_something_else_of_that_name(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    first, other = (server(port) for port in client.reserve_ports(2))
    client.spawn(first)
    with pytest.raises(StackError, match=r"server runs already, started otherwise"):
        client.spawn(other)
    client.signal("server", signal.SIGKILL)
    assert client.await_state("server", State.EXITED, within_s=5)
    assert client.spawn(other)


def test_what_ends_by_itself_is_remembered_even_when_it_was_started_again(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    family = start(client)
    assert client.losses() == {}
    client.signal("server", signal.SIGKILL)
    assert client.await_state("server", State.EXITED, within_s=5)
    assert client.losses() == {}  # that was us
    family = start(client)
    for process in family:
        process.kill()
    assert client.await_state("server", State.EXITED, within_s=5)
    client.signal("server", signal.SIGKILL)  # too late to have been us
    start(client)
    assert client.losses() == {"server": -signal.SIGKILL}
    client.forget()
    assert client.losses() == {}


def test_a_stack_made_as_new_has_no_promise_left_that_would_heal_the_next_drills_fault(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    token = client.ask("promise", fault={"title": "slow"}, limit_s=600.0)
    client.forget()
    assert client.ask("undone", token=token) is False
    assert state.read_lines(client.folder.undo)[-1] == {"token": token, "undone": True}


def test_what_a_killed_supervisor_left_is_cleared_by_its_harness(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, lifeline = held
    family = start(client)
    psutil.Process(family[0].ppid()).kill()
    with pytest.raises(StackError, match="is gone, and every process of the stack with it"):
        wait_until(lambda: client.reserve_ports(1) and None, within_s=10, what="the supervisor to be gone")
    lifeline.cut()
    assert gone(family)
    assert not client.folder.path.exists()


def test_a_fault_that_cannot_be_undone_ends_the_stack_and_the_last_words_tell_which(
    held: tuple[SupervisorClient, Lifeline],
) -> None:
    client, _ = held
    family = start(client)
    client.ask("promise", fault={"type": "nobody.knows:It", "title": "slow"}, limit_s=0.1)

    def last_words() -> str:
        try:
            client.reserve_ports(1)
        except StackError as error:
            return "" if "is being ended" in str(error) else str(error)  # it may still answer while it ends
        return ""

    told = wait_until(last_words, within_s=20, what="the supervisor to be gone")
    assert "Its last words: the fault 'slow' could not be undone, so the stack" in told
    assert gone(family)


def test_a_run_has_its_ports_for_as_long_as_it_has_its_folder(base: Path) -> None:
    book = PortBook(base)
    (base / "one").mkdir()
    (base / "two").mkdir()
    first = book.reserve("one", 3)
    assert set(book.reserve("two", 3)).isdisjoint(first)
    (base / "one").rmdir()
    book.reserve("two", 1)
    assert "one" not in (base / "ports.json").read_text()
    assert len(book.reserve("two", 1)) == 1


def test_a_line_that_does_not_fit_swallows_no_other_line(tmp_path: Path) -> None:
    record = tmp_path / "undo.jsonl"
    state.append_line(record, {"token": "first"})
    with no_file_above(record.stat().st_size + 5), pytest.raises(OSError, match="too large"):
        state.append_line(record, {"token": "second"})
    state.append_line(record, {"token": "third"})
    assert state.read_lines(record) == [{"token": "first"}, {"token": "third"}]


def test_half_of_a_copied_template_is_never_started_on(tmp_path: Path) -> None:
    template, work = tmp_path / "template", tmp_path / "work"
    template.mkdir()
    (template / "data").write_bytes(b"x" * 5000)
    spec = ProcessSpec(
        name="copying",
        argv=("true",),
        environment={},
        port=1,
        ports=(),
        ready=Readiness(kind=ReadyKind.TCP, port=1),
        copies={"cluster": str(template)},
    )
    with no_file_above(1000), pytest.raises(shutil.Error):
        processes.prepare_folder(spec, work)
    assert not (work / "cluster").exists()
    processes.prepare_folder(spec, work)
    assert (work / "cluster" / "data").stat().st_size == 5000


def test_a_state_folder_whose_sockets_would_have_too_long_a_path_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(state.STATE_VARIABLE, str(tmp_path / ("x" * 100)))
    with pytest.raises(ConfigError, match=r"may have \d+ bytes, got \d+"):
        state.base_folder()
