"""The rules of the house, held against the whole tree, and each against a snippet that breaks it."""

import tomllib
from collections.abc import Iterable

import pytest

from harness import __version__
from tests.tidy import layers, proofs, rules
from tests.tidy.sources import ROOT, Complaint, Rule, Source, project_sources

RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        layers.layers,
        layers.dependencies,
        rules.time_and_chance,
        rules.size,
        rules.docstring,
        rules.names,
        rules.unfinished,
        rules.machine_paths,
        rules.registry_addresses,
        rules.killing_by_name,
        proofs.assertions,
    )
}
ONLY_PYTHON = {"layers", "dependencies", "time_and_chance", "assertions"}


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    return project_sources()


def judged(rule: str, source: Source) -> list[str]:
    if rule in ONLY_PYTHON and not source.is_python:
        return []
    return [str(complaint) for complaint in RULES[rule](source)]


def listed(complaints: Iterable[str | Complaint]) -> str:
    lines = [str(complaint) for complaint in complaints]
    return "\n".join([f"{len(lines)} places break this rule:", *lines])


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_keeps_the_rule(rule: str, sources: list[Source]) -> None:
    broken = [complaint for source in sources for complaint in judged(rule, source)]
    assert not broken, listed(broken)


def test_the_tree_was_really_read(sources: list[Source]) -> None:
    paths = {source.path for source in sources}
    assert {"harness/clock.py", "tests/test_tidy.py", "Makefile", ".ci/run", "pyproject.toml"} <= paths


# Sources as text, which nothing runs: each rule has to refuse its own, and to leave those further down alone.
GUILTY = [
    ("layers", "harness/a.py", "from target_app.service import trace"),
    ("layers", "harness/a.py", "def f():\n    import reports.junit"),
    ("layers", "harness/a.py", "import importlib\nimportlib.import_module('scenarios.shop')"),
    ("layers", "harness/a/b.py", "from tests import tidy"),
    ("layers", "reports/a.py", "from harness import runner"),
    ("layers", "reports/a.py", "import harness"),
    ("layers", "scenarios/a.py", "from target_app import variants"),
    ("layers", "target_app/a.py", "from harness.clock import Clock"),
    ("dependencies", "harness/a.py", "import fastapi"),
    ("dependencies", "target_app/a.py", "import hatchling"),
    ("time_and_chance", "harness/a.py", "import time\ntime.sleep(1)"),
    ("time_and_chance", "harness/a.py", "from time import sleep as nap\nnap(1)"),
    ("time_and_chance", "harness/a.py", "from datetime import datetime\ndatetime.now()"),
    ("time_and_chance", "harness/a.py", "import time\nfield(default_factory=time.monotonic)"),
    ("time_and_chance", "scenarios/a.py", "import random\nrandom.choice([1])"),
    ("time_and_chance", "scenarios/a.py", "import random\nrandom.Random(1)"),
    ("size", "harness/a.py", '"""A."""\n' + "x = 1\n" * rules.LINES_MAX),
    ("docstring", "reports/a.py", "x = 1\n"),
    ("names", "harness/net_" + "utils.py", "x = 1"),
    ("names", "harness/a.py", "class Port" + "Manager: ..."),
    ("names", "harness/a.py", "def com" + "mon_part(): ..."),
    ("unfinished", "docs/a.md", "TO" + "DO: say more"),
    ("machine_paths", "harness/a.py", "p = '/ho" + "me/alice/x'"),
    ("machine_paths", "docs/a.md", f"see {ROOT}/README.md"),
    ("registry_addresses", "requirements.lock", "--index-url https://py" + "pi.example.org/simple"),
    ("killing_by_name", "Makefile", "\tp" + "kill -f kafka"),
    ("assertions", "tests/test_a.py", "def test_a():\n    print(1)"),
    ("assertions", "tests/test_a.py", "def look():\n    pass\nasync def test_a():\n    look()"),
]


@pytest.mark.parametrize(("rule", "path", "text"), GUILTY)
def test_a_guilty_snippet_is_named_with_its_place(rule: str, path: str, text: str) -> None:
    found = judged(rule, Source(path, text))
    assert found
    assert all(complaint.startswith(path) for complaint in found)


