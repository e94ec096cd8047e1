import errno
import os
import threading
from pathlib import Path

import pytest

from harness.errors import RecordingError, RecordingLostError
from harness.recording.history import History
from harness.recording.recorder import Recorder
from harness.recording.records import Finding, PhaseStarted, Stall, Stream, Verdict
from harness.recording.rundir import read_findings, read_records, read_run, stream_path, write_findings
from tests.histories import Drill, at, run_info

BEAT = Stall(at_ns=1, every_ms=10, late_ms=0)


def test_a_line_is_on_disk_before_note_returns(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.note(Stream.MACHINE, BEAT)
    assert stream_path(tmp_path, Stream.MACHINE).read_bytes().endswith(b"}\n")
    assert read_records(tmp_path, Stream.MACHINE, Stall) == ([BEAT], [])


def test_the_lines_of_many_threads_and_writers_never_mix(tmp_path: Path) -> None:
    recorders = [Recorder(tmp_path), Recorder(tmp_path)]

    def work(recorder: Recorder) -> None:
        for number in range(200):
            recorder.note(Stream.MACHINE, Stall(at_ns=number, every_ms=10, late_ms=0))

    threads = [threading.Thread(target=work, args=(recorders[number % 2],)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records, damage = read_records(tmp_path, Stream.MACHINE, Stall)
    assert (len(records), damage) == (1_200, [])


def test_a_full_disk_stops_the_drill_and_swallows_no_later_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path)
    recorder.note(Stream.MACHINE, BEAT)
    room = [5]
    write = os.write

    def full(file: int, data: memoryview) -> int:
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[: room.pop()])

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(RecordingLostError, match=r"No space left.*cannot be judged.*Free some"):
            recorder.note(Stream.MACHINE, BEAT)
    recorder.note(Stream.MACHINE, BEAT)
    records, damage = read_records(tmp_path, Stream.MACHINE, Stall)
    assert records == [BEAT, BEAT]
    assert damage == ["1 lines could not be read and were left out"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match=r"wanted to write .*Not a directory.*another one"):
        Recorder(tmp_path / "file" / "run")


def test_two_runs_do_not_share_a_directory(tmp_path: Path) -> None:
    Drill(tmp_path).ended()
    with pytest.raises(RecordingError, match="already holds a run"):
        Recorder(tmp_path).start(run_info())


def test_the_end_counts_the_lines_of_every_writer(tmp_path: Path) -> None:
    with Recorder(tmp_path) as mine, Recorder(tmp_path) as other:
        mine.start(run_info())
        other.note(Stream.OPERATIONS, BEAT)
        mine.note(Stream.PHASES, PhaseStarted(phase="end", at_ns=at(1)))
        mine.finish("completed")
    run = read_run(tmp_path)
    assert (run.ended, run.lines) == ("completed", {"operations": 1, "phases": 1})


def test_findings_are_replaced_and_not_added_to(tmp_path: Path) -> None:
    finding = Finding(claim="a", sentence="s", source="u", verdict=Verdict.PASS, because="b")
    write_findings(tmp_path, [finding, finding])
    write_findings(tmp_path, [finding])
    assert read_findings(tmp_path) == (finding,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["findings.jsonl"]


def test_damaged_findings_are_refused_not_shortened(tmp_path: Path) -> None:
    write_findings(
        tmp_path, [Finding(claim="a", sentence="s", source="u", verdict=Verdict.PASS, because="b")]
    )
    path = stream_path(tmp_path, Stream.FINDINGS)
    path.write_bytes(path.read_bytes() + b'{"claim": "b", "verdict": "FA')
    with pytest.raises(RecordingError, match="Judge the run again"):
        read_findings(tmp_path)


def test_a_run_killed_before_its_end_can_be_loaded(tmp_path: Path) -> None:
    Drill(tmp_path).operation("a", 10).recorder.close()
    history = History.load(tmp_path)
    assert not history.completed
    assert history.operations.height == 1
