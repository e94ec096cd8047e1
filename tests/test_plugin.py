"""The plugin under plain pytest, as somebody uses it who has never heard of `drill`."""

from pathlib import Path

import pytest

from harness.catalogue import unknown_scenario
from harness.errors import StackError
from tests.fake_stack import HELD, FakeStack

pytest_plugins = ["pytester"]

QUIETLY = ("-p", "no:locust", "-p", "no:valkey", "-p", "no:cacheprovider")


@pytest.fixture
def stack(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    return FakeStack.installed(monkeypatch, pytester.path)


def scenarios(pytester: pytest.Pytester, **verdicts: str) -> Path:
    body = "".join(
        f'@pytest.mark.scenario("{name}", guide="Here")\ndef test_{name}(chaos):\n    held(chaos, *{words.split()})\n'
        for name, words in verdicts.items()
    )
    return pytester.makepyfile(**{f"test_{pytester.path.name}": HELD + body})


def test_a_scenario_passes_and_fails_like_any_test(pytester: pytest.Pytester, stack: FakeStack) -> None:
    scenarios(
        pytester, good="PASS", bad="FAIL", unclear="INCONCLUSIVE INCONCLUSIVE", late="INCONCLUSIVE PASS"
    )
    result = pytester.runpytest_inprocess(*QUIETLY)
    result.assert_outcomes(passed=2, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["FAIL: bad", "  FAIL: It holds.: 3 of 5 held", "  recorded in *; replay: drill run bad*"]
    )
    result.stdout.no_fnmatch_line("*runner.py*")  # no traceback through ourselves
    assert (stack.started, stack.ended) == (1, 1)


def test_a_scenario_without_a_drill_or_with_an_excuse_is_not_green(
    pytester: pytest.Pytester, stack: FakeStack
) -> None:
    mark = '@pytest.mark.scenario("{0}", guide="Here")\ndef test_{0}(chaos):\n    {1}\n'
    bodies = {
        "empty": "pass",
        "swallowed": 'try:\n        held(chaos, "FAIL")\n    except AssertionError:\n        pass',
        "given_up": 'pytest.xfail("known")',
        "elsewhere": 'pytest.skip("needs three brokers")',
        "good": 'held(chaos, "PASS")',
    }
    body = "".join(mark.format(name, line) for name, line in bodies.items())
    # What the inner session is to refuse: nothing of this project is excused by it.
    excused = "@pytest.mark.xfail\n" + mark.format("excused", 'held(chaos, "FAIL")')
    pytester.makepyfile(**{f"test_{pytester.path.name}": HELD + body + excused})
    result = pytester.runpytest_inprocess(*QUIETLY)
    result.assert_outcomes(passed=1, skipped=1, failed=4)
    result.stdout.fnmatch_lines(["empty came to its end without a judged drill*", "FAIL: swallowed"])
    result.stdout.fnmatch_lines(["given_up was given up with xfail (known). *an xfail excuses no verdict*"])


def test_a_drill_is_told_on_lines_of_its_own(
    pytester: pytest.Pytester, stack: FakeStack, capfd: pytest.CaptureFixture[str]
) -> None:
    scenarios(pytester, good="PASS")
    result = pytester.runpytest_inprocess(*QUIETLY, "--color=no")
    told = result.stdout.lines
    [named] = [line for line in told if line.startswith(f"test_{pytester.path.name}.py")]
    assert named.rstrip() == f"test_{pytester.path.name}.py"  # the line was ended before the drill was told
    assert "PASS  good  1 of 1 claims hold" in result.stderr.str() + capfd.readouterr().err


def test_a_stack_that_does_not_start_is_an_error_without_a_traceback(
    pytester: pytest.Pytester, stack: FakeStack
) -> None:
    scenarios(pytester, good="PASS")
    stack.refusal = StackError("kafka-1 ended before it answered")
    result = pytester.runpytest_inprocess(*QUIETLY)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["kafka-1 ended before it answered"])
    result.stdout.no_fnmatch_line("*fake_stack.py*")


def test_tests_without_a_drill_start_no_stack(pytester: pytest.Pytester, stack: FakeStack) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess(*QUIETLY).assert_outcomes(passed=1)
    assert stack.started == 0


def test_a_setting_that_makes_no_sense_is_refused(pytester: pytest.Pytester, stack: FakeStack) -> None:
    scenarios(pytester, good="PASS")
    result = pytester.runpytest_inprocess(*QUIETLY, "--drill-brokers=2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*brokers must be 1 or 3, got '2'*"])


def test_a_limit_for_unit_tests_does_not_cut_a_drill_short(
    pytester: pytest.Pytester, stack: FakeStack
) -> None:
    pytester.makeini("[pytest]\ntimeout = 1\n")
    pytester.makepyfile(
        HELD
        + '@pytest.mark.scenario("long", guide="Here")\n'
        + "def test_long(chaos, request):\n"
        + '    assert request.node.get_closest_marker("timeout").args == (0,)\n'
        + '    held(chaos, "PASS")\n'
    )
    pytester.runpytest_inprocess(*QUIETLY).assert_outcomes(passed=1)


def test_scenarios_are_not_spread_over_processes(pytester: pytest.Pytester, stack: FakeStack) -> None:
    path = scenarios(pytester, good="PASS")
    # xdist's own option, so that this test does not need xdist.
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--numprocesses')")
    result = pytester.runpytest_inprocess(*QUIETLY, "--numprocesses=2", str(path))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*scenarios cannot be spread over processes with -n*"])
    assert stack.started == 0


def test_an_unknown_scenario_is_told_with_the_nearest_names() -> None:
    known = ["outage-in-time", "overload[1]", "overload[2]", "baseline"]
    assert "Did you mean outage-in-time?" in unknown_scenario("outage-in-tim", known)
    assert "Did you mean overload" in unknown_scenario("overlod", known)
    assert "There are: baseline, outage-in-time, overload." in unknown_scenario("xyz", known)
    assert "There are: none here." in unknown_scenario("xyz", [])
