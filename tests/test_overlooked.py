"""Scenarios that somebody wrote down and nobody held: not collected, skipped for no reason of theirs, taken back."""

import re
from pathlib import Path

import pytest

from harness.errors import ConfigError, ExitCode, Interrupted
from tests.scenario_folder import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder in which one scenario is held and passes."""
    place = Place.made(tmp_path, monkeypatch)
    place.scenario("a", "PASS")
    return place


OVERLOOKED = "b is marked as a scenario in .*, but pytest did not collect it"


def hide(place: Place, how: str) -> None:
    """Write a scenario `b` that pytest never sees."""
    place.scenario("b", "PASS")
    file = place.scenarios / "test_b.py"
    text = file.read_text()
    match how:
        case "another function of its name":
            file.write_text(
                text
                + '@pytest.mark.scenario("c", guide="Here")\ndef test_it(chaos):\n    held(chaos, "PASS")\n'
            )
        case "no test by its name":
            file.write_text(text.replace("def test_it", "def tst_it"))
        case "a file that is no test's":
            file.rename(place.scenarios / "b.py")
        case "a folder that is not gone into":
            (place.scenarios / "build").mkdir()
            file.rename(place.scenarios / "build" / "test_b.py")
        case "a conftest's list":
            place.conftest('collect_ignore = ["test_b.py"]')
        case "a mark that was imported":
            file.rename(place.scenarios / "b.py")
            short = text.replace("@pytest.mark.scenario", "@mark.scenario")
            (place.scenarios / "b.py").write_text(f"from pytest import mark\n{short}")
        case "a copy in a file that is no test's":
            (place.scenarios / "b.py").write_text(text)
        case "a wrapper that is no test":
            file.write_text(text + "test_it = None\n")


@pytest.mark.parametrize(
    "how",
    [
        "another function of its name",
        "no test by its name",
        "a file that is no test's",
        "a folder that is not gone into",
        "a conftest's list",
        "a mark that was imported",
        "a copy in a file that is no test's",
        "a wrapper that is no test",
    ],
)
def test_a_scenario_that_was_never_seen_is_missed(place: Place, how: str) -> None:
    hide(place, how)
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    [error] = outcome.errors
    assert re.search(OVERLOOKED, error)
    with pytest.raises(ConfigError, match=OVERLOOKED):
        place.collected()


@pytest.mark.parametrize("chosen", [["--drill-only=a"], ["-k", "test_a"]], ids=str)
def test_who_chooses_another_scenario_is_not_kept_from_it(place: Place, chosen: list[str]) -> None:
    hide(place, "no test by its name")
    assert place.run(*chosen).code is ExitCode.PASS


@pytest.mark.parametrize(
    "body",
    [
        'NAME = "b"\n@pytest.mark.scenario(NAME, guide="Here")\ndef test_it(chaos):\n    held(chaos, "PASS")\n',
        '@pytest.mark.scenario("b", guide="Here")\ndef test_it(chaos:\n',
    ],
    ids=["a name that is not written out", "a file that cannot be read"],
)
def test_a_file_that_speaks_of_scenarios_and_was_never_collected_is_missed(place: Place, body: str) -> None:
    place.write("b", body)
    (place.scenarios / "test_b.py").rename(place.scenarios / "b.py")
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert "what is marked as a scenario in" in outcome.errors[0]


def test_a_name_that_is_not_written_out_is_no_reason_to_miss_it(place: Place) -> None:
    place.write(
        "b",
        'NAME = "b"\n@pytest.mark.scenario(NAME, guide="Here")\ndef test_it(chaos):\n    held(chaos, "PASS")\n',
    )
    assert place.run().code is ExitCode.PASS


def test_a_scenario_of_somebody_elses_in_a_virtual_environment_is_not_missed(place: Place) -> None:
    place.scenario("b", "PASS")
    for folder in (".cache", "env"):
        (place.scenarios / folder).mkdir()
        (place.scenarios / folder / "test_c.py").write_text(
            '@pytest.mark.scenario("c", guide="Here")\ndef f(): ...\n'
        )
    (place.scenarios / "env" / "pyvenv.cfg").touch()
    assert place.run().code is ExitCode.PASS


def test_a_table_of_parameters_that_is_empty_is_no_skip(place: Place) -> None:
    place.write(
        "b",
        '@pytest.mark.parametrize("broker", [])\n@pytest.mark.scenario("b", guide="Here")\n'
        'def test_it(chaos, broker):\n    held(chaos, "PASS")\n',
    )
    outcome = place.run()
    assert outcome.code is ExitCode.USAGE
    assert "Empty parameter set" in outcome.errors[0]


@pytest.mark.parametrize(
    "line", ['pytest.importorskip("no_such_module_at_all")', '@pytest.mark.skipif("True")'], ids=str
)
def test_a_reason_of_pytests_own_is_none_of_the_authors(place: Place, line: str) -> None:
    body = '@pytest.mark.scenario("b", guide="Here")\ndef test_it(chaos):\n    held(chaos, "PASS")\n'
    place.write("b", f"{line}\n{body}")
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert "b was skipped without a reason" in outcome.errors[0]


@pytest.mark.parametrize("asked", [["--drill-only=b"], ["--drill-only=a", "--drill-only=b"]])
def test_a_scenario_of_a_file_that_skips_itself_is_there_for_who_asks_for_it(
    place: Place, asked: list[str]
) -> None:
    place.broken("b", "pass")
    file = place.scenarios / "test_b.py"
    file.write_text(f'import pytest\npytest.skip("no docker", allow_module_level=True)\n{file.read_text()}')
    outcome = place.run(*asked)
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert "b was asked for by name and was skipped (no docker)" in outcome.errors[0]


def test_a_drill_that_was_begun_cannot_be_taken_back_by_a_skip(place: Place) -> None:
    place.broken("b", 'chaos.begun.append("b")\n    pytest.skip("no stack")')
    outcome = place.run()
    assert outcome.code is ExitCode.INCONCLUSIVE
    assert "b was skipped after its drill had begun" in outcome.errors[0]
    assert outcome.skipped == ()


@pytest.mark.parametrize("name", ["a b", "../a", "a.again-1", "", "x" * 101])
def test_a_name_that_cannot_be_typed_or_be_a_folder_is_refused(place: Place, name: str) -> None:
    place.write(
        "b", f'@pytest.mark.scenario({name!r}, guide="Here")\ndef test_it(chaos):\n    held(chaos, "PASS")\n'
    )
    outcome = place.run()
    assert outcome.code is ExitCode.USAGE
    assert "a scenario's name must be" in outcome.errors[0]
    assert place.stack.started == 0


def test_a_ctrl_c_while_scenarios_are_read_is_heard(place: Place) -> None:
    place.conftest("raise KeyboardInterrupt\n")
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        place.collected()
