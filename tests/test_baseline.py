"""The file of a baseline: it comes back as it was saved, and what may be a mistake in it is not guessed at."""

import os
from pathlib import Path

import pytest

from harness.baseline import BASELINE, Baseline, read_baseline, write_baseline
from harness.completion import scenario_names
from harness.errors import ConfigError
from tests.histories import Drill
from tests.tidy.sources import ROOT

PROVEN = Baseline(
    profile="ci", revision="abc", saved="2026-11-23T20:00:00+00:00", claims={"one": ("a", "b"), "two": ("a",)}
)


def test_a_baseline_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    write_baseline(tmp_path / "b.json", PROVEN)
    assert read_baseline(tmp_path / "b.json") == PROVEN


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[]", "has baseline_version None"),
        ('{"baseline_version": 2}', "has baseline_version 2"),
        ('{"baseline_version": 1}', "is damaged"),
        ('{"baseline_version":1,"profile":"ci","revision":"","saved":"","claims":{}}', "holds no claim"),
        (
            '{"baseline_version":1,"profile":"ci","revision":"","saved":"","claims":{"one":["a"],"two":[]}}',
            "holds no claim of two",
        ),
        (
            '{"baseline_version":1,"profile":"ci","revision":"","saved":"","claims":{"one":["a"],"one":["b"]}}',
            "has 'one' twice",
        ),
        ('{"baseline_version":1,"profile":"ci","claims":{"one":["a"]},"claims":{}}', "has 'claims' twice"),
        ('{"baseline_version": "1"}', "has baseline_version '1'"),
        ("[" * 100_000, "is no JSON"),
        ("\ud800", "is no JSON"),
    ],
)
def test_a_baseline_that_says_nothing_is_refused_with_what_helps(
    tmp_path: Path, text: str | None, told: str
) -> None:
    if text is not None:
        (tmp_path / "b.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(ConfigError, match=told) as refused:
        read_baseline(tmp_path / "b.json")
    assert "drill baseline save" in str(refused.value)


def test_what_is_no_file_is_no_baseline_and_none_takes_the_place_of_a_recording(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is no file"):
        read_baseline(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is there and is no file"):
        write_baseline(tmp_path / "pipe", PROVEN)
    run_dir = tmp_path / "one"
    Drill(run_dir).ended()
    before = (run_dir / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="no report may be written to"):
        write_baseline(run_dir / "run.json", PROVEN)
    assert (run_dir / "run.json").read_bytes() == before


def test_the_gate_of_this_repository_is_held_to_scenarios_that_are_there() -> None:
    kept = read_baseline(ROOT / BASELINE)
    assert set(kept.claims) <= set(scenario_names(ROOT / "scenarios", ""))
    assert kept.profile == "ci"
