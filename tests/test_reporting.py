import json
import os
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import parse

import msgspec
import pytest

from harness import report_files
from harness.catalogue import ScenarioInfo
from harness.closing import closed
from harness.errors import ConfigError, ExitCode
from harness.judgement import Judgement, Trouble
from harness.outcome import SessionOutcome
from harness.recording.records import Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from harness.report_files import ready_for, writer
from harness.reporting import refused_data, session_data
from tests.fake_stack import finding
from tests.histories import Drill


def judgement(run_dir: Path, verdict: Verdict, *, superseded: bool = False) -> Judgement:
    return Judgement(
        scenario="one",
        verdict=verdict,
        findings=(finding(verdict),),
        run_dir=run_dir,
        replay="drill run one --seed 7",
        superseded=superseded,
    )


def held_again(folder: Path) -> SessionOutcome:
    """A session in which an INCONCLUSIVE drill was held again and passed."""
    for name, verdict, supersedes in (
        ("one", Verdict.INCONCLUSIVE, ""),
        ("one.again-1", Verdict.PASS, "one"),
    ):
        Drill(folder / name).ended()
        write_run(folder / name, replace(read_run(folder / name), scenario="one", supersedes=supersedes))
        write_findings(folder / name, (finding(verdict), finding(Verdict.PASS, claim="another")))
    return SessionOutcome(
        code=ExitCode.PASS,
        judgements=(
            judgement(folder / "one", Verdict.INCONCLUSIVE, superseded=True),
            judgement(folder / "one.again-1", Verdict.PASS),
        ),
        skipped=(("two", "needs three brokers"),),
        scenarios=tuple(ScenarioInfo(name, "Here", "", ()) for name in ("one", "two")),
        recordings=folder,
        replay="drill run one two --profile ci",
    )


def test_a_superseded_run_is_told_as_such_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed(held_again(tmp_path))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Summary",
        "  ? INCONCLUSIVE  one  0 of 1 claims hold; held again, the run below counts",
        "  ✓ PASS          one  1 of 1 claims hold",
        "  - SKIPPED       two  needs three brokers",
        f"  report   {tmp_path}/index.html",
    ]
    assert (tmp_path / "one.again-1" / "report.html").is_file()


def test_pages_that_cannot_be_written_change_nothing_about_the_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = held_again(tmp_path)
    (tmp_path / "index.html").mkdir()
    closed(outcome)
    assert (
        "drill: the pages of this session are missing or incomplete: wanted to write"
        in capsys.readouterr().err
    )
    assert session_data(outcome)["report"] == ""


def test_a_mistake_in_drawing_a_page_leaves_the_verdict_and_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str) -> object:
        if name == "index":
            raise ZeroDivisionError("no width")
        return writer(name)

    monkeypatch.setattr(report_files, "writer", broken)
    closed(held_again(tmp_path), junit=tmp_path / "junit.xml")
    assert "incomplete: ZeroDivisionError: no width" in capsys.readouterr().err
    assert (tmp_path / "junit.xml").is_file()


def test_the_index_of_a_session_is_told_to_machines(tmp_path: Path) -> None:
    outcome = held_again(tmp_path)
    assert session_data(outcome)["report"] == ""
    closed(outcome)
    assert session_data(outcome)["report"] == str(tmp_path / "index.html")


def test_markdown_is_written_beside_junit(tmp_path: Path) -> None:
    closed(held_again(tmp_path), junit=tmp_path / "junit.xml", markdown=tmp_path / "report.md")
    assert (tmp_path / "junit.xml").is_file()
    assert "needs three brokers" in (tmp_path / "report.md").read_text()


