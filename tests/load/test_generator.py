"""The whole generator, a process of its own, against a real server that treats it badly."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.clock import NS_PER_S, wait_until
from harness.errors import ExitCode
from harness.load.arrivals import steady
from harness.load.generator import LoadError, LoadGenerator, LoadState, argv
from harness.load.operations import to_record
from harness.load.plan import LoadPlan
from harness.recording.records import NOT_SENT, Stream
from harness.recording.rundir import stream_path
from harness.stack import Address
from tests.load.calls import Call, Faulty
from tests.load.odd_server import LARGE, LATE_S, OddServer, free_port
from tests.load.recorded import operations
from tests.load.running import ROOT, Wanted, generators

pytestmark = pytest.mark.slow

# Each ends or fails in a way of its own, the first two a connection that is used again by whoever comes next.
BAD_PATHS = (
    "ok",
    "closed_behind",
    "second_silent",
    "second_silent",
    "silent",
    "reset",
    "half",
    "moved",
    "broken",
    "large",
)
BAD_COUNT = 10 * len(BAD_PATHS)


@dataclass
class Bad:
    """What a generator recorded of a server that treats it badly, and what that server saw."""

    server: OddServer
    rows: list[dict[str, Any]]
    state: LoadState

    def of(self, path: str) -> list[dict[str, Any]]:
        rows = [row for row in self.rows if row["key"].startswith(f"{path}-")]
        assert rows, f"nobody asked for {path}"
        return rows


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bad]:
    folder = tmp_path_factory.mktemp("bad")
    stream = stream_path(folder / "bad", Stream.OPERATIONS)
    with OddServer(is_noted=lambda key: f'"key":"{key}"' in stream.read_text()) as server:
        operation = Call(paths=BAD_PATHS, methods=("POST", "GET"))
        wanted = Wanted("bad", server.url, steady(BAD_COUNT, seconds=1), operation)
        with generators(folder, wanted) as (generator,):
            generator.begin()
            state = generator.load.wait_done(within_s=10)
        yield Bad(server, operations(generator.run_dir), state)


def test_the_intent_is_on_disk_before_the_server_sees_the_request(bad: Bad) -> None:
    assert len(bad.server.seen) == BAD_COUNT
    assert [seen.key for seen in bad.server.seen if not seen.noted] == []


def test_no_request_is_ever_sent_twice_whatever_its_method(bad: Bad) -> None:
    """The HTTP library would send a GET again over a new connection, and so make two requests of one operation."""
    assert sorted(seen.key for seen in bad.server.seen) == sorted(row["key"] for row in bad.rows)
    assert {seen.method for seen in bad.server.seen if seen.key.startswith("silent")} == {"GET", "POST"}


@pytest.mark.parametrize("path", ["silent", "reset", "half"])
def test_a_connection_that_ended_without_a_whole_answer_is_unknown(bad: Bad, path: str) -> None:
    assert {(row["outcome"], row["status"]) for row in bad.of(path)} == {("unknown", 0)}
    assert all(row["error"] for row in bad.of(path))


def test_a_connection_that_was_closed_while_it_was_idle_is_not_used_again(bad: Bad) -> None:
    """`ok` follows neither of the paths that close behind themselves with a failure."""
    assert {row["outcome"] for path in ("ok", "closed_behind") for row in bad.of(path)} == {"ok"}


def test_a_kept_connection_that_closes_on_the_next_request_is_unknown(bad: Bad) -> None:
    rows = bad.of("second_silent")
    first_on_connection = {seen.key for seen in bad.server.seen if _is_first(seen.connection, seen.key, bad)}
    assert {row["outcome"] for row in rows if row["key"] in first_on_connection} <= {"ok"}
    on_a_kept_one = [row for row in rows if row["key"] not in first_on_connection]
    assert on_a_kept_one, "no connection was ever used again"
    assert {row["outcome"] for row in on_a_kept_one} == {"unknown"}


def _is_first(connection: int, key: str, bad: Bad) -> bool:
    return next(seen.key for seen in bad.server.seen if seen.connection == connection) == key


def test_a_redirect_is_an_answer_and_not_followed(bad: Bad) -> None:
    assert {(row["outcome"], row["status"]) for row in bad.of("moved")} == {("rejected", 307)}
    assert {json.loads(row["result"])["location"] for row in bad.of("moved")} == {"/ok"}


def test_a_5xx_is_a_whole_answer_that_the_operation_judges(bad: Bad) -> None:
    told = {(row["outcome"], row["status"], json.loads(row["result"])["body"]) for row in bad.of("broken")}
    assert told == {("unknown", 503, "no")}


def test_a_large_answer_in_pieces_is_whole_when_its_last_byte_is_there(bad: Bad) -> None:
    told = {(row["outcome"], json.loads(row["result"])["bytes"]) for row in bad.of("large")}
    assert told == {("ok", LARGE)}


def test_no_cookie_ties_one_request_to_another(bad: Bad) -> None:
    assert not any(seen.cookie for seen in bad.server.seen)


def test_the_state_counts_what_is_recorded(bad: Bad) -> None:
    counted = {
        outcome: sum(row["outcome"] == outcome for row in bad.rows)
        for outcome in ("ok", "rejected", "unknown")
    }
    assert counted == {"ok": bad.state.ok, "rejected": bad.state.rejected, "unknown": bad.state.unknown}
    assert (bad.state.sent, bad.state.done, bad.state.in_flight, bad.state.not_sent) == (
        BAD_COUNT,
        BAD_COUNT,
        0,
        0,
    )


def test_a_slow_server_a_dead_one_and_a_hanging_one_change_nothing_about_the_sending(tmp_path: Path) -> None:
    """One test for three, so that Locust is imported side by side."""
    with (
        OddServer() as server,
        generators(
            tmp_path,
            Wanted("slow", server.url, steady(150, seconds=1), Call(paths=("slow",)), timeout_s=5),
            Wanted("dead", f"http://127.0.0.1:{free_port()}", steady(50, seconds=0.4)),
            Wanted(
                "hanging", server.url, steady(50, seconds=0.4), Call(paths=("hang", "drip")), timeout_s=0.5
            ),
        ) as running,
    ):
        for generator in running:
            generator.begin()
        slow, dead, hanging = (generator.load.wait_done(within_s=10) for generator in running)
    rows = {generator.run_dir.name: operations(generator.run_dir) for generator in running}

    assert (slow.sent, slow.ok, slow.not_sent) == (150, 150, 0)
    under_way = [
        sum(other["sent_ns"] <= row["sent_ns"] < other["done_ns"] for other in rows["slow"])
        for row in rows["slow"]
    ]
    assert max(under_way) > 10, "Locust's ten connections: the server's slowness held the sending back"
    assert min(row["done_ns"] - row["sent_ns"] for row in rows["slow"]) >= LATE_S * NS_PER_S

    assert (dead.rejected, dead.not_sent) == (20, 0)
    assert all("ConnectionRefusedError" in row["error"] for row in rows["dead"])

    assert hanging.unknown == 20
    assert all(row["error"] == "no whole answer within 0.5 s" for row in rows["hanging"])
    waited_s = [(row["done_ns"] - row["sent_ns"]) / NS_PER_S for row in rows["hanging"]]
    assert 0.5 <= min(waited_s) <= max(waited_s) < 5, "each read had a patience of its own"


@contextmanager
def nobody_accepts() -> Iterator[str]:
    """A server whose queue is full: the system drops whoever else knocks, and neither refuses nor accepts."""
    with ExitStack() as held:
        server = held.enter_context(socket.socket())
        server.bind(("127.0.0.1", free_port()))
        server.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(server.getsockname())
        yield "http://{}:{}".format(*server.getsockname())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems queue, and limit, in other ways")
def test_without_a_connection_nothing_happened_and_whose_fault_it_was_is_told_apart(tmp_path: Path) -> None:
    with (
        OddServer() as server,
        nobody_accepts() as full,
        generators(
            tmp_path,
            Wanted("full", full, steady(50, seconds=0.2), timeout_s=0.3),
            Wanted("starved", server.url, steady(300, seconds=0.3), Call(paths=("slow",))),
        ) as (unheard, starved),
    ):
        resource.prlimit(starved.process.pid, resource.RLIMIT_NOFILE, (50, 50))
        for generator in (unheard, starved):
            generator.begin()
        unheard_state, starved_state = (
            unheard.load.wait_done(within_s=10),
            starved.load.wait_done(within_s=10),
        )

    assert (unheard_state.sent, unheard_state.rejected, unheard_state.not_sent) == (10, 10, 0)
    assert {row["error"] for row in operations(unheard.run_dir)} == {"no connection within the time-out"}

    rows = operations(starved.run_dir)
    not_sent = [row for row in rows if row["error"].startswith(NOT_SENT)]
    assert {row["outcome"] for row in not_sent} == {"rejected"}
    assert len(not_sent) == starved_state.not_sent > 0
    assert starved_state.ok == starved_state.sent == len(server.seen) > 0
    assert starved_state.sent + starved_state.not_sent == len(rows) == 90


def test_however_a_generator_ends_its_recording_can_be_read(tmp_path: Path) -> None:
    long = steady(100, seconds=600)
    with (
        OddServer() as server,
        generators(
            tmp_path,
            Wanted("killed", server.url, long, Call(paths=("ok", "slow"))),
            Wanted("ended", server.url, long, Call(paths=("ok", "slow"))),
            Wanted("faulty", server.url, long, Faulty(at=3)),
            Wanted("held", server.url, long),
            Wanted("full", server.url, long, disk="/dev/full"),
        ) as (killed, ended, faulty, held, full),
    ):
        for generator in (killed, ended, faulty, full):
            generator.begin()
        wait_until(lambda: killed.load.state().ok > 20, within_s=10, what="answers")
        killed.process.kill()
        assert killed.ended() == -9
        rows = operations(killed.run_dir)
        assert len(rows) > 20
        assert {row["outcome"] for row in rows} <= {"ok", "unknown"}

        wait_until(lambda: ended.load.state().in_flight > 0, within_s=10, what="a request under way")
        ended.process.terminate()
        assert ended.ended() == ExitCode.PASS, ended.log.read_text()
        rows = operations(ended.run_dir)
        assert rows
        assert all(row["outcome"] == "ok" for row in rows), "what was under way had its time to be answered"

        with pytest.raises(LoadError, match="KeyError: 'basket'"):
            faulty.load.wait_done(within_s=10)
        assert len(operations(faulty.run_dir)) == 3
        faulty.process.terminate()
        assert faulty.ended() == ExitCode.INCONCLUSIVE
        assert "Traceback" in faulty.log.read_text(), (
            "the operation's author is not told where the mistake is"
        )

        with pytest.raises(LoadError, match=r"gave up after 0 requests: .*The disk is full"):
            full.load.wait_done(within_s=10)
        full.process.terminate()
        assert full.ended() == ExitCode.INCONCLUSIVE
        assert "The disk is full" in full.log.read_text()
        assert "Traceback" not in full.log.read_text()

        held.load.stop()
        assert held.load.wait_done(within_s=5).sent == 0
        with pytest.raises(LoadError, match="409"):
            held.begin()


def test_what_cannot_be_begun_ends_with_a_sentence_and_the_code_for_it(tmp_path: Path) -> None:
    """One test for all, so that Locust is imported side by side."""
    (tmp_path / "mistaken.py").write_text("prices = [1, 2][7]\n")
    plan = json.loads(
        LoadPlan(
            operation=to_record(Call()),
            shape=steady(1, seconds=1),
            base_url="http://127.0.0.1:1",
            seed=1,
            timeout_s=1,
            record="",
            control_port=free_port(),
            in_flight_max=1,
            python_path=(str(tmp_path),),
        ).to_json()
    )
    with socket.create_server(("127.0.0.1", free_port())) as other:
        cases: dict[str, tuple[dict[str, Any], ExitCode, str]] = {
            "empty": ({}, ExitCode.USAGE, "is no load plan"),
            "impatient": ({**plan, "timeout_s": 0}, ExitCode.USAGE, "timeout_s"),
            "unknown": ({**plan, "operation": {"type": "nowhere:Call"}}, ExitCode.USAGE, "'nowhere:Call'"),
            "mistaken": (
                {**plan, "operation": {"type": "mistaken:Call"}},
                ExitCode.USAGE,
                "IndexError: list index out of range",
            ),
            "busy": (
                {**plan, "control_port": other.getsockname()[1]},
                ExitCode.NO_STACK,
                f"control port {other.getsockname()[1]}",
            ),
        }
        with ExitStack() as held:
            started = {}
            for name, (given, _, _) in cases.items():
                path = tmp_path / f"{name}.json"
                path.write_text(json.dumps(given))
                started[name] = held.enter_context(
                    subprocess.Popen(argv(path), stderr=subprocess.PIPE, text=True, cwd=ROOT)
                )
                held.callback(started[name].kill)
            told = {name: process.communicate(timeout=30)[1] for name, process in started.items()}
    for name, (_, code, words) in cases.items():
        assert started[name].returncode == code, told[name]
        assert words in told[name]
        assert "Traceback" not in told[name]


def test_a_generator_that_is_gone_is_missed_by_name() -> None:
    load = LoadGenerator(Address("127.0.0.1", free_port()))
    with pytest.raises(LoadError, match=r"did not answer: GET .*/state"):
        load.state()


def test_the_harness_never_imports_locust() -> None:
    """It would replace the blocking calls of whoever does, pytest included."""
    looked = "import sys, harness.load.generator, harness.load.plan, harness.load.operations\n"
    looked += "print([name for name in ('locust', 'gevent') if name in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", looked], check=True, capture_output=True, text=True, timeout=20, cwd=ROOT
    )
    assert told.stdout.strip() == "[]"
