"""What is held again must be found again: the command, and the folder of a recording."""

import shlex
from dataclasses import dataclass

import pytest

from harness.identity import folder_name, replay_line
from harness.settings import Settings


@dataclass
class Held:
    """What a replay line is made of."""

    settings: Settings
    scenario: str = "baseline"
    seed: int = 7
    scenarios: str = ""


def replayed(scenario: str = "baseline", scenarios: str = "", **settings: object) -> str:
    return replay_line(Held(Settings.read(**settings), scenario, scenarios=scenarios))  # type: ignore[arg-type]


def test_what_is_as_by_default_is_left_out() -> None:
    assert replayed() == "drill run baseline --profile ci --seed 7"


def test_all_that_makes_it_another_drill_is_there() -> None:
    line = replayed(
        "unwind[a 'b']",
        "our drills",
        target="ours:shop",
        brokers=1,
        variants=("x",),
    )
    assert line.startswith("DRILLBOOK_TARGET=ours:shop drill run ")
    words = ["unwind[a 'b']", "--profile", "ci", "--seed", "7", "--brokers", "1", "--variant", "x"]
    assert shlex.split(line)[3:] == [*words, "--scenarios", "our drills"]


@pytest.mark.parametrize(
    ("scenario", "attempt", "name"),
    [
        ("baseline", 0, "baseline"),
        ("baseline", 1, "baseline.again-1"),
        ("unwind[a-b]", 0, "unwind[a-b]"),
        ("unwind[a/b]", 0, "unwind[a%2Fb]"),
        ("unwind[ü]", 0, "unwind[%C3%BC]"),
    ],
)
def test_a_recording_is_called_as_its_scenario(scenario: str, attempt: int, name: str) -> None:
    assert folder_name(scenario, attempt) == name


def test_no_two_scenarios_share_a_folder_however_long_their_names_are() -> None:
    names = {folder_name(f"unwind[{'x' * 300}{end}]", 0) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) < 230 for name in names)
