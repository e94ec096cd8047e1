"""Ways to come to the end of a session without a proof. None of them may be green, and each is named.

For each guilty way there is the innocent one beside it, which has to stay green.
"""

import shlex
from pathlib import Path

import pytest

from harness.errors import ConfigError, DrillError, ExitCode
from tests.scenario_folder import Place

# What the scenarios of inner sessions are marked with, to see that it excuses none. No test of ours bears it.
XFAIL = '@pytest.mark.xfail(reason="known")'
STRICT = '@pytest.mark.xfail(reason="known", strict=True)'
NOT_RUN = '@pytest.mark.xfail(reason="known", run=False)'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder in which one scenario is held and passes."""
    place = Place.made(tmp_path, monkeypatch)
    place.scenario("a", "PASS")
    return place


def not_held(place: Place, *arguments: str, code: ExitCode = ExitCode.INCONCLUSIVE) -> str:
    """Hold a session that proves nothing of `b`, and return what is said of it."""
    outcome = place.run(*arguments)
    assert outcome.code is code
    [(name, why)] = outcome.not_held
    assert name == "b"
    assert why in outcome.errors
    return why


@pytest.mark.parametrize(
    "line",
    [
        "pass",
        "return",
        "try:\n        raise FaultError('it did not bite')\n    except FaultError:\n        pass",
    ],
)
def test_a_scenario_that_holds_no_drill_is_not_green(place: Place, line: str) -> None:
    place.broken("b", line)
    assert "b came to its end without a judged drill" in not_held(place)


def test_a_scenario_that_does_not_even_ask_for_a_drill_is_not_green(place: Place) -> None:
    place.write("b", '@pytest.mark.scenario("b", guide="Here")\ndef test_it():\n    pass\n')
    assert "b came to its end without a judged drill" in not_held(place)


def test_a_test_that_is_no_scenario_needs_no_drill(place: Place) -> None:
    place.write("b", "def test_it():\n    pass\n")
    assert place.run().code is ExitCode.PASS


def test_a_drill_may_be_held_by_a_fixture(place: Place) -> None:
    place.write(
        "b",
        '@pytest.fixture\ndef drilled(chaos):\n    held(chaos, "PASS")\n'
        '@pytest.mark.scenario("b", guide="Here")\ndef test_it(drilled):\n    pass\n',
    )
    assert place.run().code is ExitCode.PASS


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE"])
def test_a_verdict_that_a_scenario_swallows_still_counts(place: Place, verdict: str) -> None:
    place.broken("b", f'try:\n        held(chaos, "{verdict}")\n    except AssertionError:\n        pass')
    assert place.run().code is ExitCode[verdict]


@pytest.mark.parametrize("mark", [XFAIL, STRICT])
def test_a_fail_that_was_expected_is_a_fail(place: Place, mark: str) -> None:
    place.scenario("b", "FAIL", mark=mark)
    assert place.run().code is ExitCode.FAIL


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ('pytest.xfail("known")', ""),
        ('held(chaos, "PASS")', NOT_RUN),
        ('raise FaultError("it did not bite")', XFAIL),
        ('raise RuntimeError("a mistake")', STRICT),
        ("pass", XFAIL),
    ],
)
def test_a_drill_that_was_expected_not_to_be_held_is_not_held(place: Place, line: str, mark: str) -> None:
    place.broken("b", line, mark=mark)
    assert "an xfail excuses no verdict" in not_held(place)


def test_a_pass_that_was_strictly_unexpected_is_not_green(place: Place) -> None:
    place.scenario("b", "PASS", mark=STRICT)
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    [error] = outcome.errors
    assert error.startswith("b passed, and is marked xfail(strict).")


def test_a_pass_in_spite_of_an_xfail_is_a_pass(place: Place) -> None:
    place.scenario("b", "PASS", mark=XFAIL)
    assert place.run().code is ExitCode.PASS


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ('pytest.skip("needs three brokers")', ""),
        ("pass", '@pytest.mark.skip(reason="needs three brokers")'),
        ("pass", '@pytest.mark.skipif(True, reason="needs three brokers")'),
    ],
)
def test_a_skip_with_a_reason_is_shown_and_holds_nothing_back(place: Place, line: str, mark: str) -> None:
    place.broken("b", line, mark=mark)
    outcome = place.run()
    assert (outcome.code, outcome.errors) == (ExitCode.PASS, ())
    assert outcome.skipped == (("b", "needs three brokers"),)


@pytest.mark.parametrize(
    ("line", "mark"), [("pytest.skip()", ""), ('pytest.skip(" ")', ""), ("pass", "@pytest.mark.skip")]
)
def test_a_skip_without_a_reason_is_not_green(place: Place, line: str, mark: str) -> None:
    place.broken("b", line, mark=mark)
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert "b was skipped without a reason" in outcome.errors[0]


@pytest.mark.parametrize("asked", [["--drill-only=b"], ["--drill-only=a", "--drill-only=b"]])
def test_a_scenario_that_was_asked_for_by_name_and_skipped_leaves_the_question_open(
    place: Place, asked: list[str]
) -> None:
    place.broken("b", 'pytest.skip("needs three brokers")')
    outcome = place.run(*asked)
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert "b was asked for by name and was skipped (needs three brokers)" in outcome.errors[0]


def test_a_family_that_was_asked_for_is_answered_by_those_that_can_be_held(place: Place) -> None:
    place.write(
        "b",
        '@pytest.mark.parametrize("brokers", [1, 3])\n@pytest.mark.scenario("b", guide="Here")\n'
        "def test_it(chaos, brokers):\n"
        '    if brokers == 3:\n        pytest.skip("needs three brokers")\n    held(chaos, "PASS")\n',
    )
    assert place.run("--drill-only=b").code is ExitCode.PASS
    assert place.run("--drill-only=b[3]").code is ExitCode.INCONCLUSIVE


def test_only_skipped_scenarios_prove_nothing(place: Place) -> None:
    place.broken("a", 'pytest.skip("needs three brokers")')
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert outcome.errors == ("every scenario was skipped, so nothing was shown.",)
    assert outcome.skipped == (("a", "needs three brokers"),)


@pytest.mark.parametrize("alone", [True, False])
def test_the_scenarios_of_a_file_that_skips_itself_are_shown_as_skipped(place: Place, alone: bool) -> None:
    place.broken("b", "pass")
    file = place.scenarios / "test_b.py"
    file.write_text(f'import pytest\npytest.skip("no docker", allow_module_level=True)\n{file.read_text()}')
    if alone:
        (place.scenarios / "test_a.py").unlink()
    outcome = place.run()
    assert outcome.code is (ExitCode.INCONCLUSIVE if alone else ExitCode.PASS)
    assert outcome.skipped == (("b", "no docker"),)


@pytest.mark.parametrize(
    "line",
    [
        'pytest.exit("enough")',
        'pytest.exit("enough", returncode=0)',
        'request.session.shouldstop = "enough"',
    ],
)
def test_a_session_that_ends_early_names_what_was_not_held(place: Place, line: str) -> None:
    place.conftest(f"@pytest.fixture(autouse=True)\ndef early(request):\n    yield\n    {line}\n")
    place.scenario("b", "PASS")
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert outcome.not_held == (("b", "the session ended before these came to a verdict: b"),)


@pytest.mark.parametrize("habit", ["-x", "--maxfail=1", "-k nothing_like_it", "--collect-only", "-m slow"])
def test_habits_for_other_tests_leave_no_scenario_out(
    place: Place, habit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", habit)
    place.scenario("0", "INCONCLUSIVE")
    outcome = place.run()
    assert [judgement.scenario for judgement in outcome.judgements] == ["0", "a"]
    assert outcome.code is ExitCode.INCONCLUSIVE


def test_a_limit_on_failures_names_what_it_kept_from_being_held(place: Place) -> None:
    place.scenario("a", "INCONCLUSIVE")
    place.scenario("b", "PASS")
    assert "the session ended before these came to a verdict: b" in not_held(place, "--maxfail=1")


def test_what_a_conftest_leaves_out_is_named(place: Place) -> None:
    place.scenario("b", "FAIL")
    place.conftest("def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n")
    outcome = place.run()
    assert (outcome.code, outcome.left_out) == (ExitCode.PASS, ("b",))


@pytest.mark.parametrize("arguments", ["--drill-only=b -m one", "--drill-only=a --drill-only=b -m one"])
def test_a_scenario_that_was_asked_for_by_name_and_left_out_is_refused(place: Place, arguments: str) -> None:
    place.scenario("a", "PASS", mark="@pytest.mark.one")
    place.scenario("b", "PASS")
    outcome = place.run(*shlex.split(arguments))
    assert outcome.code is ExitCode.USAGE
    assert "b was asked for by name, but" in outcome.errors[0]
    assert place.stack.started == 0


def test_two_scenarios_of_one_name_are_refused(place: Place) -> None:
    place.scenario("b", "PASS")
    file = place.scenarios / "test_b.py"
    file.write_text(file.read_text().replace('"b"', '"a"'))
    outcome = place.run()
    assert outcome.code is ExitCode.USAGE
    assert "are both the scenario 'a'" in outcome.errors[0]
    assert place.stack.started == 0


@pytest.mark.parametrize(("moment", "held"), [("setup", 0), ("teardown", 1)])
def test_a_fixture_that_breaks_before_or_after_a_drill_is_not_green(
    place: Place, moment: str, held: int
) -> None:
    body = "yield\n    " * held + 'raise RuntimeError("no")'
    place.conftest(f"@pytest.fixture(autouse=True)\ndef shared():\n    {body}\n")
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert (len(outcome.judgements), len(outcome.not_held)) == (held, 1 - held)
    [error] = outcome.errors
    assert error.startswith(f"a broke in its {moment}:")
    assert "plugin.py" not in error


def test_a_session_of_which_pytest_is_not_content_is_not_green(place: Place) -> None:
    place.conftest("def pytest_sessionfinish(session):\n    session.exitstatus = 1\n")
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert outcome.errors == ("pytest ended with its code 1.",)


@pytest.mark.parametrize("body", ["raise SystemExit(0)", "import sys\nsys.exit()"])
def test_a_conftest_that_ends_the_program_is_not_green(place: Place, body: str) -> None:
    place.conftest(body)
    with pytest.raises(DrillError, match="ended the program") as caught:
        place.run()
    assert caught.value.exit_code is ExitCode.INCONCLUSIVE


@pytest.mark.parametrize("how", ["skipped", "left out"])
def test_a_scenario_that_is_not_collected_cannot_be_said_to_detect_anything(place: Place, how: str) -> None:
    place.broken("b", "pass")
    if how == "skipped":
        place.write(
            "b", f'pytest.skip("no", allow_module_level=True)\n{(place.scenarios / "test_b.py").read_text()}'
        )
    else:
        place.conftest("def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n")
    assert place.collected() == ["a"]
    with pytest.raises(ConfigError, match="these are skipped or left out: b"):
        place.collected(whole=True)


def test_a_folder_without_a_scenario_is_a_usage_error(place: Place) -> None:
    (place.scenarios / "test_a.py").write_text("def test_it():\n    pass\n")
    outcome = place.run()
    assert (outcome.code, outcome.errors) == (
        ExitCode.USAGE,
        ("no scenario was chosen. `drill list` shows those that are here.",),
    )
    with pytest.raises(ConfigError, match="there is no scenario in"):
        place.collected()


def test_an_inconclusive_drill_that_could_not_be_held_again_still_counts(place: Place) -> None:
    place.broken(
        "b",
        'held(chaos, "INCONCLUSIVE", "PASS") if False else None\n'
        "    from dataclasses import replace\n"
        '    try:\n        held(chaos, "INCONCLUSIVE")\n    except AssertionError:\n        pass\n'
        "    chaos.judgements[-1] = replace(chaos.judgements[-1], superseded=True)\n"
        '    raise FaultError("it did not bite")',
    )
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert not outcome.judgements[-1].superseded
    assert outcome.errors == ("it did not bite",)
