"""A gate: what it asks, and what it misses when something that was proven is gone."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.catalogue import ScenarioInfo
from harness.completion import scenario_names
from harness.errors import ConfigError, ExitCode
from harness.gate import (
    BASELINE,
    Baseline,
    baseline_of,
    compared,
    gated,
    newest_session,
    read_baseline,
    write_baseline,
)
from harness.judgement import Judgement
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from tests.fake_stack import finding
from tests.histories import Drill
from tests.scenario_folder import Place
from tests.tidy.sources import ROOT

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


def test_a_baseline_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    write_baseline(tmp_path / "b.json", PROVEN)
    assert read_baseline(tmp_path / "b.json") == PROVEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[]", "has baseline_version None"),
        ('{"baseline_version": 2}', "has baseline_version 2"),
        ('{"baseline_version": 1}', "is damaged"),
        ('{"baseline_version":1,"profile":"ci","revision":"","saved":"","claims":{}}', "holds no claim"),
    ],
)
def test_a_baseline_that_says_nothing_is_refused_with_what_helps(
    tmp_path: Path, text: str | None, told: str
) -> None:
    if text is not None:
        (tmp_path / "b.json").write_text(text)
    with pytest.raises(ConfigError, match=told) as refused:
        read_baseline(tmp_path / "b.json")
    assert "drill baseline save" in str(refused.value)


def test_a_session_s_baseline_is_what_its_gated_scenarios_proved(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "b", "a")
    recorded(tmp_path / "beside", "a", verdict=Verdict.FAIL)
    assert baseline_of(tmp_path, ["one"]).claims == {"one": ("a", "b")}


def test_a_run_that_was_held_again_is_no_part_of_it(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "a", verdict=Verdict.INCONCLUSIVE)
    recorded(tmp_path / "one-again", "a", scenario="one", supersedes="one")
    assert baseline_of(tmp_path, ["one"]).claims == {"one": ("a",)}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"verdict": Verdict.FAIL}, "was FAIL"),
        ({"verdict": Verdict.INCONCLUSIVE}, "was INCONCLUSIVE"),
        ({"variants": ("a-defect",)}, "a-defect switched on"),
        ({"profile": "guide"}, "several profiles: ci, guide"),
    ],
)
def test_what_is_not_proven_makes_no_baseline(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    recorded(tmp_path / "one", "a")
    recorded(tmp_path / "two", "a", **changes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=told):
        baseline_of(tmp_path, ["one", "two"])


def test_a_session_without_a_scenario_of_the_gate_makes_no_baseline(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "a")
    with pytest.raises(ConfigError, match="lacks two"):
        baseline_of(tmp_path, ["one", "two"])
    with pytest.raises(ConfigError, match="holds no run"):
        baseline_of(tmp_path / "one", ["one"])


def test_the_newest_session_is_taken_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no session"):
        newest_session(tmp_path)
    for name in ("20261122-1", "20261123-1"):
        recorded(tmp_path / name / "one", "a")
    assert newest_session(tmp_path) == tmp_path / "20261123-1"


def test_the_gate_of_this_repository_is_held_to_scenarios_that_are_there() -> None:
    kept = read_baseline(ROOT / BASELINE)
    assert set(kept.claims) <= set(scenario_names(ROOT / "scenarios", ""))
    assert kept.profile == "ci"


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
    session = tmp_path / "runs" / "20261123-1"
    recorded(session / "one", "it-holds", "it-also-holds")
    code, out, _ = call("baseline", "save", "--json")
    assert (code, json.loads(out)["claims"]) == (ExitCode.PASS, {"one": ["it-also-holds", "it-holds"]})
    code, _, err = call("gate")
    assert code == ExitCode.INCONCLUSIVE
    assert "one: it-also-holds" in " ".join(err.split())