def test_a_superseded_run_is_no_error_in_junit_and_still_there(tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "junit.xml"
    ready_for(out)
    closed(held_again(tmp_path), junit=out)
    root = parse(out).getroot()  # noqa: S314 - written by ourselves
    counts = [root.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["5", "0", "0", "2"]
    assert [suite.get("name") for suite in root] == ["one (held again)", "one", "two"]
    told = [skipped.get("message") for skipped in root.iter("skipped")]
    assert told == ["held again: 3 of 5 held", "needs three brokers"]


def with_troubles() -> SessionOutcome:
    """A session of which nothing was recorded."""
    return SessionOutcome(
        code=ExitCode.NO_STACK,
        troubles=(
            Trouble(scenario="one", told="no stack", code=ExitCode.NO_STACK),
            Trouble(scenario="two", told="no stack", code=ExitCode.NO_STACK),
            Trouble(scenario="", told="pytest itself broke"),
        ),
        scenarios=tuple(ScenarioInfo(name, "Here", "", ()) for name in ("one", "two")),
        left_out=("three",),
        skipped=(("four", ""),),
    )


def test_what_could_not_be_held_is_an_error_in_junit(tmp_path: Path) -> None:
    closed(with_troubles(), junit=tmp_path / "junit.xml")
    root = parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - written by ourselves
    assert [root.get(name) for name in ("tests", "errors", "skipped")] == ["4", "3", "1"]
    told = {suite.get("name"): suite.findall("testcase/error") for suite in root}
    assert [error.get("message") for error in told["two"]] == ["no stack"]
    assert [error.get("message") for error in told["drill"]] == ["pytest itself broke"]
    assert told["four"] == []


def test_what_could_not_be_held_is_told_in_the_summary_and_to_machines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed(with_troubles())
    assert capsys.readouterr().err.splitlines() == [
        "drill: no stack",
        "drill: pytest itself broke",
        "Summary",
        "  - SKIPPED       four  no reason given",
        "  ! NOT HELD      one  why is said above",
        "  ! NOT HELD      two  why is said above",
        "  left out by -k or a conftest.py: three",
    ]
    data = session_data(with_troubles())
    assert data["not_held"] == [{"scenario": name, "reason": "no stack"} for name in ("one", "two")]
    assert (data["errors"], data["left_out"]) == (["no stack", "pytest itself broke"], ["three"])


def test_an_earlier_session_s_report_does_not_outlive_the_beginning_of_the_next(tmp_path: Path) -> None:
    closed(held_again(tmp_path), junit=tmp_path / "junit.xml")
    ready_for(tmp_path / "junit.xml")
    assert not (tmp_path / "junit.xml").exists()


def test_what_is_there_and_is_no_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    """As root a device would be deleted, and a file put in its place."""
    os.mkfifo(tmp_path / "pipe")
    for out in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match="is there and is no file"):
            ready_for(out)
        assert out.exists()


def test_what_json_prints_has_the_documented_fields(tmp_path: Path) -> None:
    data = json.loads(msgspec.json.encode(session_data(held_again(tmp_path))))
    assert set(data) == {
        "result_version",
        "exit_code",
        "errors",
        "skipped",
        "not_held",
        "left_out",
        "interrupted",
        "report",
        "runs",
    }
    assert (data["result_version"], data["exit_code"]) == (1, 0)
    assert data["skipped"] == [{"scenario": "two", "reason": "needs three brokers"}]
    first, second = data["runs"]
    assert (first["superseded"], second["superseded"]) == (True, False)
    assert set(second) == {
        "scenario",
        "verdict",
        "superseded",
        "warnings",
        "run_dir",
        "replay",
        "findings",
    }
    assert second["findings"][0]["precision"] == "± 1 ms"


def test_a_session_that_was_refused_has_the_same_fields() -> None:
    data = refused_data(ConfigError("no such folder"))
    assert (data["exit_code"], data["errors"], data["runs"]) == (2, ["no such folder"], [])


@pytest.mark.parametrize(("kept", "said"), [((), "nothing had been recorded"), ((Path("runs/a"),), "runs/a")])
def test_an_interrupted_session_says_so_in_one_line_and_what_was_kept(
    kept: tuple[Path, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = SessionOutcome(code=ExitCode.INTERRUPTED, interrupted=kept)
    closed(outcome)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("drill: interrupted. Every fault was healed and the stack has ended")
    assert said in line


def test_a_writer_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no report writer 'pdf' is installed; there are: .*junit"):
        writer("pdf")