INNOCENT = [
    ("layers", "harness/a.py", "from harness.faults import network\nname = 'target_app.service'"),
    (
        "layers",
        "reports/a.py",
        "from harness.recording import records\nfrom harness.errors import ConfigError",
    ),
    ("layers", "reports/a.py", "from . import junit"),
    ("layers", "tests/a.py", "import harness, reports, target_app"),
    ("dependencies", "harness/a.py", "import httpx, sys\nfrom harness import clock"),
    ("dependencies", "target_app/a.py", "import fastapi"),
    (
        "time_and_chance",
        "harness/a.py",
        "import random\ndef f(chance: random.Random) -> None: chance.random()",
    ),
    ("time_and_chance", "harness/clock.py", "import time\ntime.sleep(1)"),
    ("time_and_chance", "target_app/a.py", "import time\ntime.sleep(1)"),
    ("time_and_chance", "harness/a.py", "clock.sleep(1)"),
    ("size", "harness/a.py", "x = 1\n" * rules.LINES_MAX),
    ("names", "harness/a.py", "from contextlib import contextmanager\n@contextmanager\ndef commonly(): ..."),
    ("machine_paths", "harness/a.py", "url = f'{base}/home/page'"),
    ("assertions", "tests/test_a.py", "def test_a():\n    with pytest.raises(ValueError):\n        f()"),
    ("assertions", "tests/test_a.py", "def same(x):\n    assert x\ndef test_a():\n    same(1)"),
]


@pytest.mark.parametrize(("rule", "path", "text"), INNOCENT)
def test_an_innocent_snippet_is_left_alone(rule: str, path: str, text: str) -> None:
    assert judged(rule, Source(path, text)) == []


def test_modules_with_logic_are_named_by_a_test_that_mirrors_them(sources: list[Source]) -> None:
    missing = list(proofs.unproven(sources, ["harness", "reports", "target_app"]))
    assert not missing, listed(missing)


def test_a_module_whose_test_lies_elsewhere_counts_as_unproven() -> None:
    module = Source("harness/faults/a.py", "def f():\n    return 1")
    elsewhere = Source("tests/probes/test_a.py", "from harness.faults.a import f")
    beside = Source("tests/faults/test_b.py", "from harness.faults import a, b")
    assert len(list(proofs.unproven([module, elsewhere], ["harness"]))) == 1
    assert list(proofs.unproven([module, elsewhere, beside], ["harness"])) == []


def test_a_module_of_protocols_needs_no_test() -> None:
    text = "class A(Protocol):\n    def f(self) -> int: ..."
    assert list(proofs.unproven([Source("harness/a.py", text)], ["harness"])) == []


def test_permissions_that_nobody_needs_any_more_are_gone(sources: list[Source]) -> None:
    by_path = {source.path: source for source in sources}
    for path, reason in rules.TIME_AND_CHANCE_ELSEWHERE.items():
        assert path in by_path, (
            f"{path} may use time and chance ({reason}), but is gone: remove it from the list"
        )
        assert list(rules.uses_of_time_and_chance(by_path[path])), (
            f"{path} no longer needs its permission ({reason})"
        )
    for path, reason in proofs.UNTESTED.items():
        assert path in by_path, (
            f"{path} may go without a test ({reason}), but is gone: remove it from the list"
        )


def test_the_plugin_is_registered_under_one_name_only() -> None:
    """pytest drops the second plugin of a name; under two names every fixture would be defined twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"harness.plugin": "harness.plugin"}
    assert 'pytest_plugins = ["harness.plugin"]' in (ROOT / "conftest.py").read_text(encoding="utf-8")


def test_the_changelog_knows_this_version() -> None:
    headings = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## [")
    ]
    assert headings, "CHANGELOG.md has no section: users read there what changes for them"
    assert headings[0].startswith("## [Unreleased]")
    assert any(__version__ in heading for heading in headings), (
        f"CHANGELOG.md has no heading that names {__version__}, the version in harness/__init__.py: add one"
    )
