import json
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, parse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from harness.recording.session_standing import SessionStanding
from harness.recording.sessions import Told
from reports import junit, machine
from tests.histories import Drill

HOSTILE = 'a < b & "c" ]]> \x00\x1b[31m\ud7ff\ufffe\U0001f600'


def _finding(verdict: Verdict, name: str = "c", because: str = "3 of 5") -> Finding:
    return Finding(
        claim=f"{name}-{verdict}",
        sentence="It holds.",
        source="universal",
        verdict=verdict,
        because=because,
        evidence=("seen: it bit",),
        examples=("o1",),
    )


def _judged(run_dir: Path, *findings: Finding) -> Path:
    Drill(run_dir).ended()
    write_findings(run_dir, findings)
    return run_dir


def _suite(out: Path) -> Element:
    suite = parse(out).getroot().find("testsuite")  # noqa: S314 - written by ourselves
    assert suite is not None
    return suite


def test_a_fail_is_a_failure_and_an_inconclusive_an_error(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", *(_finding(verdict) for verdict in Verdict))
    junit.write([run_dir], tmp_path / "junit.xml")
    suite = _suite(tmp_path / "junit.xml")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "time")] == ["3", "1", "1", "85.000"]
    kinds = {case.get("name"): case[0].tag for case in suite.iter("testcase")}
    assert kinds == {"c-PASS": "system-out", "c-FAIL": "failure", "c-INCONCLUSIVE": "error"}
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert (properties["seed"], properties["profile"], properties["runtime"]) == ("7", "ci", "embedded")
    assert properties["replay"] == "drill run saga-payment-outage --seed 7"


def test_characters_that_xml_cannot_hold_do_not_break_the_file(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", _finding(Verdict.FAIL, because=HOSTILE))
    junit.write([run_dir], tmp_path / "junit.xml")
    failure = _suite(tmp_path / "junit.xml").find("testcase/failure")
    assert failure is not None
    assert failure.get("message", "").startswith('a < b & "c" ]]> \ufffd\ufffd[31m')


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=30))
def test_any_text_makes_a_readable_file(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("t")
    if any("\ud800" <= character <= "\udfff" for character in text):
        return
    run_dir = _judged(folder / "r", _finding(Verdict.FAIL, name=text, because=text))
    junit.write([run_dir], folder / "junit.xml")
    assert len(_suite(folder / "junit.xml").findall("testcase")) == 1


def test_a_run_that_was_not_judged_or_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    Drill(tmp_path / "unjudged").ended()
    (tmp_path / "rubbish").mkdir()
    junit.write([tmp_path / "unjudged", tmp_path / "rubbish"], tmp_path / "junit.xml")
    root = parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - written by ourselves
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["2", "0", "2"]
    summary = machine.report([tmp_path / "unjudged", tmp_path / "rubbish"])
    assert summary["verdict"] == "INCONCLUSIVE"
    assert "is no run directory" in summary["runs"][1]["warnings"][0]


def test_a_claim_without_a_finding_is_green_nowhere(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", _finding(Verdict.PASS))
    claims = tuple({"fields": {"id": name}} for name in ("c-PASS", "never-judged"))
    write_run(run_dir, replace(read_run(run_dir), claims=claims[:1]))
    assert machine.report([run_dir])["verdict"] == "PASS"
    write_run(run_dir, replace(read_run(run_dir), claims=claims))
    junit.write([run_dir], tmp_path / "junit.xml")
    assert _suite(tmp_path / "junit.xml").get("errors") == "1"
    [run] = machine.report([run_dir])["runs"]
    assert run["verdict"] == "INCONCLUSIVE"
    assert "what has no finding is never-judged" in run["warnings"][0]


def test_a_report_for_programs_holds_every_run_with_its_findings(tmp_path: Path) -> None:
    good = _judged(tmp_path / "good", _finding(Verdict.PASS))
    bad = _judged(tmp_path / "bad", _finding(Verdict.PASS), _finding(Verdict.FAIL))
    machine.write([good, bad], tmp_path / "report.json")
    summary = json.loads((tmp_path / "report.json").read_text())
    assert summary["verdict"] == "FAIL"
    assert [run["verdict"] for run in summary["runs"]] == ["PASS", "FAIL"]
    assert summary["runs"][1]["findings"][1]["because"] == "3 of 5"
    assert summary["runs"][0]["replay"] == "drill run saga-payment-outage --seed 7"


def test_a_recording_that_is_not_whole_is_no_pass_in_junit(tmp_path: Path) -> None:
    """A CI server that reads nothing but this file must not see more than there is."""
    run_dir = _judged(tmp_path / "r", _finding(Verdict.PASS))
    junit.write([run_dir], tmp_path / "junit.xml")
    assert _suite(tmp_path / "junit.xml").get("errors") == "0"
    (run_dir / "phases.jsonl").unlink()
    junit.write([run_dir], tmp_path / "junit.xml")
    error = _suite(tmp_path / "junit.xml").find("testcase/error")
    assert error is not None
    assert error.get("message") == "phases: the file is missing"


def test_no_runs_at_all_are_not_green() -> None:
    assert machine.report([])["verdict"] == "INCONCLUSIVE"


def test_a_superseded_run_does_not_decide_the_report_for_programs(tmp_path: Path) -> None:
    first = _judged(tmp_path / "one", _finding(Verdict.INCONCLUSIVE))
    again = _judged(tmp_path / "one.again-1", _finding(Verdict.PASS))
    write_run(again, replace(read_run(again), supersedes="one"))
    told = machine.report([first, again])
    assert told["verdict"] == "PASS"
    assert [run["superseded"] for run in told["runs"]] == [True, False]


def test_a_run_counts_for_programs_what_it_counts_for_on_its_page(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", _finding(Verdict.PASS))
    assert machine.report([run_dir])["verdict"] == "PASS"
    (run_dir / "phases.jsonl").unlink()
    [run] = machine.report([run_dir])["runs"]
    assert (run["verdict"], run["warnings"][0]) == ("INCONCLUSIVE", "phases: the file is missing")


def test_what_left_no_recording_is_told_to_programs_and_keeps_them_from_a_pass(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", _finding(Verdict.PASS))
    session = SessionStanding(
        name="s1",
        verdict=Verdict.INCONCLUSIVE,
        exit_code=4,
        errors=(Told(scenario="two", told="no stack"),),
        not_held=("two",),
    )
    told = machine.report([run_dir], [session])
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["sessions"][0]["errors"] == [{"scenario": "two", "told": "no stack"}]
    assert told["sessions"][0]["exit_code"] == 4
