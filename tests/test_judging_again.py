import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ExitCode, RecordingError
from harness.judging_again import judge_again, print_judgement
from harness.recording.records import Stream, Verdict
from harness.recording.rundir import read_findings, stream_path
from tests.histories import innocent_drill
from tests.tidy.sources import ROOT


def test_a_recording_judged_again_keeps_its_findings(tmp_path: Path) -> None:
    innocent_drill(tmp_path / "run").ended()
    again = judge_again(tmp_path / "run")
    assert again.verdict is Verdict.INCONCLUSIVE  # it carries no claims: nothing is concluded
    assert read_findings(tmp_path / "run") == again.findings
    assert print_judgement(again) is ExitCode.INCONCLUSIVE


def test_a_recording_that_cannot_be_added_to_is_judged_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive on a read-only file system; a folder's mode would not stop root."""
    innocent_drill(tmp_path / "run").ended()
    kept = judge_again(tmp_path / "run")
    (tmp_path / "run" / "findings.jsonl").unlink()

    def refused(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(Path, "replace", refused)
    assert judge_again(tmp_path / "run").findings == kept.findings
    assert "only told, not kept beside the recording: [Errno 30] Read-only" in capsys.readouterr().err


def test_a_folder_of_runs_is_refused_with_the_names_of_its_runs(tmp_path: Path) -> None:
    innocent_drill(tmp_path / "session" / "one").ended()
    with pytest.raises(RecordingError, match=r"is a whole session: name one of its runs, .*session/one"):
        judge_again(tmp_path / "session")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "is no run directory"),
        (lambda run_dir: (run_dir / "run.json").unlink(), "is no run directory"),
        (lambda run_dir: [path.unlink() for path in run_dir.iterdir()], "is no run directory"),
        (lambda run_dir: run_dir.rename(run_dir.with_name("elsewhere")), "is no run directory"),
        (lambda run_dir: (run_dir / "run.json").write_text('{"format'), "is damaged"),
        (lambda run_dir: (run_dir / "run.json").write_bytes(bytes(range(256))), "is damaged"),
        (lambda run_dir: (run_dir / "run.json").write_text("[]"), "is damaged"),
        (lambda run_dir: (run_dir / "run.json").write_text('{"format_version": 1}'), "is damaged"),
        (lambda run_dir: (run_dir / "run.json").write_text('{"format_version": 99}'), "reads 1"),
    ],
)
def test_what_cannot_be_judged_is_a_usage_error(tmp_path: Path, damage: object, said: str) -> None:
    innocent_drill(tmp_path / "run").ended()
    assert callable(damage)
    damage(tmp_path / "run")
    with pytest.raises(RecordingError, match=said) as caught:
        judge_again(tmp_path / "run")
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("stream", [stream for stream in Stream if stream is not Stream.FINDINGS])
def test_a_line_that_is_nested_without_end_is_damage_and_no_mistake_of_ours(
    tmp_path: Path, stream: Stream
) -> None:
    run_dir = tmp_path / "run"
    innocent_drill(run_dir).ended()
    with stream_path(run_dir, stream).open("ab") as file:
        file.write(b'{"value":' + b"[" * 100_000 + b"\n")
    assert judge_again(run_dir).verdict is Verdict.INCONCLUSIVE
    (run_dir / "run.json").write_bytes(b"[" * 100_000)
    with pytest.raises(RecordingError, match="is damaged"):
        judge_again(run_dir)


def test_judging_a_recording_imports_nothing_that_holds_drills() -> None:
    """It takes longer to import than most recordings take to judge."""
    heavy = [
        "pytest",
        "pydantic",
        "confluent_kafka",
        "httpx",
        "asyncpg",
        "harness.stack",
        "harness.supervisor",
    ]
    looked = f"print([name for name in {heavy} if name in sys.modules])"
    call = f"import sys, harness.cli, harness.judging_again; {looked}"
    done = subprocess.run(
        [sys.executable, "-c", call], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
