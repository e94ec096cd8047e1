"""`drill report`: which recordings it is about, where pages go, and what it refuses."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.completion import recorded
from harness.errors import ExitCode, RecordingError
from harness.recording.folders import recordings
from harness.recording.records import Verdict
from harness.recording.rundir import write_findings
from harness.recording.sessions import JudgedRun, SessionInfo, write_session
from tests.command_line import call
from tests.fake_stack import finding
from tests.histories import innocent_drill

Drill = Callable[..., int]


@pytest.fixture
def drill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Drill:
    """Call `drill` with arguments in a folder with three runs of two sessions; its exit code."""
    monkeypatch.chdir(tmp_path)
    for name in ("s1/one", "s2/one", "s2/two"):
        innocent_drill(Path("runs", name)).ended()
        write_findings(Path("runs", name), [finding(Verdict.FAIL)])

    return partial(call, monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "page", "opening"),
    [
        (["runs/s2/one"], "runs/s2/one/report.html", "<!doctype html>"),
        (["runs/s2"], "runs/s2/index.html", "<!doctype html>"),
        ([], "runs/index.html", "<!doctype html>"),
        (["runs/s2/one", "--format", "markdown"], "runs/s2/one/report.md", "# ✗ FAIL: 0 of 1"),
        (["runs/s2/one", "--format", "json"], "runs/s2/one/report.json", '{\n  "report_version": 1'),
        (["--format", "json"], "runs/report.json", '{\n  "report_version": 1'),
        (["runs/s2", "--format", "markdown", "--out", "new/r.md"], "new/r.md", "# ✗ FAIL: 0 of 2"),
        (["runs/s1/one", "--out", "page.html"], "page.html", "<!doctype html>"),
    ],
)
def test_a_page_is_written_where_it_says_and_its_verdict_is_no_exit_code(
    drill: Drill, arguments: list[str], page: str, opening: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill("report", *arguments) == ExitCode.PASS
    assert capsys.readouterr().out == f"{page}\n"
    assert Path(page).read_text(encoding="utf-8").startswith(opening)


def test_json_tells_what_was_written_about_which_runs(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill("report", "runs/s2", "--json") == ExitCode.PASS
    assert json.loads(capsys.readouterr().out) == {
        "format": "html",
        "written": "runs/s2/index.html",
        "run_dirs": ["runs/s2/one", "runs/s2/two"],
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["x" * 5000], "drill: "),
        (["runs/s2", "--format", "pdf"], "format must be one of html, markdown, json, got 'pdf'"),
        (["runs/s2", "--out", "runs"], "is there and is no file"),
        (["empty"], "empty holds no recording"),
        (["runs/s2/one", "--out", "runs/s2/one/operations.jsonl"], "no report may be written to"),
        (["runs/s2/one", "--out", "link.html"], "which leads to"),
        (["runs/s2", "--out", "runs/s2/one/report.html"], "no report may be written to"),
        (["runs", "--out", "runs/s1/session.json"], "no report may be written to"),
        (["runs/s1/one", "--out", "/proc/1/none/page.html"], "no report can be written"),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_message(
    drill: Drill, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("link.html").symlink_to("runs/s2/one/run.json")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*.json*")}
    assert drill("report", *arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in Path("runs").rglob("*.json*")} == before


def test_a_run_that_is_refused_leaves_an_earlier_page_alone(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill("report", "runs/s1/one") == ExitCode.PASS
    Path("runs/s1/one/run.json").write_text("{")
    assert drill("report", "runs/s1/one") == ExitCode.USAGE
    assert "run.json is damaged" in capsys.readouterr().err
    assert Path("runs/s1/one/report.html").is_file()


def test_a_folder_with_streams_and_no_description_is_missed_by_somebody(tmp_path: Path) -> None:
    innocent_drill(tmp_path / "s1" / "one").ended()
    (tmp_path / "s1" / "one" / "run.json").unlink()
    assert recordings(tmp_path) == [tmp_path / "s1" / "one"]
    (tmp_path / "s1" / "logs").mkdir()
    assert recordings(tmp_path / "s1") == [tmp_path / "s1" / "one"]
    with pytest.raises(RecordingError, match="holds no recording"):
        recordings(tmp_path / "s1" / "logs")


def test_a_tab_offers_runs_sessions_and_all_of_them(drill: Drill) -> None:
    assert recorded("") == ["runs", "runs/s2", "runs/s1", "runs/s2/two", "runs/s2/one", "runs/s1/one"]
    assert recorded("runs/s2/t") == ["runs/s2/two"]
    assert recorded("", Path("nowhere")) == []


@pytest.mark.parametrize("format_", ["html", "markdown", "json"])
def test_a_session_that_nobody_speaks_for_is_green_in_no_format(drill: Drill, format_: str) -> None:
    write_findings(Path("runs/s1/one"), [finding(Verdict.PASS)])
    assert drill("report", "runs/s1", "--format", format_, "--out", "report") == ExitCode.PASS
    told = Path("report").read_text(encoding="utf-8")
    assert "INCONCLUSIVE" in told.split("</title>")[0].split('"sessions"')[0].split("\n\n")[0]
    assert "there is no session" in told
    judged = JudgedRun(run="one", scenario="one", verdict=Verdict.PASS, superseded=False)
    passed = SessionInfo(selected=("one",), exit_code=0, runs=("one",), judged=(judged,))
    write_session(Path("runs/s1"), passed)
    assert drill("report", "runs/s1", "--format", format_, "--out", "report") == ExitCode.PASS
    assert "INCONCLUSIVE" not in Path("report").read_text(encoding="utf-8").partition("<style>")[0]


def test_of_many_sessions_each_says_what_is_wrong_with_it(drill: Drill) -> None:
    assert drill("report", "--format", "markdown") == ExitCode.PASS
    told = Path("runs/report.md").read_text(encoding="utf-8")
    assert "- **Not held**: s1: there is no session" in told
    assert "- **Not held**: s2: there is no session" in told
    assert drill("report") == ExitCode.PASS
    assert Path("runs/index.html").read_text(encoding="utf-8").count("there is no session.json") == 2
