"""How often a probe looked is what was recorded, and not what it was asked for."""

from pathlib import Path

import pytest

from reports.looks import longest_gaps_s, looks_told
from tests.histories import Drill


def polled(drill: Drill, probe: str, seconds: list[float]) -> Drill:
    for at_s in seconds:
        drill.reading(probe, 1, at_s, final=False)
    return drill


def test_the_longest_gap_of_each_probe_is_told_the_worst_first(tmp_path: Path) -> None:
    every = [float(second) for second in range(86)]
    drill = polled(Drill(tmp_path), "steady_one", every)
    polled(drill, "one_that_hung", [at_s for at_s in every if not 30 < at_s < 42]).reading("table", [])
    history = drill.ended()
    assert longest_gaps_s(history) == pytest.approx({"steady_one": 1.0, "one_that_hung": 12.0}, abs=1e-3)
    [told] = looks_told(history)
    assert told.endswith("at most one_that_hung 12 s and steady_one 1 s.")


def test_a_probe_that_fell_silent_or_could_not_look_saw_nothing_meanwhile(tmp_path: Path) -> None:
    drill = polled(Drill(tmp_path), "silent", [5.0, 6.0, 7.0])
    polled(drill, "blind", [5.0, 84.5]).reading("blind", None, 40, final=False, error="no answer")
    found = longest_gaps_s(history := drill.ended())
    assert found["silent"] == pytest.approx(78, abs=0.01)
    assert found["blind"] == pytest.approx(79.5, abs=0.01)
    assert list(looks_told(history))[1] == "blind could not look in 1 of 3 tries."


def test_a_look_that_took_long_was_true_at_some_moment_within(tmp_path: Path) -> None:
    drill = polled(Drill(tmp_path, phases={}), "slow", [5.0, 6.0])
    assert longest_gaps_s(drill.ended()) == pytest.approx({"slow": 1.000001})


def test_a_run_without_probes_says_nothing_of_them(tmp_path: Path) -> None:
    assert list(looks_told(Drill(tmp_path).reading("table", []).ended())) == []
