"""The command itself: its exit codes, and what goes where."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness import detection, sessions
from harness import doctor as examination
from harness.detection import Detection
from harness.doctor import Diagnosis
from harness.errors import ExitCode, Interrupted, StackError
from harness.judgement import Trouble
from harness.outcome import SessionOutcome
from harness.stack.embedded.sources import Source, Standing
from tests.command_line import call
from tests.histories import innocent_drill
from tests.tidy.sources import ROOT

Drill = Callable[..., int]


@pytest.fixture
def drill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Drill:
    """Call `drill` with arguments in an empty folder; its exit code."""
    monkeypatch.chdir(tmp_path)

    return partial(call, monkeypatch)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["run", "--no-such-flag"],
        ["run", "--seed", "tomorrow"],
        ["run", "--seed", "-1"],
        ["run", "--brokers", "2"],
        ["run", "--runtime", "vagrant"],
        ["run", "--scenarios", "nowhere"],
        ["run"],
        ["list"],
        ["detect", "--scenarios", "nowhere"],
        ["detect", "--seed", "-1"],
        ["judge"],
        ["judge", "nowhere"],
        ["judge", "x" * 5000],
        ["run", "--junit", "."],
        ["run", "--markdown", "."],
        ["report", "nowhere"],
        ["run", "--junit", "session.json"],
        ["run", "--markdown", "operations.jsonl"],
        ["detect", "--matrix", "run.json"],
        ["run", "--junit", "/proc/1/none/junit.xml"],
        ["up", "--brokers", "2"],
        ["up", "--lease", "0"],
        ["up", "--lease", "long"],
        ["up", "--lease", "inf"],
        ["up", "--variant", "no-such-defect"],
        ["down", "no-such-stack"],
    ],
)
def test_bad_usage_is_exit_code_2_and_one_message_on_standard_error(
    drill: Drill,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DRILLBOOK_STATE", str(tmp_path / "state"))
    assert drill(*arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("drill: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["frobnicate"], "no such command 'frobnicate'. `drill --help` shows what there is."),
        (["run", "--brocers", "3"], "no such option: --brocers (Possible options: --brokers"),
        (["judge"], "missing argument 'RUN_DIR'. `drill judge --help`"),
        (["run", "--seed", "tomorrow"], "seed must be a whole number, 0 or more, got 'tomorrow'."),
        (["run", "--seed", "1.0"], "seed must be a whole number, 0 or more, got '1.0'."),
        (["up", "--lease", "0"], "lease must be a number of minutes from 0.1 to 10080 (a week), got '0'"),
        (
            ["up", "--lease", "1e308"],
            "lease must be a number of minutes from 0.1 to 10080 (a week), got '1e308'",
        ),
    ],
)
def test_a_complaint_about_a_flag_says_what_was_wanted_and_what_came(
    drill: Drill, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill(*arguments) == ExitCode.USAGE
    assert told in capsys.readouterr().err


def test_a_refused_session_still_prints_its_json(drill: Drill, capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("run", "--json", "--brokers", "2") == ExitCode.USAGE
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert data["exit_code"] == 2
    assert data["errors"][0] in err


@pytest.mark.parametrize("code", list(ExitCode))
def test_the_session_s_exit_code_is_the_command_s(
    drill: Drill, code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def run(folder: Path, arguments: list[str]) -> SessionOutcome:
        asked.append((folder, arguments))
        return SessionOutcome(code=code, troubles=(Trouble(scenario="", told="because"),))

    monkeypatch.setattr(sessions, "run", run)
    assert drill("run", "one", "two", "--seed", "7", "--variant", "a", "-k", "x", "--json") == code
    assert asked == [
        (
            Path("scenarios"),
            ["--drill-seed=7", "--drill-variant=a", "--drill-only=one", "--drill-only=two", "-k", "x"],
        )
    ]
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["exit_code"] == code
    assert document["errors"] == ["because"]
    assert "drill: because" in err


def test_every_option_of_run_is_one_of_the_plugin(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    asked: list[str] = []

    def run(folder: Path, arguments: list[str]) -> SessionOutcome:
        asked.extend(arguments)
        return SessionOutcome(code=ExitCode.PASS)

    monkeypatch.setattr(sessions, "run", run)
    flags = ["--profile=ci", "--seed=1", "--runtime=embedded", "--brokers=1", "--runs=r", "--variant=v"]
    assert drill("run", "name", *flags) == ExitCode.PASS
    names = [argument.partition("=")[0] for argument in asked]
    assert len(names) == len(flags) + 1
    for name in names:
        assert pytestconfig.getoption(name.removeprefix("--").replace("-", "_"), "unknown") != "unknown"


def test_judging_prints_findings_to_people_and_to_machines(
    drill: Drill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    innocent_drill(tmp_path / "run").ended()
    assert drill("judge", "run", "--json") == ExitCode.INCONCLUSIVE
    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == "INCONCLUSIVE"
    assert "INCONCLUSIVE  saga-payment-outage" in err


@pytest.mark.parametrize(
    ("error", "code"), [(StackError("no"), ExitCode.NO_STACK), (Interrupted("no"), ExitCode.INTERRUPTED)]
)
def test_an_error_of_ours_is_one_line_and_its_own_exit_code(
    drill: Drill,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: ExitCode,
) -> None:
    def refuse(*_: object) -> list[Detection]:
        raise error

    monkeypatch.setattr(detection, "detect", refuse)
    assert drill("detect") == code
    assert capsys.readouterr().err == "drill: no\n"


def test_ctrl_c_while_a_stack_comes_up_is_130_and_says_what_became_of_it(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.stack.embedded.detached.up", stopped)
    assert drill("up") == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == (
        "drill: interrupted. The stack that was being started has been ended\n"
    )


@pytest.mark.parametrize(("problem", "code"), [("", ExitCode.PASS), ("gone", ExitCode.NO_STACK)])
def test_the_doctor_s_exit_code_says_whether_a_stack_could_start(
    drill: Drill,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: str,
    code: ExitCode,
) -> None:
    java = Standing(name="Java", version="21", source=Source.PATH, variable="JAVA_HOME", problem=problem)
    monkeypatch.setattr(examination, "examine", lambda **_: Diagnosis(programs=(java,), examined=()))
    assert drill("doctor", "--json") == code
    assert json.loads(capsys.readouterr().out)["can_start"] is (code is ExitCode.PASS)
    assert drill("doctor") == code
    assert "Java" in capsys.readouterr().out


@pytest.mark.parametrize(
    "mistake", [KeyError("no such key"), BrokenPipeError(), EOFError(), SystemExit(1), GeneratorExit()]
)
def test_a_mistake_of_ours_is_inconclusive_and_never_looks_like_a_verdict(
    drill: Drill,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mistake: BaseException,
) -> None:
    def broken(*_: object) -> list[Detection]:
        raise mistake

    monkeypatch.setattr(detection, "detect", broken)
    assert drill("detect") == ExitCode.INCONCLUSIVE
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" in err
    assert "in broken" in err
    assert f"this is a mistake in drillbook itself ({type(mistake).__name__}) and no verdict" in err


@pytest.mark.parametrize("damage", ["no folder", "a file", "empty", "cut off", "noise", "another version"])
def test_judging_what_is_no_recording_is_bad_usage(
    drill: Drill, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    if damage == "a file":
        run_dir.write_text("not a folder")
    elif damage != "no folder":
        run_dir.mkdir()
    written = {
        "cut off": b'{"format_v',
        "noise": bytes(range(256)),
        "another version": b'{"format_version":0}',
    }
    if damage in written:
        (run_dir / "run.json").write_bytes(written[damage])
    assert drill("judge", "run", "--json") == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("drill: run")
    assert err.count("\n") == 1


@pytest.mark.parametrize("code", [ExitCode.PASS, ExitCode.FAIL])
def test_a_report_that_cannot_be_written_hides_no_fail_and_makes_no_pass(
    drill: Drill,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    code: ExitCode,
) -> None:
    def run(*_: object) -> SessionOutcome:
        (tmp_path / "reports").rmdir()
        return SessionOutcome(code=code)

    monkeypatch.setattr(sessions, "run", run)
    assert drill("run", "--json", "--junit", "reports/junit.xml") == (code or ExitCode.INCONCLUSIVE)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["exit_code"] == (code or ExitCode.INCONCLUSIVE)
    assert any("reports/junit.xml" in error for error in document["errors"])
    assert "reports/junit.xml, which was asked for, was not written: wanted to write" in err


@pytest.mark.parametrize("code", [ExitCode.PASS, ExitCode.FAIL])
def test_a_matrix_that_breaks_hides_no_miss_and_nothing_that_was_found(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: ExitCode
) -> None:
    found = Detection(
        defect="d", scenario="s", claim="c", code=code, failed=(), because="so it is", run_dir=""
    )

    def broken(*_: object) -> None:
        raise ZeroDivisionError("no width")

    monkeypatch.setattr(detection, "detect", lambda *_: [found])
    monkeypatch.setattr("harness.detection_matrix.write", broken)
    assert drill("detect", "--matrix", "m.md", "--json") == (code or ExitCode.INCONCLUSIVE)
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["because"] == "so it is"
    assert "m.md, which was asked for, was not written: ZeroDivisionError" in err


def into_a_closed_pipe(*arguments: str) -> tuple[int, str]:
    """Run `drill` with nobody at the other end of its standard output; its exit code and what it complained."""
    theirs, ours = os.pipe()
    os.close(theirs)
    call = "import sys; from harness.cli import main; sys.argv[0] = 'drill'; main()"
    done = subprocess.run(
        [sys.executable, "-c", call, *arguments],
        stdout=ours,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    os.close(ours)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"], ["--version"]])
def test_a_reader_that_has_seen_enough_is_no_failure(arguments: list[str]) -> None:
    assert into_a_closed_pipe(*arguments) == (ExitCode.PASS, "")


def test_a_reader_that_has_seen_enough_changes_no_verdict(tmp_path: Path) -> None:
    innocent_drill(tmp_path / "run").ended()
    code, told = into_a_closed_pipe("judge", str(tmp_path / "run"), "--json")
    assert code == ExitCode.INCONCLUSIVE
    assert "INCONCLUSIVE  saga-payment-outage" in told
    assert "Traceback" not in told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_result_that_does_not_fit_is_told() -> None:
    call = "import sys; from harness.cli import main; sys.argv = ['drill', 'list', '--json']; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", call],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == ExitCode.INCONCLUSIVE
    assert "the result could not be written to standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_printed(drill: Drill, capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("--version") == ExitCode.PASS
    assert capsys.readouterr().out.startswith("drillbook ")
