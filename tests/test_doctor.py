import io
import json
import os
import stat
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.console import terminal
from harness.doctor import Diagnosis, as_data, examine
from harness.reporting import print_diagnosis
from harness.stack.embedded import java, kafka_jars, toxiproxy
from harness.stack.embedded.sources import Source, Standing
from harness.supervisor import state
from harness.surroundings import Examined, Health


class NoNap:
    """A clock on which sleeping takes exactly as long as asked."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def wall_ns(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


def standing(source: Source = Source.PACKAGE, problem: str = "", remedy: str = "") -> Standing:
    return Standing(
        name="Java", version="21", source=source, variable="JAVA_HOME", problem=problem, remedy=remedy
    )


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that root's cache may be in, though pytest closes its own to others."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    return tmp_path


@pytest.fixture
def nowhere(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with an empty cache, no network, and Java and Maven that do not work."""
    programs = open_folder / "bin"
    programs.mkdir()
    for name in ("java", "mvn", "go"):
        (programs / name).write_text("#!/bin/sh\necho 'there is no network' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    closed = "http://127.0.0.1:9/simple"  # nobody listens on the discard port
    there = {
        "PATH": f"{programs}{os.pathsep}/bin",
        "DRILLBOOK_CACHE": str(open_folder / "cache"),
        "DRILLBOOK_STATE": str(open_folder / "state"),
        "PIP_INDEX_URL": closed,
        "PIP_RETRIES": "0",
        "GOPROXY": "off",
    }
    for name, value in there.items():
        monkeypatch.setenv(name, value)
    for name in ("JAVA_HOME", "KAFKA_HOME", "TOXIPROXY_SERVER", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    return dict(os.environ)


def by_name(diagnosis: Diagnosis) -> dict[str, Standing]:
    return {found.name: found for found in diagnosis.programs}


def test_looking_fetches_nothing_and_says_what_would_be_fetched(nowhere: dict[str, str]) -> None:
    diagnosis = examine(environment=nowhere, clock=NoNap())
    assert {found.name for found in diagnosis.programs if found.source is Source.TO_BE_FETCHED} == {
        java.NAME,
        kafka_jars.NAME,
        toxiproxy.NAME,
    }
    assert diagnosis.can_start  # as far as one can know without trying
    assert not Path(nowhere["DRILLBOOK_CACHE"]).exists()


@pytest.mark.slow
def test_without_a_network_every_missing_thing_is_named_with_what_to_supply(
    nowhere: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis = examine(fetching=terminal(), environment=nowhere, clock=NoNap())
    assert not diagnosis.can_start
    found = by_name(diagnosis)
    assert java.SUPPLY in found[java.NAME].problem
    assert kafka_jars.SUPPLY in found[kafka_jars.NAME].problem
    assert toxiproxy.SUPPLY in found[toxiproxy.NAME].problem
    print_diagnosis(terminal(), diagnosis)
    told = capsys.readouterr().err
    assert f"fetching {java.NAME} …" in told
    assert "No stack can be started." in told
    assert "JAVA_HOME" in told


def test_a_wrong_override_is_a_problem_that_names_the_variable(nowhere: dict[str, str]) -> None:
    diagnosis = examine(environment=nowhere | {"JAVA_HOME": "/nowhere/java"}, clock=NoNap())
    assert not diagnosis.can_start
    assert "JAVA_HOME=/nowhere/java" in by_name(diagnosis)[java.NAME].problem


def test_a_cache_that_cannot_be_used_is_a_problem_and_not_an_exception(nowhere: dict[str, str]) -> None:
    diagnosis = examine(environment=nowhere | {"DRILLBOOK_CACHE": "relative"}, clock=NoNap())
    [cache] = [check for check in diagnosis.examined if check.name == "cache"]
    assert cache.health is Health.PROBLEM
    assert "must be an absolute path" in cache.told
    assert not diagnosis.can_start


def test_a_stack_left_by_a_killed_run_is_told_with_the_command_that_clears_it(
    nowhere: dict[str, str],
) -> None:
    base = state.base_folder()
    (base / "20260101-000000-1eff").mkdir()
    with state.held_folder(base, "20260102-000000-4e1d"):
        checks = {check.name: check for check in examine(environment=nowhere, clock=NoNap()).examined}
    assert checks["stacks"].told == "running: 20260102-000000-4e1d (drill)"
    assert checks["leftovers"].told == "left by killed runs: 20260101-000000-1eff"
    assert checks["leftovers"].remedy == "drill down"
    assert (base / "20260101-000000-1eff").exists()  # looking changes nothing


def everything_in(folder: Path) -> dict[Path, tuple[int, int]]:
    """What is there, and when it was last changed."""
    return {path: (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.parametrize("stacks", [False, True])
def test_looking_changes_nothing(
    nowhere: dict[str, str], open_folder: Path, monkeypatch: pytest.MonkeyPatch, stacks: bool
) -> None:
    work = open_folder / "work"
    work.mkdir()
    (work / f"target_of_{open_folder.name}.py").write_text("def target(settings):\n    return None\n")
    monkeypatch.setenv("DRILLBOOK_TARGET", f"target_of_{open_folder.name}:target")
    monkeypatch.chdir(work)
    if stacks:
        (state.base_folder() / "20260101-000000-1eff").mkdir()
    before = everything_in(open_folder)
    names = {found.name for found in examine(environment=nowhere, clock=NoNap()).examined}
    assert everything_in(open_folder) == before
    assert names >= {"state", "stacks", "ports", "runs", "target"}
    assert ("leftovers" in names) == stacks


def test_a_target_that_breaks_is_told_and_not_raised(
    nowhere: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_target.py").write_text("def target(settings)\n")
    monkeypatch.setenv("DRILLBOOK_TARGET", "broken_target:target")
    monkeypatch.chdir(tmp_path)
    [found] = [look for look in examine(environment=nowhere, clock=NoNap()).examined if look.name == "target"]
    assert found.health is Health.WARNING
    assert "SyntaxError" in found.told


def test_a_state_folder_of_somebody_else_is_a_problem(
    nowhere: dict[str, str], open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybodys = open_folder / "everybodys"
    everybodys.mkdir()
    everybodys.chmod(0o777)
    monkeypatch.setenv("DRILLBOOK_STATE", str(everybodys))
    [found] = [
        check for check in examine(environment=nowhere, clock=NoNap()).examined if check.name == "state"
    ]
    assert found.health is Health.PROBLEM
    assert "DRILLBOOK_STATE" in found.remedy


def test_a_program_s_problem_is_printed_with_its_remedy_and_variable() -> None:
    diagnosis = Diagnosis(
        programs=(standing(Source.MISSING, problem="it is not there", remedy="Install it."),),
        examined=(
            Examined(name="memory", health=Health.WARNING, told="little", remedy="drill run --brokers 1"),
        ),
    )
    console = Console(width=80, record=True, file=io.StringIO())
    print_diagnosis(console, diagnosis)
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines == [
        "Programs",
        "  ✗ Java          it is not there",
        "                  → Install it.",
        "                  → Or set JAVA_HOME to one.",
        "Machine",
        "  ! memory        little",
        "                  → drill run --brokers 1",
        "No stack can be started.",
    ]
    assert not diagnosis.can_start


def test_a_diagnosis_for_machines_is_plain_json(nowhere: dict[str, str]) -> None:
    data = json.loads(msgspec.json.encode(as_data(examine(environment=nowhere, clock=NoNap()))))
    assert set(data) == {"can_start", "programs", "checks"}
    assert {"name", "version", "source", "path", "problem", "remedy", "usable", "variable"} == set(
        data["programs"][0]
    )
    assert all(set(check) == {"name", "health", "told", "remedy"} for check in data["checks"])
