"""A session of drills and its exit code, held on a stack that starts nothing."""

import signal
from pathlib import Path

import pytest

from harness.errors import ConfigError, ExitCode, StackError
from harness.sessions import own_lines
from tests.scenario_folder import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place.made(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (("PASS",), ExitCode.PASS),
        (("FAIL",), ExitCode.FAIL),
        (("INCONCLUSIVE", "INCONCLUSIVE"), ExitCode.INCONCLUSIVE),
        (("INCONCLUSIVE", "PASS"), ExitCode.PASS),
        (("INCONCLUSIVE", "FAIL"), ExitCode.FAIL),
    ],
)
def test_the_verdict_that_counts_becomes_the_exit_code(
    place: Place, verdicts: tuple[str, ...], code: ExitCode
) -> None:
    place.scenario("one", *verdicts)
    outcome = place.run()
    assert outcome.code is code
    assert [judgement.verdict.value for judgement in outcome.judgements] == list(verdicts)
    assert outcome.errors == ()
    assert (place.stack.started, place.stack.ended) == (1, 1)


def test_the_worst_scenario_decides_and_the_others_are_still_held(place: Place) -> None:
    place.scenario("a", "FAIL")
    place.scenario("b", "INCONCLUSIVE")
    place.scenario("c", "PASS")
    outcome = place.run()
    assert outcome.code is ExitCode.FAIL
    assert [judgement.scenario for judgement in outcome.judgements] == ["a", "b", "c"]
    assert place.stack.started == 1  # one warm stack


def test_a_stack_that_does_not_start_is_told_once(place: Place) -> None:
    place.scenario("a", "PASS")
    place.scenario("b", "PASS")
    place.stack.refusal = StackError("kafka-1 ended before it answered")
    outcome = place.run()
    assert (outcome.code, outcome.errors) == (ExitCode.NO_STACK, ("kafka-1 ended before it answered",))


def test_a_fail_is_not_hidden_by_a_drill_that_could_not_be_held(place: Place) -> None:
    place.scenario("a", "FAIL")
    place.broken("b", 'raise FaultError("it did not bite")')
    outcome = place.run()
    assert outcome.code is ExitCode.FAIL
    assert outcome.errors == ("it did not bite",)


def test_an_unknown_scenario_is_refused_with_the_nearest_name_before_anything_starts(place: Place) -> None:
    place.scenario("baseline", "PASS")
    outcome = place.run("--drill-only=basline")
    assert outcome.code is ExitCode.USAGE
    assert outcome.errors == (
        "there is no scenario 'basline'. Did you mean baseline? `drill list` shows all.",
    )
    assert place.stack.started == 0


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--drill-profile=fast", "there is no profile 'fast'"),
        ("--drill-variant=no-such-defect", "the shop has no variant 'no-such-defect'"),
        ("--drill-brokers=2", "brokers must be 1 or 3, got '2'"),
        ("--drill-brokers=many", "invalid int value: 'many'"),
        ("-k((", "Wrong expression passed to '-k'"),
        ("-knothing_like_it", "no scenario was chosen"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_usage_error_before_anything_starts(
    place: Place, argument: str, said: str
) -> None:
    place.scenario("baseline", "PASS")
    outcome = place.run(argument)
    assert outcome.code is ExitCode.USAGE
    assert said in "\n".join(outcome.errors)
    assert place.stack.started == 0


def test_no_folder_of_scenarios_is_a_usage_error(place: Place) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder .*scenarios_of_"):
        place.run()


def test_a_file_with_a_syntax_error_is_a_usage_error_that_shows_the_line(place: Place) -> None:
    place.scenario("good", "PASS")
    place.write("bad", "def test_it(chaos)\n    pass\n", held=False)
    outcome = place.run()
    assert outcome.code is ExitCode.USAGE
    [error] = outcome.errors
    assert "test_bad.py cannot be read" in error
    assert "SyntaxError: expected ':'" in error
    assert "site-packages" not in error
    assert place.stack.started == 0


def test_a_mark_without_a_name_is_a_usage_error(place: Place) -> None:
    place.write("nameless", "@pytest.mark.scenario\ndef test_it(chaos):\n    held(chaos, 'PASS')\n")
    outcome = place.run()
    assert outcome.code is ExitCode.USAGE
    assert "wanted @pytest.mark.scenario(name, guide=heading, gate=False)" in outcome.errors[0]


def test_a_drill_without_the_mark_is_a_usage_error(place: Place) -> None:
    place.write("unmarked", "def test_it(chaos):\n    held(chaos, 'PASS')\n")
    outcome = place.run()
    assert outcome.code is ExitCode.USAGE
    assert "has no @pytest.mark.scenario(name, guide=...)" in outcome.errors[0]


def test_an_ordinary_exception_is_inconclusive_and_its_traceback_told_once(place: Place) -> None:
    place.broken("broken", 'print("by the way"); raise RuntimeError("a mistake of ours")')
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    [error] = outcome.errors
    assert error.startswith("broken broke in its call:")
    assert error.count("E       RuntimeError: a mistake of ours") == 1
    assert "by the way" in error


def test_what_a_scenario_prints_stays_off_standard_output(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.broken("chatty", 'print("by the way"); held(chaos, "PASS")')
    assert place.run().code is ExitCode.PASS
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_drill_ends_its_stack_and_keeps_its_recording(
    place: Place, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    stopped = f"os.kill(os.getpid(), {int(number)})"
    place.broken("a", f'Drill(chaos.stack.recordings / "a").ended("interrupted"); {stopped}; signal.pause()')
    place.scenario("b", "PASS")
    outcome = place.run()
    assert outcome.code is ExitCode.INTERRUPTED
    assert outcome.judgements == ()  # b was not begun
    assert [name for name, _ in outcome.not_held] == ["a", "b"]
    assert outcome.interrupted == (place.stack.recordings / "a",)
    assert place.stack.ended == 1
    assert "interrupted: faults are healed, the stack is being ended" in capfd.readouterr().err
    assert signal.getsignal(number) is before


TRACEBACK = """\
/x/site-packages/_pytest/python.py:5: in importtestmodule
    mod = import_path(
<frozen importlib._bootstrap>:12: in _load
scenarios/test_a.py:3: in <module>
    import nothing
E   ModuleNotFoundError: No module named 'nothing'
"""


def test_frames_of_others_are_left_out_of_a_traceback() -> None:
    assert own_lines(TRACEBACK).splitlines() == TRACEBACK.splitlines()[3:]
