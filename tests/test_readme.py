"""What the documents tell people to type works: each command is checked against what really takes it.

Commands are taken from fenced blocks: in `console` blocks the lines after `$ `, in `sh` blocks every line. A
make target has to exist; `drill` has to take the arguments; a path has to be there. The two commands that the
README opens with are moreover the ones that CI runs.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import pytest
import typer.main

from harness.cli import app
from harness.completion import scenario_names
from harness.errors import ConfigError, ExitCode
from harness.settings import Settings
from tests.tidy.sources import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^( *)```(console|sh)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")
_SEPARATORS = {"&&", "||", ";", "|"}
# Flags that act at once, before the rest is even looked at.
_EAGER = {"--help", "-h", "--version"}


class CannotRun(Exception):  # noqa: N818 - it is the finding of this check, not an accident
    """A documented command would fail, and why."""


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a document as words, split at `&&`, `|` and `;`, less variables set for one of them."""
    for _, kind, block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            typed = line.strip()
            if kind == "console":
                if not typed.startswith("$ "):
                    continue  # what the command printed
                typed = typed[2:]
            yield from _split(shlex.split(typed, comments=True))


def _split(words: Sequence[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in [*words, ";"]:
        bare = word.rstrip(";") if word not in _SEPARATORS else word
        if word not in _SEPARATORS and not (not command and _ASSIGNMENT.fullmatch(word)):
            command.append(bare)
        if word in _SEPARATORS or bare != word:
            if command:
                yield command
            command = []


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE))


def check_make(arguments: Sequence[str]) -> None:
    asked = [word for word in arguments if not _ASSIGNMENT.fullmatch(word)]
    if missing := set(asked) - targets():
        raise CannotRun(
            f"the Makefile has no target {', '.join(sorted(missing))}; it has {', '.join(sorted(targets()))}"
        )


def check_drill(arguments: Sequence[str]) -> None:
    """Let the command's own parser take the arguments, without running anything."""
    command = typer.main.get_command(app)
    words = list(arguments)
    path = "drill"
    while words and hasattr(command, "commands") and words[0] not in _EAGER:
        inner = command.commands.get(words[0])
        if inner is None:
            raise CannotRun(
                f"`{path}` has no command {words[0]!r}; it has {', '.join(sorted(command.commands))}"
            )
        command, path, words = inner, f"{path} {words[0]}", words[1:]
    if not _EAGER.intersection(words):
        try:
            given = command.make_context(path, words).params
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            raise CannotRun(f"`{path}` refuses {words}: {error.format_message()}") from error
        check_values(given)


def check_values(given: Mapping[str, Any]) -> None:
    """Flags are taken as they were typed; whether they make sense shows later, and so do scenarios' names."""
    try:
        Settings.read(**{name: value for name, value in given.items() if name in Settings.model_fields})
    except ConfigError as error:
        raise CannotRun(str(error)) from error
    known = scenario_names(ROOT / "scenarios", "")
    if unknown := set(given.get("names") or ()).difference(known):
        raise CannotRun(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(known)}")


def check_pytest(arguments: Sequence[str]) -> None:
    for word in arguments:
        place = word.partition("::")[0]
        if "/" in place and not word.startswith("-") and not (ROOT / place).exists():
            raise CannotRun(f"{place} does not exist")


def check_python(arguments: Sequence[str]) -> None:
    match list(arguments):
        case ["-m", "pytest", *rest]:
            check_pytest(rest)
        case ["-m", module, *_] if find_spec(module):
            return
        case [script, *_] if (ROOT / script).is_file():
            return
        case _:
            raise CannotRun(f"python has no such module or script: {' '.join(arguments)}")


def accept(arguments: Sequence[str]) -> None:
    """For what only changes where the reader is."""
    del arguments


CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "make": check_make,
    "drill": check_drill,
    "pytest": check_pytest,
    "python": check_python,
    "cd": accept,
}


def refusal(command: Sequence[str]) -> str:
    """Why a command would not work here, or nothing."""
    program = re.sub(r"^\.venv/bin/", "", command[0])
    if list(command[:2]) == ["git", "clone"]:
        return ""
    try:
        if program in CHECKS:
            CHECKS[program](command[1:])
        elif not (ROOT / program).is_file():
            raise CannotRun(f"{program} is neither in this repository nor one of {', '.join(CHECKS)}")
    except CannotRun as error:
        return str(error)
    return ""


