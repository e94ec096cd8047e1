"""Recordings as they are found: of a killed run, copied in part, of another version, or with a clock that jumped.

Whoever reads them (`report`, `judge`, a baseline) goes as far as they go and says so, or refuses them with one message.
Each is damaged after it was judged PASS, so that nothing but the reader's care keeps it from being green.
"""

import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from harness import cli
from harness.chance import Chance
from harness.errors import ConfigError, ExitCode
from harness.judging_again import judge_again
from harness.proven import baseline_of
from harness.recording.records import Stream, Verdict
from harness.recording.rundir import read_run, stream_path, write_findings, write_run
from harness.recording.session_standing import session_standing
from harness.recording.sessions import JudgedRun, SessionInfo, write_session
from scenarios.claims import universal
from scenarios.large_run import PHASES
from tests.histories import STARTS_S, Drill, innocent_tables

NAME = "saga-payment-outage"
WATCHED = {"nothing-acknowledged-is-lost", "no-order-is-charged-twice", "events-take-effect-in-order"}
RECORDED = (Stream.OPERATIONS, Stream.PHASES, Stream.FAULTS, Stream.READINGS, Stream.MACHINE, Stream.DISK)
Damage = Callable[[Path], object]


def recorded(
    run_dir: Path, *, phases: Mapping[str, float] = STARTS_S, later_s: float = 0, ended: str = "completed"
) -> Path:
    """A run whose claims hold; from the 40th on, its operations were noted that much later."""
    claims = [claim for claim in universal(PHASES, 1.0) if claim.id in WATCHED]
    promised = {"faults": [{"title": "provider killed", "seconds": 19}]}
    drill = Drill(run_dir, *claims, phases=phases, promised=promised)
    for number in range(65):
        at_s = number + (later_s if number >= 40 else 0)
        drill.operation(f"o{number:03}", at_s, amount_cents=500, customer="c", contents="mug:2")
    tables = innocent_tables(orders=65)
    for order in tables["orders"]:
        order["customer_id"] = "c"
    drill.fault().heartbeat().disk().tables(tables).ended(ended)
    return run_dir


def in_session(run_dir: Path) -> Path:
    """The session of one run that says that it passed."""
    judged = JudgedRun(run=run_dir.name, scenario=NAME, verdict=Verdict.PASS, superseded=False)
    info = SessionInfo(selected=(NAME,), exit_code=0, runs=(run_dir.name,), judged=(judged,))
    write_session(run_dir.parent, info)
    return run_dir.parent


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = recorded(tmp_path_factory.mktemp("recorded") / "s1" / NAME)
    assert judge_again(run_dir).verdict is Verdict.PASS
    return in_session(run_dir)


@pytest.fixture
def session(green: Path, tmp_path: Path) -> Path:
    return copytree(green, tmp_path / "s1")


@pytest.fixture
def drill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["drill", *arguments])
        with pytest.raises(SystemExit) as exited:
            cli.main()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return int(str(exited.value.code)), shown.err

    return call


def headline(report: Path, format_: str) -> str:
    """Where a report says the verdict of the whole of it."""
    text = report.read_text(encoding="utf-8")
    if format_ == "json":
        return str(json.loads(text)["verdict"])
    if format_ == "html":
        return text.partition("<title>")[2].partition("</title>")[0].split()[0]
    return text.splitlines()[0].split()[2].rstrip(":")


def must_be_green_in_no_report(session: Path, drill: Callable[..., tuple[int, str]]) -> str:
    """Let a session of one run be told in every way, and return what was said."""
    run_dir, told = session / NAME, []
    for place in (run_dir, session):
        for format_ in ("html", "markdown", "json"):
            out = session.parent / f"{place.name}.{format_}"
            code, err = drill("report", str(place), "--format", format_, "--out", str(out))
            told.append(err)
            if code == ExitCode.PASS:
                assert headline(out, format_) != "PASS", format_
                told.append(out.read_text(encoding="utf-8"))
            else:
                assert (code, place) == (ExitCode.USAGE, run_dir)
                assert err.startswith("drill: ")
    with pytest.raises(ConfigError) as refused:
        baseline_of(session, [NAME])
    return "\n".join([*told, str(refused.value)])


def must_be_green_nowhere(session: Path, drill: Callable[..., tuple[int, str]]) -> str:
    """The same, and let it be judged again."""
    told = must_be_green_in_no_report(session, drill)
    code, err = drill("judge", str(session / NAME))
    assert code in {ExitCode.INCONCLUSIVE, ExitCode.USAGE, ExitCode.FAIL}
    return f"{told}\n{err}"


def test_what_is_whole_is_green_everywhere(session: Path, drill: Callable[..., tuple[int, str]]) -> None:
    for place in (session / NAME, session):
        for format_ in ("html", "markdown", "json"):
            out = session.parent / f"report.{format_}"
            assert drill("report", str(place), "--format", format_, "--out", str(out))[0] == ExitCode.PASS
            assert headline(out, format_) == "PASS", format_
    assert set(baseline_of(session, [NAME]).claims[NAME]) == WATCHED
    assert drill("judge", str(session / NAME))[0] == ExitCode.PASS


