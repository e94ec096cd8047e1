import json
import shutil
from pathlib import Path
from xml.etree.ElementTree import parse

import msgspec
import pytest

from harness.errors import ConfigError, ExitCode, RecordingError
from harness.judgement import Judgement
from harness.recording.recorder import Recorder
from harness.recording.records import Verdict
from harness.recording.rundir import read_findings, write_findings
from harness.reporting import (
    judge_again,
    print_judgement,
    ready_for,
    refused_data,
    report,
    session_data,
    writer,
)
from harness.sessions import Outcome
from reports import machine
from tests.fake_stack import finding
from tests.histories import innocent_drill, run_info


def judgement(run_dir: Path, verdict: Verdict, *, superseded: bool = False) -> Judgement:
    return Judgement(
        scenario="one",
        verdict=verdict,
        findings=(finding(verdict),),
        run_dir=run_dir,
        replay="drill run one --seed 7",
        superseded=superseded,
    )


def held_again(folder: Path) -> Outcome:
    """A session in which an INCONCLUSIVE drill was held again and passed."""
    for name, verdict, supersedes in (
        ("one", Verdict.INCONCLUSIVE, ""),
        ("one.again-1", Verdict.PASS, "one"),
    ):
        with Recorder(folder / name) as recorder:
            recorder.start(run_info(scenario="one", supersedes=supersedes))
            recorder.finish("completed")
        write_findings(folder / name, (finding(verdict), finding(Verdict.PASS, claim="another")))
    return Outcome(
        code=ExitCode.PASS,
        judgements=(
            judgement(folder / "one", Verdict.INCONCLUSIVE, superseded=True),
            judgement(folder / "one.again-1", Verdict.PASS),
        ),
        errors=(),
        scenarios=(),
        skipped=(("two", "needs three brokers"),),
    )


def test_a_superseded_run_is_told_as_such_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(held_again(tmp_path), junit=None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Summary",
        "  ? INCONCLUSIVE  one  0 of 1 claims hold; held again, the run below counts",
        "  ✓ PASS          one  1 of 1 claims hold",
        "  - SKIPPED       two  needs three brokers",
    ]


def test_a_superseded_run_is_no_error_in_junit_and_still_there(tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "junit.xml"
    ready_for(out)
    report(held_again(tmp_path), junit=out)
    root = parse(out).getroot()  # noqa: S314 - written by ourselves
    counts = [root.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", "0", "0", "1"]
    assert [suite.get("name") for suite in root] == ["one (held again)", "one"]
    [skipped] = root.iter("skipped")
    assert skipped.get("message") == "held again: 3 of 5 held"


def test_a_superseded_run_does_not_decide_the_summary_for_machines(tmp_path: Path) -> None:
    held_again(tmp_path)
    first, second = tmp_path / "one", tmp_path / "one.again-1"
    summary = machine.summary([first, second])
    assert summary["verdict"] == "PASS"
    assert [run["superseded"] for run in summary["runs"]] == [True, False]
    assert machine.summary([first])["verdict"] == "INCONCLUSIVE"  # alone, nothing supersedes it


def test_what_json_prints_has_the_documented_fields(tmp_path: Path) -> None:
    data = json.loads(msgspec.json.encode(session_data(held_again(tmp_path))))
    assert set(data) == {"result_version", "exit_code", "errors", "skipped", "interrupted", "runs"}
    assert (data["result_version"], data["exit_code"]) == (1, 0)
    assert data["skipped"] == [{"scenario": "two", "reason": "needs three brokers"}]
    first, second = data["runs"]
    assert (first["superseded"], second["superseded"]) == (True, False)
    assert set(second) == {"scenario", "verdict", "superseded", "run_dir", "replay", "findings"}
    assert second["findings"][0]["precision"] == "± 1 ms"


def test_a_session_that_was_refused_has_the_same_fields() -> None:
    data = refused_data(ConfigError("no such folder"))
    assert (data["exit_code"], data["errors"], data["runs"]) == (2, ["no such folder"], [])


@pytest.mark.parametrize(("kept", "said"), [((), "nothing had been recorded"), ((Path("runs/a"),), "runs/a")])
def test_an_interrupted_session_says_so_in_one_line_and_what_was_kept(
    kept: tuple[Path, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(code=ExitCode.INTERRUPTED, judgements=(), errors=(), scenarios=(), interrupted=kept)
    report(outcome, junit=None)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("drill: interrupted. Every fault was healed and the stack has ended")
    assert said in line


def test_a_recording_judged_again_keeps_its_findings(tmp_path: Path) -> None:
    innocent_drill(tmp_path / "run").ended()
    again = judge_again(tmp_path / "run")
    assert again.verdict is Verdict.INCONCLUSIVE  # it carries no claims: nothing is concluded
    assert read_findings(tmp_path / "run") == again.findings
    assert print_judgement(again) is ExitCode.INCONCLUSIVE


def test_a_folder_of_runs_is_refused_with_the_names_of_its_runs(tmp_path: Path) -> None:
    innocent_drill(tmp_path / "session" / "one").ended()
    with pytest.raises(RecordingError, match=r"is a whole session: name one of its runs, .*session/one"):
        judge_again(tmp_path / "session")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "is no run directory"),
        (lambda run_dir: (run_dir / "run.json").write_text('{"format'), "is damaged"),
        (lambda run_dir: (run_dir / "run.json").write_text('{"format_version": 99}'), "reads 1"),
    ],
)
def test_what_cannot_be_judged_is_a_usage_error(tmp_path: Path, damage: object, said: str) -> None:
    innocent_drill(tmp_path / "run").ended()
    assert callable(damage)
    damage(tmp_path / "run")
    with pytest.raises(RecordingError, match=said) as caught:
        judge_again(tmp_path / "run")
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_writer_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no report writer 'pdf' is installed; there are: .*junit"):
        writer("pdf")