def documented() -> list[tuple[str, list[str]]]:
    return [
        (document.relative_to(ROOT).as_posix(), command)
        for document in DOCUMENTS
        for command in commands(document.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(
    ("document", "command"),
    documented(),
    ids=lambda value: value if isinstance(value, str) else shlex.join(value),
)
def test_a_documented_command_would_work(document: str, command: list[str]) -> None:
    why = refusal(command)
    assert not why, (
        f"{document} tells people to type `{shlex.join(command)}`, but {why}. Mend one of the two."
    )


def test_the_commands_of_the_readme_are_those_that_ci_runs() -> None:
    told = [
        command
        for command in commands((ROOT / "README.md").read_text(encoding="utf-8"))
        if command[0] == "make"
    ]
    run_by_ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for wanted in (["make", "drill"], ["make", "test"]):
        assert wanted in told, (
            f"README.md never says `{shlex.join(wanted)}` in a console block: it is where people start"
        )
        assert re.search(rf"^section \w+ {shlex.join(wanted)}$", run_by_ci, re.MULTILINE), (
            f".ci/run does not run {wanted}"
        )


def test_the_pipelines_use_nothing_that_the_readme_does_not() -> None:
    told = {
        shlex.join(command[:2])
        for command in commands((ROOT / "README.md").read_text(encoding="utf-8"))
        if command[0] == "make"
    }
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    run = [re.findall(r"^ *- (?:run: )?(make .*)$", example, re.MULTILINE) for example in examples]
    assert run == [["make gate"], ["make gate"]]
    assert "make gate" in told


def test_nothing_in_a_pipeline_turns_a_gate_that_holds_back_green() -> None:
    """`make` fails on every code of `drill` but 0, unless somebody tells it or the pipeline not to."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [recipe] = re.findall(r"^gate:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    excuses = re.compile(r"\|\||;|continue-on-error|allow_failure|^\t-|set \+e", re.MULTILINE)
    for told in (recipe, *re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)):
        assert not excuses.search(told), told
    assert excuses.search("script:\n  - make gate || true")
    assert excuses.search("\t-$(BIN)/drill gate")


@pytest.mark.parametrize("code", list(ExitCode))
def test_what_the_documents_say_of_an_exit_code_is_what_it_means(code: ExitCode) -> None:
    machine = (ROOT / "docs" / "machine-output.md").read_text(encoding="utf-8")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    [row] = re.findall(rf"^\| {int(code)} \| (.*?) \|", machine, re.MULTILINE)
    words = {
        0: "pass",
        1: "fail",
        2: "usage",
        3: "inconclusive",
        4: "the stack could not",
        130: "interrupted",
    }
    meaning = {0: "held", 1: "contradicted", 2: "makes no sense", 3: "nothing can be said", 4: "the stack"}
    assert meaning.get(int(code), "stopped") in row
    assert f"{int(code)} {words[int(code)]}" in readme


@pytest.mark.parametrize(
    "typed",
    [
        "make everything",
        "make drill nothing",
        "drill explode",
        "drill run --sped 3",
        "drill run --seed many",
        "drill run no-such-scenario",
        "drill judge",
        ".venv/bin/drill list --colour",
        "pytest scenarios/no_such_folder",
        "python -m no_such_module",
        ".ci/walk",
        "curl localhost",
    ],
)
def test_a_command_that_would_fail_is_found_out(typed: str) -> None:
    assert refusal(shlex.split(typed))


@pytest.mark.parametrize(
    "typed",
    [
        "make drill ARGS='baseline --seed 7'",
        "drill --version",
        "drill run --help",
        "drill run baseline --profile guide --seed 7",
        ".venv/bin/drill judge runs/20260101-120000",
        "python -m pytest tests/test_readme.py::test_it -k x",
        ".ci/run",
        "git clone URL drillbook",
    ],
)
def test_a_command_that_would_work_is_accepted(typed: str) -> None:
    assert refusal(shlex.split(typed)) == ""


def test_commands_are_told_from_their_output_and_from_their_variables() -> None:
    text = """
```console
$ KAFKA_HOME=here make drill ARGS="a b"  # warm
make: nothing to be done
$ cd x && drill run \\
    --seed 3
```
```python
print("$ make nothing")
```
```sh
# a comment
make test; drill list
```
"""
    assert list(commands(text)) == [
        ["make", "drill", "ARGS=a b"],
        ["cd", "x"],
        ["drill", "run", "--seed", "3"],
        ["make", "test"],
        ["drill", "list"],
    ]
