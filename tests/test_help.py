"""What is shown to whoever asks how the command is called: help, and what the shell offers after a Tab."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest

from harness.errors import ExitCode
from tests.command_line import call
from tests.tidy.sources import ROOT

Drill = Callable[..., int]


@pytest.fixture
def drill(monkeypatch: pytest.MonkeyPatch) -> Drill:
    """Call `drill` with arguments; its exit code."""

    return partial(call, monkeypatch)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
    )


@pytest.mark.parametrize(
    "command", ["run", "gate", "judge", "report", "detect", "list", "doctor", "up", "down"]
)
def test_help_says_what_the_exit_code_means_and_what_each_argument_is(
    drill: Drill, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert drill(command, "--help") == ExitCode.PASS
    told = " ".join(capsys.readouterr().out.split())
    assert "Exit code " in told
    usage, _, text = told.partition("] ")
    for argument in re.findall(r"[A-Z_]{4,}", text.partition(" ")[0]):
        assert told.count(argument) > 1 or argument == "NAME", f"{argument} of {usage} is explained nowhere"


def test_the_list_of_commands_cuts_no_sentence_off(drill: Drill, capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("--help") == ExitCode.PASS
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_a_command_of_commands_shows_its_help_as_a_mistake(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill("baseline") == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: drill baseline")


def test_without_a_command_help_is_shown_as_a_mistake_and_on_request_as_a_result(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill() == ExitCode.USAGE
    mistaken = capsys.readouterr()
    assert drill("--help") == ExitCode.PASS
    asked = capsys.readouterr()
    assert mistaken.out == asked.err == ""
    assert mistaken.err == asked.out
    assert re.search(r"run +Hold drills and judge them", asked.out)


def test_help_imports_no_client_of_a_server() -> None:
    heavy = ["pytest", "polars", "pydantic", "confluent_kafka", "httpx", "asyncpg", "redis", "msgspec"]
    done = python("-c", f"import sys, harness.cli; print([name for name in {heavy} if name in sys.modules])")
    assert done.stdout == "[]\n"


def test_the_shell_is_offered_scenarios_and_defects() -> None:
    def offered(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        call = "import sys; sys.argv[0] = 'drill'; from harness.cli import main; main()"
        return python("-c", call, _DRILL_COMPLETE="complete_bash", **words).stdout.split()

    assert offered("drill run bas") == ["baseline"]
    assert offered("drill run --profile g") == ["guide"]
    assert "payment-key-per-attempt" in offered("drill detect ")
    assert offered("drill report --format j") == ["json"]
    assert offered("drill gate --runtime e") == ["embedded"]
    assert offered("drill detect --brokers ") == ["1", "3"]
