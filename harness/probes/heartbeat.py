"""The machine's own heartbeat: whether a process that wants to run is let run, and what waits for the disk is served.

A drill on a machine that stands still for a second proves nothing about times. The lines that are written to
`machine.jsonl` and `disk.jsonl` are what a verdict about times is excused, or not excused, with.
"""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from harness.clock import wait_until
from harness.errors import ConfigError, DeadlineError, ProbeError
from harness.probes import disk_loop, heartbeat_loop
from harness.recording.records import Stream

_STARTS_WITHIN_S = 10.0
_ENDS_WITHIN_S = 5.0


class Heartbeat:
    """A process of its own that beats from `start` to `stop`, or until the harness dies.

    Args:
        run_dir: The run directory; lines are appended to its `machine.jsonl`, `Stall` by `Stall`.
        every_ms: How often it asks to be woken.
        late_from_ms: From which lateness on a wake-up is a stall.
    """

    stream: ClassVar[Stream] = Stream.MACHINE
    loop: ClassVar[Path] = Path(heartbeat_loop.__file__)

    def __init__(self, run_dir: Path, *, every_ms: float = 10.0, late_from_ms: float = 20.0) -> None:
        if every_ms <= 0 or late_from_ms <= 0:
            raise ConfigError(
                f"every_ms and late_from_ms must be above 0, got {every_ms} and {late_from_ms}. Try 10 and "
                "20."
            )
        self.file = run_dir / f"{self.stream}.jsonl"
        self._arguments = [str(self.file), str(every_ms), str(late_from_ms)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except ProbeError:
            if error is None:  # else it ended of the same cause, as on a full disk, and would only hide it
                raise

    def start(self) -> None:
        """Start beating, and return once the first line is there.

        Raises:
            ProbeError: It did not start.
        """
        before = self._size()
        process = subprocess.Popen(
            # -I -S: no site-packages, no environment; it starts in a few milliseconds.
            [
                sys.executable,
                "-I",
                "-S",
                str(self.loop),
                *self._arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the harness: what follows it must still be watched
        )
        self._process = process

        def beats_or_ended() -> bool:
            return self._size() > before or process.poll() is not None

        try:
            wait_until(
                beats_or_ended, within_s=_STARTS_WITHIN_S, what="the heartbeat's first line", every_s=0.01
            )
        except DeadlineError as error:
            self.stop()
            raise ProbeError(f"the heartbeat of {self.stream} did not start: {error}") from error
        if process.poll() is not None:
            said = process.communicate()[1].decode(errors="replace").strip().splitlines()
            self._process = None
            raise ProbeError(
                f"the heartbeat of {self.stream} ended at once: {said[-1] if said else process.returncode}"
            )

    def stop(self) -> None:
        """End it and wait until it has. Safe twice.

        Raises:
            ProbeError: It had ended before: nobody watched the machine for a part of the drill.
        """
        process, self._process = self._process, None
        if process is None:
            return
        ended_before = process.poll()
        try:
            process.communicate(
                timeout=_ENDS_WITHIN_S
            )  # closes its standard input, which is the order to end
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if ended_before is not None:
            raise ProbeError(
                f"the heartbeat of {self.stream} had ended with {ended_before} before it was stopped, so stalls "
                f"after that are missing in {self.file.name}"
            )

    def _size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0


class DiskHeartbeat(Heartbeat):
    """The same for a disk: it puts a few bytes there, and a stall is a commit that took long.

    Args:
        run_dir: The run directory; lines are appended to its `disk.jsonl`, `Stall` by `Stall`.
        folder: Where: on the disk that is to be watched.
        every_ms: The pause between two commits.
        late_from_ms: From which time on a commit is a stall.
    """

    stream = Stream.DISK
    loop = Path(disk_loop.__file__)

    def __init__(
        self, run_dir: Path, folder: Path, *, every_ms: float = 100.0, late_from_ms: float = 20.0
    ) -> None:
        super().__init__(run_dir, every_ms=every_ms, late_from_ms=late_from_ms)
        self._arguments.append(str(folder))
