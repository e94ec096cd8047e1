"""An index: what a session came to, how scenarios have fared, and nothing left out because it cannot be read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.recording.records import Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from harness.recording.session_standing import SessionStanding
from harness.recording.sessions import Told
from reports import index
from reports.index import index_of, page_place
from tests.fake_stack import finding
from tests.histories import innocent_drill


def held(run_dir: Path, verdict: Verdict = Verdict.PASS, **changes: Any) -> Path:
    innocent_drill(run_dir).ended()
    write_run(run_dir, replace(read_run(run_dir), **{"scenario": run_dir.name, **changes}))
    write_findings(run_dir, [finding(verdict)])
    return run_dir


def written(out: Path, *run_dirs: Path, **told: Any) -> str:
    """The index of sessions that passed, but for what is told of them."""
    names = dict.fromkeys(run_dir.parent.name for run_dir in run_dirs)
    sessions = [SessionStanding(**{"name": name, "verdict": Verdict.PASS, **told}) for name in names]
    index.write(run_dirs, out, sessions=sessions)
    return out.read_text(encoding="utf-8")


def test_an_index_of_a_session_has_its_verdict_and_leads_to_a_page_for_each_run(tmp_path: Path) -> None:
    session = tmp_path / "s1"
    runs = [held(session / "one"), held(session / "two", Verdict.FAIL)]
    text = written(session / "index.html", *runs)
    assert "<title>FAIL Session s1</title>" in text
    assert "1 of 2 scenarios passed." in text
    assert 'href="one/report.html"' in text
    assert "<title>FAIL two</title>" in (session / "two" / "report.html").read_text()


def test_an_index_elsewhere_has_its_pages_beside_it(tmp_path: Path) -> None:
    run_dir = held(tmp_path / "runs" / "s1" / "one")
    out = tmp_path / "site" / "index.html"
    out.parent.mkdir()
    text = written(out, run_dir)
    assert 'href="s1-one.html"' in text
    assert (tmp_path / "site" / "s1-one.html").is_file()
    assert page_place(run_dir, tmp_path / "runs" / "index.html") == run_dir / "report.html"


def test_a_name_that_is_no_address_leads_to_its_page_all_the_same(tmp_path: Path) -> None:
    run_dir = held(tmp_path / "s 1" / 'a#b?c"<d>')
    text = written(tmp_path / "index.html", run_dir)
    assert 'href="s%201/a%23b%3Fc%22%3Cd%3E/report.html"' in text
    assert (run_dir / "report.html").is_file()


def test_a_run_that_cannot_be_read_is_there_and_not_green(tmp_path: Path) -> None:
    good, bad = held(tmp_path / "s1" / "good"), held(tmp_path / "s1" / "bad")
    written(tmp_path / "s1" / "index.html", good, bad)
    (bad / "run.json").write_text('{"format_version": 99}')
    text = written(tmp_path / "s1" / "index.html", good, bad)
    assert "<title>INCONCLUSIVE" in text
    assert "cannot be read: bad/run.json has format_version 99" in text
    assert not (bad / "report.html").exists(), "a page of when it could be read"
    assert str(tmp_path) not in text


def test_what_left_no_recording_is_told_and_keeps_the_session_from_being_green(tmp_path: Path) -> None:
    run_dir = held(tmp_path / "s1" / "one")
    text = written(
        tmp_path / "index.html",
        run_dir,
        verdict=Verdict.INCONCLUSIVE,
        skipped=(Told(scenario="two", told="one broker"),),
        errors=(Told(scenario="three", told="<no stack>"),),
        left_out=("four",),
    )
    assert "<title>INCONCLUSIVE" in text
    assert "Not held: three" in text
    assert "&lt;no stack&gt;" in text
    assert "Skipped: two" in text
    assert "by -k or a conftest.py: four" in text


def test_a_session_that_nobody_speaks_for_has_no_verdict(tmp_path: Path) -> None:
    index.write([held(tmp_path / "s1" / "one")], tmp_path / "index.html", sessions=[])
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<title>INCONCLUSIVE Session s1" in text
    assert "nobody said what the session was to hold" in text


def test_a_session_is_as_bad_as_it_says_though_every_run_that_is_left_passed(tmp_path: Path) -> None:
    text = written(tmp_path / "index.html", held(tmp_path / "s1" / "one"), verdict=Verdict.FAIL)
    assert "<title>FAIL Session s1" in text


def test_a_run_that_was_held_again_does_not_count_and_is_there(tmp_path: Path) -> None:
    first = held(tmp_path / "s1" / "one", Verdict.INCONCLUSIVE)
    second = held(tmp_path / "s1" / "one.again-1", supersedes="one", scenario="one")
    text = written(tmp_path / "s1" / "index.html", first, second)
    assert "<title>PASS Session s1</title>" in text
    assert "held again: another run counts" in text


def test_over_many_sessions_scenarios_have_a_history_without_planted_defects(tmp_path: Path) -> None:
    runs = [
        held(tmp_path / "s1" / "one", Verdict.FAIL),
        held(tmp_path / "s2" / "one"),
        held(tmp_path / "s2" / "two"),
        held(tmp_path / "s3" / "one", Verdict.FAIL, variants=("forgets",)),
    ]
    text = written(tmp_path / "index.html", *runs)
    assert "<title>Runs</title>" in text
    assert "4 runs in 3 sessions" in text
    assert 'aria-label="FAIL in s1"' in text
    assert 'aria-label="FAIL in s3"' not in text
    assert "with forgets" in text
    assert (
        text.index('id="session-1"') < text.index("s3</h3>") < text.index("s2</h3>") < text.index("s1</h3>")
    )
    assert "<td>1 of 2</td>" in text


def test_nothing_at_all_is_not_green() -> None:
    assert index_of([], []).verdict is Verdict.INCONCLUSIVE
