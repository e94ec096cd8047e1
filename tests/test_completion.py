from pathlib import Path

import pytest

from harness import completion
from tests.tidy.sources import ROOT

SCENARIOS = """
import pytest

@pytest.mark.scenario("outage-in-time", guide="X")
@pytest.mark.detects("forgetful-queue", by="claim")
def test_a(chaos): ...

@pytest.mark.parametrize("speed", [1, 2])
@pytest.mark.scenario("overload", guide="X")
def test_b(chaos, speed): ...

@pytest.mark.scenario(NAME)
def test_c(chaos): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "test_a.py").write_text(SCENARIOS)
    (tmp_path / "test_broken.py").write_text("def (")
    (tmp_path / "test_binary.py").write_bytes(b"\0\xff")
    (tmp_path / "shop.py").write_text('@pytest.mark.scenario("no-test")\ndef f(): ...')
    return tmp_path


def test_names_come_from_the_marks_of_test_files_and_broken_ones_are_passed_over(folder: Path) -> None:
    assert completion.scenario_names(folder, "") == ["outage-in-time", "overload"]
    assert completion.scenario_names(folder, "out") == ["outage-in-time"]
    assert completion.defect_names(folder, "") == ["forgetful-queue"]


def test_a_single_file_is_read_too(folder: Path) -> None:
    assert list(completion.marked(folder / "deep" / "test_a.py", "scenario")) == [
        "outage-in-time",
        "overload",
    ]


def test_a_folder_that_is_not_there_offers_nothing(tmp_path: Path) -> None:
    assert completion.scenario_names(tmp_path / "none", "") == []


def test_the_scenarios_of_this_repository_are_offered() -> None:
    assert "baseline" in completion.scenario_names(ROOT / "scenarios", "b")


def test_recordings_are_offered_the_latest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("20260101-a/baseline", "20260102-b/baseline", "20260102-b/logs"):
        (Path("runs") / name).mkdir(parents=True)
    for name in ("20260101-a", "20260102-b"):
        (Path("runs") / name / "baseline" / "run.json").touch()
    assert completion.run_dirs("runs/") == ["runs/20260102-b/baseline", "runs/20260101-a/baseline"]
    assert completion.run_dirs("runs/20260101") == ["runs/20260101-a/baseline"]
    assert completion.session_dirs("") == ["runs/20260102-b", "runs/20260101-a"]
    assert completion.session_dirs("runs/20260101") == ["runs/20260101-a"]
