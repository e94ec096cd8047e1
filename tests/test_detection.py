"""Detection with sessions that are made up: what counts as caught, and what as no answer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import detection_matrix, sessions
from harness.catalogue import ScenarioInfo
from harness.detection import Detection, detect, exit_code_of
from harness.errors import ConfigError, ExitCode
from harness.judgement import EXIT_CODES, Judgement, Trouble
from harness.outcome import SessionOutcome
from harness.recording.records import Verdict
from tests.fake_stack import finding

SCENARIO = ScenarioInfo("outage", "X", "why", (("forgetful-queue", "it-holds"),))


class Sessions:
    """Answers in the place of pytest."""

    def __init__(self, held: SessionOutcome) -> None:
        self.held = held
        self.asked: list[Sequence[str]] = []

    def run(self, folder: Path, arguments: Sequence[str]) -> SessionOutcome:
        self.asked.append(arguments)
        return self.held

    def collected(self, folder: Path, *, whole: bool = False) -> tuple[ScenarioInfo, ...]:
        return (SCENARIO,)


def outcome(*verdicts: Verdict, code: ExitCode | None = None, claim: str = "it-holds") -> SessionOutcome:
    judgements = tuple(
        Judgement(
            scenario="outage",
            verdict=verdict,
            findings=(finding(verdict, claim=claim),),
            run_dir=Path(f"runs/{number}"),
            replay="",
            superseded=number + 1 < len(verdicts),
        )
        for number, verdict in enumerate(verdicts)
    )
    code = EXIT_CODES[verdicts[-1]] if code is None else code
    trouble = Trouble(scenario="outage", told="why not", code=code)
    return SessionOutcome(code=code, judgements=judgements, troubles=(trouble,), scenarios=(SCENARIO,))


def detected(
    monkeypatch: pytest.MonkeyPatch, held: SessionOutcome, *only: str
) -> tuple[list[Detection], Sessions]:
    fake = Sessions(held)
    monkeypatch.setattr(sessions, "run", fake.run)
    monkeypatch.setattr(sessions, "collected", fake.collected)
    return detect(Path("scenarios"), ["--drill-seed=7"], only), fake


def test_the_matrix_tells_what_was_caught_by_what_and_what_else_failed(tmp_path: Path) -> None:
    caught = Detection(
        defect="forgetful-queue",
        scenario="outage",
        claim="it-holds",
        code=ExitCode.PASS,
        failed=("it-holds", "all-end"),
        because="3 of 5 | held\nand no more",
        run_dir="",
    )
    missed = replace(caught, defect="another", code=ExitCode.FAIL, failed=())
    detection_matrix.write([caught, missed], tmp_path / "m.md")
    rows = [line for line in (tmp_path / "m.md").read_text().splitlines() if "| outage |" in line]
    assert rows == [
        r"| another | outage | it-holds | **missed** | 3 of 5 \| held and no more | nothing |",
        r"| forgetful-queue | outage | it-holds | caught | 3 of 5 \| held and no more | all-end |",
    ]


def test_a_matrix_that_would_lose_rows_or_has_no_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="would lose the others"):
        detection_matrix.refuse_partial(tmp_path / "m.md", ["forgetful-queue"])
    with pytest.raises(ConfigError, match="there is no folder"):
        detection_matrix.refuse_partial(tmp_path / "nowhere" / "m.md", [])


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ((Verdict.FAIL,), ExitCode.PASS),
        ((Verdict.PASS,), ExitCode.FAIL),
        ((Verdict.INCONCLUSIVE,), ExitCode.INCONCLUSIVE),
        ((Verdict.INCONCLUSIVE, Verdict.FAIL), ExitCode.PASS),
    ],
)
def test_a_defect_is_caught_if_its_claim_fails_in_the_run_that_counts(
    monkeypatch: pytest.MonkeyPatch, verdicts: tuple[Verdict, ...], code: ExitCode
) -> None:
    [found], fake = detected(monkeypatch, outcome(*verdicts))
    assert (found.code, found.caught) == (code, code is ExitCode.PASS)
    assert found.run_dir == f"runs/{len(verdicts) - 1}"
    assert fake.asked[0] == [
        "--drill-seed=7",
        "--drill-variant=forgetful-queue",
        "--drill-only=outage",
    ]


def test_a_defect_caught_by_another_claim_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    [found], _ = detected(monkeypatch, outcome(Verdict.FAIL, claim="another"))
    assert (found.code, found.failed) == (ExitCode.INCONCLUSIVE, ("another",))


@pytest.mark.parametrize("code", [ExitCode.NO_STACK, ExitCode.INTERRUPTED, ExitCode.USAGE])
def test_a_drill_that_was_not_held_is_no_missed_defect_and_keeps_what_was_found_before_it(
    monkeypatch: pytest.MonkeyPatch, code: ExitCode
) -> None:
    two_more = ScenarioInfo("flood", "X", "why", (("no-limit", "it-limits"), ("no-queue", "it-refuses")))
    answers = iter([outcome(Verdict.FAIL), outcome(code=code)])
    monkeypatch.setattr(sessions, "collected", lambda *_, **__: (SCENARIO, two_more))
    monkeypatch.setattr(sessions, "run", lambda *_: next(answers))  # a third one would be an error
    found = detect(Path("scenarios"), [])
    assert [(one.defect, one.code) for one in found] == [
        ("forgetful-queue", ExitCode.PASS),
        ("no-limit", code),
        ("no-queue", code),
    ]
    assert found[1].because == "not held: why not"
    assert found[2].because == "not begun, because flood with no-limit was not held"
    assert exit_code_of(found) is code


def test_a_miss_is_a_miss_though_a_later_drill_was_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    [missed], _ = detected(monkeypatch, outcome(Verdict.PASS))
    [not_held], _ = detected(monkeypatch, outcome(code=ExitCode.NO_STACK))
    [stopped], _ = detected(monkeypatch, outcome(code=ExitCode.INTERRUPTED))
    assert exit_code_of([missed, not_held]) is ExitCode.FAIL
    assert exit_code_of([missed, stopped]) is ExitCode.INTERRUPTED


def test_an_unknown_defect_is_refused_and_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="Did you mean forgetful-queue"):
        detected(monkeypatch, outcome(Verdict.FAIL), "forgetful-cue")


def test_one_miss_decides_and_nothing_tried_is_not_green(monkeypatch: pytest.MonkeyPatch) -> None:
    [caught], _ = detected(monkeypatch, outcome(Verdict.FAIL))
    [missed], _ = detected(monkeypatch, outcome(Verdict.PASS))
    [silent], _ = detected(monkeypatch, outcome(Verdict.INCONCLUSIVE))
    assert exit_code_of([caught]) is ExitCode.PASS
    assert exit_code_of([caught, silent]) is ExitCode.INCONCLUSIVE
    assert exit_code_of([caught, silent, missed]) is ExitCode.FAIL
    assert exit_code_of([]) is ExitCode.INCONCLUSIVE
