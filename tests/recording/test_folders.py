"""Where recordings lie, and what no report may be called."""

from pathlib import Path

import pytest

from harness.errors import ConfigError, ExitCode
from harness.recording.folders import REPORTS_OF_A_RUN, is_run_dir, recordings, refuse_recorded, runs_of
from tests.histories import Drill


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs of a session, from a folder beside them."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        Drill(Path("runs", "s1", name)).ended()
    return Path("runs")


def test_runs_are_found_from_each_folder_above_them(runs: Path) -> None:
    (runs / "s1" / "logs").mkdir()
    one, two = runs / "s1" / "one", runs / "s1" / "two"
    assert recordings(runs) == recordings(runs / "s1") == runs_of(runs / "s1") == [one, two]
    assert recordings(one) == [one]
    assert runs_of(runs / "nothing") == []
    assert (is_run_dir(one), is_run_dir(runs / "s1")) == (True, False)


@pytest.mark.parametrize(
    "out",
    [
        "runs/s1/one/operations.jsonl",
        "runs/s1/one/run.json",
        "runs/s1/one/RUN.JSON",
        "runs/s1/one/findings.jsonl",
        "runs/s1/one/page.html",
        "runs/s1/one/more/page.html",
        "runs/s1/two/report.html",
        "runs/s1/../s1/one/./phases.jsonl",
        "runs/s1/session.json",
        "elsewhere/Session.json",
        "link/run.json",
        "link/page.html",
        "page.html",
    ],
)
def test_no_report_takes_the_place_of_what_was_recorded(runs: Path, out: str) -> None:
    Path("link").symlink_to(runs / "s1" / "one")
    Path("page.html").symlink_to(runs / "s1" / "one" / "run.json")
    before = (runs / "s1" / "one" / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="no report may be written to") as refused:
        refuse_recorded(Path(out), about=runs / "s1" / "one")
    assert refused.value.exit_code is ExitCode.USAGE
    assert (runs / "s1" / "one" / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", REPORTS_OF_A_RUN)
def test_a_run_s_own_report_lies_beside_it_and_no_other(runs: Path, name: str) -> None:
    one = runs / "s1" / "one"
    refuse_recorded(one / name, about=one)
    Path("link").symlink_to(one)
    refuse_recorded(Path("link", name), about=one)
    with pytest.raises(ConfigError):
        refuse_recorded(one / name)  # of a whole session, whose pages would follow it there


@pytest.mark.parametrize("out", ["runs/s1/index.html", "runs/gate.xml", "page.html", "new/page.html"])
def test_a_report_may_lie_anywhere_else(runs: Path, out: str) -> None:
    refuse_recorded(Path(out), about=runs / "s1" / "one")
    refuse_recorded(Path(out))
    assert runs.is_dir()


def test_links_that_lead_to_each_other_are_refused(runs: Path) -> None:
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    with pytest.raises(ConfigError, match="no report can be written to a"):
        refuse_recorded(Path("a"))