def killed(run_dir: Path) -> None:
    """As SIGKILL leaves it: nobody wrote how it ended, and the last lines are torn."""
    write_run(run_dir, replace(read_run(run_dir), ended="", lines={}, digests={}))
    for stream in (Stream.OPERATIONS, Stream.READINGS):
        path = stream_path(run_dir, stream)
        path.write_bytes(path.read_bytes()[: -(path.stat().st_size // 3)])


def killed_before_it_was_judged(run_dir: Path) -> None:
    killed(run_dir)
    stream_path(run_dir, Stream.FINDINGS).unlink()


def without(stream: Stream) -> Damage:
    return lambda run_dir: stream_path(run_dir, stream).unlink()


def of_version(version: object) -> Damage:
    def damage(run_dir: Path) -> None:
        document = json.loads((run_dir / "run.json").read_text())
        (run_dir / "run.json").write_text(json.dumps(document | {"format_version": version}))

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "killed": (killed, "cut off"),
    "killed before it was judged": (killed_before_it_was_judged, "has not been judged"),
    "an older format": (of_version(0), "has format_version 0"),
    "a newer format": (of_version(2), "has format_version 2"),
    "no format": (of_version(None), "has format_version None"),
    "no description": (lambda run_dir: (run_dir / "run.json").unlink(), "is no run directory"),
    "half a description": (lambda run_dir: (run_dir / "run.json").write_text('{"format'), "is damaged"),
    "interrupted": (
        lambda run_dir: write_run(run_dir, replace(read_run(run_dir), ended="interrupted")),
        "interrupted",
    ),
    **{f"without {stream}": (without(stream), f"{stream}: the file is missing") for stream in RECORDED},
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES.keys())
def test_an_unfinished_recording_is_green_nowhere_and_why_is_told(
    session: Path, drill: Callable[..., tuple[int, str]], damage: Damage, told: str
) -> None:
    damage(session / NAME)
    assert told in must_be_green_nowhere(session, drill)


@pytest.mark.parametrize(
    ("kept", "told"), [(slice(1, None), "1 of 3 claims"), (slice(-9), "findings.jsonl is damaged")]
)
def test_findings_that_are_not_whole_are_green_in_no_report_until_the_run_is_judged_again(
    session: Path, drill: Callable[..., tuple[int, str]], kept: slice, told: str
) -> None:
    path = stream_path(session / NAME, Stream.FINDINGS)
    content = path.read_bytes()
    path.write_bytes(
        content[:-9] if kept.start is None else b"".join(content.splitlines(keepends=True)[kept])
    )
    assert told in must_be_green_in_no_report(session, drill)
    assert drill("judge", str(session / NAME))[0] == ExitCode.PASS
    assert baseline_of(session, [NAME]).claims


CLOCKS: dict[str, Any] = {
    "operations two days later": {"later_s": 2 * 86_400.0},
    "operations two hours before": {"later_s": -7_200.0},
    "phases in another order": {"phases": STARTS_S | {"heal": 10}},
    "phases that last a day": {"phases": STARTS_S | {"converge": 90_000, "end": 90_010}},
}


@pytest.mark.parametrize("how", CLOCKS.values(), ids=CLOCKS.keys())
def test_a_clock_that_jumped_while_it_was_recorded_is_told(
    tmp_path: Path, drill: Callable[..., tuple[int, str]], how: dict[str, Any]
) -> None:
    run_dir = recorded(tmp_path / "s1" / NAME, **how)
    again = judge_again(run_dir)
    write_findings(run_dir, [replace(finding, verdict=Verdict.PASS) for finding in again.findings])
    assert "the clock jumped" in must_be_green_nowhere(in_session(run_dir), drill)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def overwritten(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([(content[place] + rng.randrange(1, 256)) % 256]) + content[place + 1 :]


def doubled(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    return content + rng.choice(lines)


@pytest.mark.parametrize("damage", [cut, overwritten, doubled])
def test_no_damage_to_a_stream_breaks_a_reader_or_leaves_it_green(
    green: Path, tmp_path: Path, drill: Callable[..., tuple[int, str]], damage: Callable[..., bytes]
) -> None:
    rng = Chance(11).stream(damage.__name__)
    for number in range(4):
        session = copytree(green, tmp_path / str(number) / "s1")
        path = stream_path(session / NAME, rng.choice(RECORDED))
        path.write_bytes(damage(path.read_bytes(), rng))
        assert must_be_green_nowhere(session, drill)


@pytest.mark.parametrize("damage", [cut, overwritten])
def test_no_damage_to_a_session_s_file_breaks_a_reader_or_leaves_it_green(
    green: Path, tmp_path: Path, damage: Callable[..., bytes]
) -> None:
    rng = Chance(12).stream(damage.__name__)
    for number in range(40):
        session = copytree(green, tmp_path / str(number))
        path = session / "session.json"
        before = path.read_bytes().rstrip()
        path.write_bytes(damage(before, rng))
        found = session_standing(session, [session / NAME])
        told_otherwise = path.read_bytes().split() != before.split()  # a blank may be another blank
        assert found.verdict is not Verdict.PASS or not told_otherwise, path.read_bytes()
