"""Writing things down as they happen, so that a run which dies still tells what it did.

Every record goes to the kernel in one `write` before `note` returns: when the process is killed, nothing
that was noted is lost. There is no fsync on the way, because a drill survives its own SIGKILL, not a power
cut, and an fsync a line would slow down the very load that is measured.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from harness.errors import RecordingError, RecordingLostError
from harness.recording.records import RunInfo, Stream
from harness.recording.rundir import RUN_FILE, digest, extent, not_written, stream_path, write_run


class Recorder:
    """The writing end of a run directory. Any thread may note; several processes may, each with its own.

    A line is appended with O_APPEND in one call, so the lines of several writers never mix.
    """

    def __init__(self, run_dir: Path) -> None:
        """Make the run directory if it is not there yet.

        Raises:
            RecordingError: It cannot be made.
            RecordingLostError: There is no room for it.
        """
        self.run_dir = run_dir
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.Lock()
        self._paths = {stream: stream_path(run_dir, stream) for stream in Stream}
        self._files: dict[Stream, int] = {}
        self._torn: set[Stream] = set()
        self._closed = False
        self._run: RunInfo | None = None
        with self._disk_trouble(run_dir):
            run_dir.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, run: RunInfo) -> None:
        """Write `run.json`, before anything else happens.

        Raises:
            RecordingError: There already is one: two runs in one directory could not be told apart.
        """
        if (self.run_dir / RUN_FILE).exists():
            raise RecordingError(
                f"{self.run_dir} already holds a run. A second one would mix with its lines: "
                "name a new directory, or delete the old one."
            )
        write_run(self.run_dir, run)
        self._run = run

    def note(self, stream: Stream, record: Any) -> None:
        """Append one record (a frozen dataclass of `harness.recording.records`) to its stream.

        Raises:
            RecordingLostError: It could not be written. The drill must stop: a check over a recording with
                holes proves nothing.
        """
        try:
            line = self._encoder.encode(record) + b"\n"
        except (TypeError, ValueError) as error:  # half of a character, or what JSON has no word for
            raise RecordingError(f"{stream}: what was seen cannot be written as JSON: {error}") from error
        with self._lock, self._disk_trouble(self._paths[stream], RecordingLostError):
            if self._closed:
                raise RecordingError(
                    f"{self.run_dir} is closed: a line that came later would be counted as damage"
                )
            if stream in self._torn:
                line = b"\n" + line  # what the failed write left behind must not swallow this record
            self._append(stream, line)
            self._torn.discard(stream)

    def finish(self, ended: str) -> RunInfo:
        """Write `run.json` again, now with how the run ended, and each stream's number of lines and digest.

        Every writer must be done by now: a line that comes later is not missed when it is lost.

        Args:
            ended: "completed", "aborted: …" or "interrupted".

        Raises:
            RecordingError: The run was never started, or `run.json` cannot be written.
        """
        if self._run is None:
            raise RecordingError(f"{self.run_dir}: a run must be started before it can end")
        found = {
            stream.value: extent(stream_path(self.run_dir, stream))
            for stream in Stream
            if stream is not Stream.FINDINGS  # they come from the recording and may come again
        }
        lines = {name: there.lines for name, there in found.items() if there is not None}
        digests = {name: digest(stream_path(self.run_dir, Stream(name))) for name in lines}
        self._run = replace(self._run, ended=ended, lines=lines, digests=digests)
        write_run(self.run_dir, self._run)
        return self._run

    def close(self) -> None:
        """Close the files. Safe twice."""
        with self._lock:
            self._closed = True
            for file in self._files.values():
                os.close(file)
            self._files.clear()

    def _append(self, stream: Stream, line: bytes) -> None:
        file = self._files.get(stream)
        if file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            file = self._files[stream] = os.open(self._paths[stream], flags, 0o644)
        left = memoryview(line)
        while left:
            # A full disk takes what still fits and refuses the rest on the next call.
            written = os.write(file, left)
            left = left[written:]
            if left:
                self._torn.add(stream)

    @contextmanager
    def _disk_trouble(self, path: Path, kind: type[RecordingError] = RecordingError) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise not_written(path, error, kind) from error
