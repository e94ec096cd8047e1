"""What is said of a machine: figures, how bad it is, and what helps."""

from pathlib import Path

import pytest

from harness import machine, surroundings
from harness.stack.embedded.sources import Source, Standing
from harness.surroundings import Health, look_at_cache, look_at_delay, look_at_memory, look_at_user


def program(source: Source) -> Standing:
    return Standing(name="Java", version="21", source=source, variable="JAVA_HOME")


@pytest.mark.parametrize(
    ("available", "health", "remedy"),
    [
        (8.0, Health.FINE, ""),
        (2.0, Health.WARNING, "drill run --brokers 1"),
        (1.0, Health.WARNING, "End what"),
    ],
)
def test_little_memory_is_told_with_the_flag_that_helps(
    available: float, health: Health, remedy: str
) -> None:
    check = look_at_memory(available, 16.0)
    assert check.health is health
    assert check.remedy.startswith(remedy)


def test_a_machine_that_wakes_sleepers_late_is_told() -> None:
    assert look_at_delay(0.002).health is Health.FINE
    assert look_at_delay(0.08).health is Health.WARNING
    assert "80.0 ms late" in look_at_delay(0.08).told


def test_a_full_disk_matters_only_while_something_is_to_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1 << 20

    monkeypatch.setattr("harness.surroundings.shutil.disk_usage", lambda path: Full)
    check = look_at_cache(tmp_path / "cache", (program(Source.TO_BE_FETCHED),))
    assert check.health is Health.PROBLEM
    assert "DRILLBOOK_CACHE" in check.remedy
    assert look_at_cache(tmp_path / "cache", (program(Source.PACKAGE),)).health is Health.FINE


def test_a_container_s_limits_count_and_not_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "memory.max": str(1 << 30),
        "memory.current": str(1 << 28),
        "cpu.max": "50000 100000",
    }.items():
        (tmp_path / name).write_text(value)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.memory_gib() == (0.75, 1.0)
    assert surroundings._cores() == 0.5


def test_a_user_without_a_name_is_a_problem_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert look_at_user().health is Health.FINE

    def nobody_knows(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", nobody_knows)
    found = look_at_user()
    assert found.health is Health.PROBLEM
    assert "has no name" in found.told
    assert "/etc/passwd" in found.remedy
