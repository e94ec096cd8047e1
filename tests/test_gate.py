"""A gate: what it asks, and what it misses when something that was proven is gone."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.baseline import BASELINE, Baseline, read_baseline, write_baseline
from harness.catalogue import ScenarioInfo
from harness.errors import ConfigError, ExitCode
from harness.gate import compared, gated, refuse_another, strangers
from harness.judgement import Judgement
from harness.proven import baseline_of, newest_session
from harness.recording.folders import runs_of
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_findings, read_run, worst, write_findings, write_run
from harness.recording.sessions import JudgedRun, SessionInfo, Told, write_session
from harness.settings import Settings
from tests.fake_stack import finding
from tests.histories import Drill
from tests.scenario_folder import Place

PROVEN = Baseline(
    profile="ci", revision="abc", saved="2026-11-23T20:00:00+00:00", claims={"one": ("a", "b"), "two": ("a",)}
)


def recorded(
    run_dir: Path, *claims: str, verdict: Verdict = Verdict.PASS, supersedes: str = "", **changes: object
) -> Path:
    Drill(run_dir).ended()
    named: dict[str, Any] = {"scenario": run_dir.name, "supersedes": supersedes, **changes}
    write_run(run_dir, replace(read_run(run_dir), **named))
    write_findings(run_dir, [finding(verdict, claim=claim) for claim in claims])
    return run_dir


def session(folder: Path, **changes: Any) -> Path:
    """A session that says of its runs what their findings say."""
    found = [(run_dir, read_run(run_dir), read_findings(run_dir)) for run_dir in runs_of(folder)]
    judged = tuple(
        JudgedRun(
            run=run_dir.name,
            scenario=run.scenario,
            verdict=worst(finding.verdict for finding in findings),
            superseded=any(other.supersedes == run_dir.name for _, other, _ in found),
        )
        for run_dir, run, findings in found
    )
    names = tuple(run_dir.name for run_dir, _, _ in found)
    passed = all(run.verdict is Verdict.PASS for run in judged if not run.superseded)
    info = SessionInfo(exit_code=0 if passed else 1, runs=names, judged=judged)
    write_session(folder, replace(info, **changes))
    return folder


def judged(scenario: str, *claims: str, verdict: Verdict = Verdict.PASS) -> Judgement:
    findings: tuple[Finding, ...] = tuple(finding(verdict, claim=claim) for claim in claims)
    return Judgement(scenario=scenario, verdict=verdict, findings=findings, run_dir=Path(scenario), replay="")


def test_what_was_proven_and_is_judged_again_is_not_lost_whatever_the_verdict() -> None:
    found = compared(PROVEN, [judged("one", "b", "a", verdict=Verdict.FAIL), judged("two", "a")])
    assert (found.lost, found.new) == ((), ())


def test_a_claim_that_is_gone_and_a_scenario_that_is_gone_are_lost() -> None:
    found = compared(PROVEN, [judged("one", "b")])
    assert found.lost == (("one", "a"), ("two", ""))


def test_what_the_baseline_does_not_know_is_new() -> None:
    found = compared(PROVEN, [judged("one", "a", "b", "c"), judged("two", "a"), judged("three", "a")])
    assert (found.lost, found.new) == ((), (("one", "c"), ("three", "a")))


def test_a_gate_that_asks_nothing_is_refused() -> None:
    asked, unasked = (ScenarioInfo(name, "", "", (), name == "asked") for name in ("asked", "unasked"))
    assert gated([asked, unasked]) == ["asked"]
    with pytest.raises(ConfigError, match="would let everything through"):
        gated([unasked])


def test_a_session_s_baseline_is_what_its_gated_scenarios_proved(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "b", "a")
    recorded(tmp_path / "beside", "a", verdict=Verdict.FAIL)
    assert baseline_of(session(tmp_path), ["one"]).claims == {"one": ("a", "b")}


def test_a_run_that_was_held_again_is_no_part_of_it(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "a", verdict=Verdict.INCONCLUSIVE)
    recorded(tmp_path / "one-again", "a", scenario="one", supersedes="one")
    assert baseline_of(session(tmp_path), ["one"]).claims == {"one": ("a",)}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"verdict": Verdict.FAIL}, "was FAIL"),
        ({"verdict": Verdict.INCONCLUSIVE}, "was INCONCLUSIVE"),
        ({"variants": ("a-defect",)}, "a-defect switched on"),
        ({"profile": "guide"}, "several profiles: ci, guide"),
        ({"target": "another"}, "several targets: another, shop"),
        ({"ended": "aborted: x"}, "two proves nothing as it is recorded in .*: "),
        ({"scenario": "one"}, "holds one twice"),
        ({"claims": ({"fields": {"id": "b"}},)}, "what has no finding is b"),
        ({"ended": "", "lines": {}}, "operations: the file is missing"),
        ({"lines": {"operations": 5}}, "operations: the file is missing"),
    ],
)
def test_what_is_not_proven_makes_no_baseline(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    recorded(tmp_path / "one", "a")
    recorded(tmp_path / "two", "a", **changes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=told):
        baseline_of(session(tmp_path), ["one", "two"])


def test_a_session_without_a_scenario_of_the_gate_makes_no_baseline(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "a")
    with pytest.raises(ConfigError, match="lacks two"):
        baseline_of(session(tmp_path), ["one", "two"])
    with pytest.raises(ConfigError, match="holds no run"):
        baseline_of(tmp_path / "one", ["one"])


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"exit_code": None}, "was begun and nobody said"),
        ({"exit_code": 130}, "somebody stopped it"),
        ({"runs": ("one", "two")}, "these of its runs are gone: two"),
        ({"runs": ()}, "put there after it had ended: one"),
        ({"errors": (Told(scenario="one", told="the stack broke."),), "exit_code": 3}, "the stack broke"),
        ({"judged": (), "exit_code": 3}, "was not judged when its session was held"),
        (
            {
                "judged": (JudgedRun(run="one", scenario="one", verdict=Verdict.FAIL, superseded=False),),
                "exit_code": 1,
            },
            "was FAIL when its session was held",
        ),
    ],
    ids=str,
)
def test_a_session_that_does_not_stand_by_it_makes_no_baseline(
    tmp_path: Path, says: dict[str, Any], told: str
) -> None:
    recorded(tmp_path / "one", "a")
    with pytest.raises(ConfigError, match=told):
        baseline_of(session(tmp_path, **says), ["one"])


def test_a_session_without_its_file_makes_no_baseline(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "a")
    with pytest.raises(ConfigError, match=r"there is no session\.json"):
        baseline_of(tmp_path, ["one"])


def test_what_went_wrong_beside_the_gate_s_scenarios_keeps_no_baseline_from_being_made(
    tmp_path: Path,
) -> None:
    """Such as a claim that was taken out on purpose, which the gate missed: saving is how that is said."""
    recorded(tmp_path / "one", "a")
    lost = (Told(scenario="", told="1 of what the baseline has proven was not judged"),)
    assert baseline_of(session(tmp_path, errors=lost, exit_code=3), ["one"]).claims == {"one": ("a",)}


def test_a_gate_of_another_kind_is_refused_before_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_another(PROVEN, Settings.read(profile="ci"))
    refuse_another(None, Settings.read(profile="guide"))
    with pytest.raises(ConfigError, match="the profile ci and this gate has guide"):
        refuse_another(PROVEN, Settings.read(profile="guide"))
    monkeypatch.setenv("DRILLBOOK_VARIANTS", "forgets")
    for baseline in (PROVEN, None):
        with pytest.raises(ConfigError, match="a gate is about your system as it is"):
            refuse_another(baseline, Settings.read(profile="ci"))


def test_a_session_that_answers_another_question_is_told(tmp_path: Path) -> None:
    there = replace(judged("one", "a"), run_dir=recorded(tmp_path / "one", "a"))
    assert list(strangers(PROVEN, [there])) == []
    assert list(strangers(replace(PROVEN, target="shop"), [there])) == []
    [told] = strangers(replace(PROVEN, target="another"), [there])
    assert "with the target shop, and the baseline is about another" in told
    [told] = strangers(replace(PROVEN, profile="guide"), [there])
    assert "with the profile ci" in told
    assert len(list(strangers(PROVEN, [replace(there, run_dir=tmp_path / "gone")]))) == 1


def test_the_newest_session_is_taken_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no session"):
        newest_session(tmp_path)
    for name in ("20261122-1", "20261123-1"):
        recorded(tmp_path / name / "one", "a")
    assert newest_session(tmp_path) == tmp_path / "20261123-1"


# The commands ---------------------------------------------------------------------------------------------------------

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place.made(tmp_path, monkeypatch)
    made.scenario("one", "PASS", gate=True)
    made.scenario("two", "PASS")
    (made.scenarios / "__init__.py").touch()  # a package of a name that no other test uses
    return made


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Place) -> Call:
    def made(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["drill", *arguments, "--scenarios", str(place.scenarios)])
        with pytest.raises(SystemExit) as exited:
            cli.main()
        shown = capsys.readouterr()
        return int(str(exited.value.code)), shown.out, shown.err

    return made


def proven(path: Path, **claims: tuple[str, ...]) -> Path:
    write_baseline(path, Baseline(profile="ci", revision="", saved="", claims=claims))
    return path


def test_a_gate_holds_what_is_marked_and_is_green_when_nothing_is_missed(call: Call, tmp_path: Path) -> None:
    proven(tmp_path / "drill-baseline.json", one=("it-holds",))
    code, out, _ = call("gate", "--json")
    document = json.loads(out)
    assert (code, [run["scenario"] for run in document["runs"]]) == (ExitCode.PASS, ["one"])
    assert (document["lost"], document["new"]) == ([], [])


def test_a_gate_writes_what_a_pull_request_shows_and_what_was_lost_is_in_it(
    call: Call, tmp_path: Path
) -> None:
    proven(tmp_path / "drill-baseline.json", gone=("it-holds",))
    code, _, err = call("gate", "--markdown", "new/gate.md")
    assert code == ExitCode.INCONCLUSIVE
    text = (tmp_path / "new" / "gate.md").read_text()
    assert text.startswith("# ? INCONCLUSIVE: ")
    assert "**Not held**: the session: 1 of what the baseline has proven was not judged" in text
    assert "Markdown: new/gate.md" in err


def test_a_green_session_that_lost_a_claim_is_inconclusive(call: Call, tmp_path: Path) -> None:
    proven(tmp_path / "b.json", one=("it-holds", "it-held"), gone=("it-holds",))
    code, out, err = call("gate", "--baseline", "b.json", "--json")
    assert code == ExitCode.INCONCLUSIVE
    assert json.loads(out)["lost"] == [
        {"scenario": "one", "claim": "it-held"},
        {"scenario": "gone", "claim": ""},
    ]
    assert "gone: all of it" in " ".join(err.split())


def test_a_green_gate_of_another_target_than_the_baseline_s_is_inconclusive(
    call: Call, tmp_path: Path
) -> None:
    kept = Baseline(profile="ci", revision="", saved="", claims={"one": ("it-holds",)}, target="another")
    write_baseline(tmp_path / "drill-baseline.json", kept)
    code, _, err = call("gate")
    assert code == ExitCode.INCONCLUSIVE
    assert "the baseline is about another" in " ".join(err.split())


def test_a_gate_with_a_planted_defect_is_refused(
    call: Call, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven(tmp_path / "drill-baseline.json", one=("it-holds",))
    monkeypatch.setenv("DRILLBOOK_VARIANTS", "forgets")
    code, _, err = call("gate")
    assert (code, place.stack.started) == (ExitCode.USAGE, 0)
    assert "DRILLBOOK_VARIANTS" in err


@pytest.mark.parametrize(
    "change",
    [
        lambda place: place.broken("one", 'pytest.skip("not here")', gate=True),
        lambda place: place.scenario("one", "PASS"),  # no longer marked for the gate
        lambda place: (place.scenarios / "test_one.py").rename(place.scenarios / "one.py"),
    ],
    ids=["skipped", "unmarked", "never collected"],
)
def test_what_was_proven_and_is_not_held_any_more_is_never_green(
    call: Call, place: Place, tmp_path: Path, change: Callable[[Place], object]
) -> None:
    place.scenario("three", "PASS", gate=True)
    proven(tmp_path / "drill-baseline.json", one=("it-holds",), three=("it-holds",))
    assert call("gate")[0] == ExitCode.PASS
    change(place)
    for module in [name for name in sys.modules if name.startswith(place.scenarios.name)]:
        del sys.modules[module]
    assert call("gate")[0] in {ExitCode.INCONCLUSIVE, ExitCode.USAGE}


def test_a_saved_baseline_is_saved_from_the_session_that_a_gate_held(call: Call, tmp_path: Path) -> None:
    assert call("gate", "--no-baseline")[0] == ExitCode.PASS
    assert call("baseline", "save")[0] == ExitCode.PASS
    kept = read_baseline(tmp_path / BASELINE)
    assert (kept.claims, kept.target) == ({"one": ("it-holds",)}, "shop")


def test_a_fail_stays_a_fail_whatever_was_lost(call: Call, place: Place, tmp_path: Path) -> None:
    place.scenario("bad", "FAIL", gate=True)
    proven(tmp_path / "b.json", gone=("it-holds",))
    assert call("gate", "--baseline", "b.json")[0] == ExitCode.FAIL


def test_without_a_baseline_a_gate_is_refused_unless_told_so(call: Call) -> None:
    assert call("gate")[0] == ExitCode.USAGE
    assert call("gate", "--no-baseline")[0] == ExitCode.PASS


def test_a_baseline_of_another_profile_is_refused_before_anything_is_held(
    call: Call, place: Place, tmp_path: Path
) -> None:
    proven(tmp_path / "drill-baseline.json", one=("it-holds",))
    code, _, err = call("gate", "--profile", "guide")
    assert (code, place.stack.started) == (ExitCode.USAGE, 0)
    assert "the profile ci" in " ".join(err.split())


def test_a_saved_baseline_is_what_the_next_gate_is_held_to(call: Call, tmp_path: Path) -> None:
    held = tmp_path / "runs" / "20261123-1"
    recorded(held / "one", "it-holds", "it-also-holds", target="shop")
    session(held)
    code, out, _ = call("baseline", "save", "--json")
    assert (code, json.loads(out)["claims"]) == (ExitCode.PASS, {"one": ["it-also-holds", "it-holds"]})
    code, _, err = call("gate")
    assert code == ExitCode.INCONCLUSIVE
    assert "one: it-also-holds" in " ".join(err.split())
