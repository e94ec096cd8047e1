from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.recording.records import Finding, Verdict
from harness.recording.rundir import write_findings
from harness.recording.session_standing import SessionStanding
from harness.recording.sessions import Told
from reports import markdown
from tests.histories import Drill


def _judged(run_dir: Path, verdict: Verdict, because: str = "3 of 5") -> Path:
    Drill(run_dir).ended()
    finding = Finding(claim="c", sentence="It holds.", source="universal", verdict=verdict, because=because)
    write_findings(run_dir, [finding])
    return run_dir


def _written(tmp_path: Path, *run_dirs: Path, sessions: Sequence[SessionStanding] = ()) -> str:
    markdown.write(run_dirs, tmp_path / "out.md", sessions=sessions)
    return (tmp_path / "out.md").read_text(encoding="utf-8")


def test_the_worst_verdict_comes_first_and_what_failed_is_spelled_out(tmp_path: Path) -> None:
    runs = [_judged(tmp_path / verdict, verdict) for verdict in Verdict]
    text = _written(tmp_path, *runs)
    assert text.startswith("# ✗ FAIL: 1 of 3 scenarios passed\n")
    assert "### ✗ FAIL c\n\nIt holds. (*universal*)\n\n- **3 of 5**" in text
    assert text.count("\n### ") == 2
    assert "| ✓ PASS | saga\\-payment\\-outage | 1 of 1 hold |" in text


def test_a_run_that_was_not_judged_or_cannot_be_read_is_never_green(tmp_path: Path) -> None:
    Drill(tmp_path / "unjudged").ended()
    assert _written(tmp_path, tmp_path / "unjudged").startswith("# ? INCONCLUSIVE: 0 of 1 scenario passed\n")
    assert _written(tmp_path, tmp_path / "absent").startswith("# ? INCONCLUSIVE: 0 of 1 scenario passed\n")


def test_trouble_beside_the_runs_keeps_it_from_being_green(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", Verdict.PASS)
    assert _written(tmp_path, run_dir).startswith("# ✓ PASS: 1 of 1 scenario passed\n")
    session = SessionStanding(
        name="s1",
        verdict=Verdict.INCONCLUSIVE,
        errors=(Told(scenario="", told="no"),),
        skipped=(Told(scenario="two", told="needs three brokers"),),
        left_out=("three",),
    )
    text = _written(tmp_path, run_dir, sessions=[session])
    assert text.startswith("# ? INCONCLUSIVE")
    assert "- Left out by -k or a conftest.py: three" in text
    assert "- **Not held**: the session: no" in text
    assert "- Skipped: two: needs three brokers" in text
    text = _written(tmp_path, run_dir, sessions=[session, replace(session, name="s2")])
    assert "- **Not held**: s2: no" in text


def test_a_recording_that_was_damaged_after_it_was_judged_is_not_green(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", Verdict.PASS)
    (run_dir / "phases.jsonl").unlink()
    text = _written(tmp_path, run_dir)
    assert text.startswith("# ? INCONCLUSIVE: 0 of 1 scenario passed\n")
    assert "Against the recording speaks: phases\\: the file is missing" in text


def test_a_replay_line_with_ticks_is_shown_as_it_is() -> None:
    assert markdown._code("drill run x") == "`drill run x`"
    assert markdown._code("a `b` ``c``") == "``` a `b` ``c`` ```"


def test_hostile_text_is_shown_as_text_and_cut(tmp_path: Path) -> None:
    run_dir = _judged(tmp_path / "r", Verdict.FAIL, "<script>\x1b\n# PASS" + "x" * 1_000_000)
    text = _written(tmp_path, run_dir)
    assert "\\<script\\>\\\\x1b\\\\n\\# PASS" in text
    assert len(text) < 3_000
