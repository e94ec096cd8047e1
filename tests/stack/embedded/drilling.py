"""`drill` as a process of its own, for spoiling it from outside: with a state folder and recordings that nobody shares.

Whatever is done to it, afterwards is looked at what is left: processes, listening ports, System V and POSIX shared
memory, folders.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.clock import wait_until
from harness.recording.records import Stream
from harness.supervisor import processes, state
from harness.supervisor.ports import busy

ROOT = Path(__file__).resolve().parents[3]
DRILL = Path(sys.executable).with_name("drill")
SPOKEN_WITHIN_S = 60.0
ENDED_WITHIN_S = 90.0


def shared_memory() -> set[str]:
    """Every System V and POSIX segment of this machine, where it lists them (Linux)."""
    table, folder = Path("/proc/sysvipc/shm"), Path("/dev/shm")  # noqa: S108 - only looked at
    segments = {row.split()[1] for row in table.read_text().splitlines()[1:]} if table.exists() else set()
    return {f"sysv {name}" for name in segments} | {
        f"posix {path.name}" for path in (folder.iterdir() if folder.is_dir() else ())
    }


def ports_of(base: Path) -> list[int]:
    """Every port that the stacks of a state folder were given."""
    try:
        book: dict[str, list[int]] = json.loads((base / "ports.json").read_text())
    except (OSError, ValueError):
        return []
    return [port for ports in book.values() for port in ports]


@contextmanager
def short_folder(prefix: str) -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket, and open for who is not root."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Drilling:
    """A running `drill`.

    Attributes:
        base: Its state folder.
        runs: Where its recordings go.
        memory_before: The machine's shared memory before it; None if none of its servers has any.
        told: What it has said so far, line by line.
    """

    popen: "subprocess.Popen[str]"
    base: Path
    runs: Path
    memory_before: set[str] | None = None
    told: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def listen(self) -> None:
        """Keep what it says."""
        for line in self.popen.stdout or ():
            self.told.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        """All that it has said."""
        return "\n".join(self.told)

    def await_line(self, pattern: str, *, times: int = 1) -> None:
        """Wait until it has said something, so many times; and learn its ports meanwhile."""

        def said() -> bool:
            assert self.popen.poll() is None, f"it ended before it said {pattern!r}:\n{self.text}"
            return sum(bool(re.search(pattern, line)) for line in self.told) >= times

        wait_until(said, within_s=SPOKEN_WITHIN_S, what=f"{pattern!r}", every_s=0.01)
        self.ports = ports_of(self.base)

    def folder(self) -> state.StateFolder:
        """The state folder of its one stack."""
        [found] = state.folders(self.base) if self.base.exists() else []
        return found

    def process(self, service: str) -> psutil.Process:
        """The first process of a service."""
        started = [line for line in state.read_lines(self.folder().processes) if line["name"] == service]
        return psutil.Process(started[-1]["pid"])

    def supervisor(self) -> psutil.Process:
        """The process that owns the stack."""
        [found] = [
            child
            for child in psutil.Process(self.popen.pid).children()
            if "harness.supervisor.server" in child.cmdline()
        ]
        return found

    def signal(self, number: signal.Signals) -> None:
        """What a terminal or a CI runner sends."""
        self.popen.send_signal(number)

    def end(self) -> int:
        """Wait for its exit code."""
        return self.popen.wait(ENDED_WITHIN_S)

    def left(self) -> list[str]:
        """What is there that was not there before, recordings apart. Listening ports are those it was seen to have."""
        found = [
            f"process {one.pid} {one.name()}" for one in processes.alive(processes.belonging_to(self.base))
        ]
        found += [f"folder {one.path.name}" for one in state.folders(self.base)] if self.base.exists() else []
        found += [f"port {port}" for port in busy(self.ports)]
        return found + sorted(shared_memory() - self.memory_before if self.memory_before is not None else ())

    def await_recorded(self, scenario: str, stream: Stream, word: str) -> None:
        """Wait until a stream of a recording says something."""

        def said() -> bool:
            assert self.popen.poll() is None, f"it ended before it recorded {word!r}"
            return any(word in path.read_text() for path in self.runs.glob(f"*/{scenario}/{stream}.jsonl"))

        wait_until(said, within_s=SPOKEN_WITHIN_S, what=f"{word!r} in {stream}", every_s=0.02)
        self.ports = ports_of(self.base)

    def ended(self, scenario: str) -> str:
        """What a scenario's recording says of its end."""
        [run_file] = self.runs.glob(f"*/{scenario}/run.json")
        return str(json.loads(run_file.read_text())["ended"])


@contextmanager
def drilling(
    folder: Path,
    *arguments: str,
    scenarios: str = "tests/stack/embedded/brief",
    target: str = "pair",
    environment: Mapping[str, str] | None = None,
    terminal: int | None = None,
    wrapped_in: Sequence[str] = (),
) -> Iterator[Drilling]:
    """Start `drill run` on one of the tests' targets, and end it by force if a test did not wait for its end.

    Args:
        folder: For its state and its recordings; its path must be short.
        arguments: Of `drill run`.
        scenarios: What it holds.
        target: A function of `tests.stack.embedded.targets`.
        environment: On top of this process's own.
        terminal: A terminal's end that it has for its own; then nobody listens to what it says.
        wrapped_in: A command that runs it.
    """
    base, runs = folder / "state" / "drillbook", folder / "runs"
    base.parent.mkdir(mode=0o711, exist_ok=True)
    popen = subprocess.Popen(
        [*wrapped_in, str(DRILL), "run", *arguments, "--scenarios", scenarios],
        cwd=ROOT,
        env={
            **os.environ,
            state.STATE_VARIABLE: str(base.parent),
            "DRILLBOOK_TARGET": f"tests.stack.embedded.targets:{target}",
            "DRILLBOOK_RUNS": str(runs),
            "DRILLBOOK_BROKERS": "1",
            "DRILLBOOK_RETRY_INCONCLUSIVE": "0",
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if terminal is None else terminal,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # What a shell's terminal is to a command: it is told when that is closed.
        preexec_fn=None if terminal is None else lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    drill = Drilling(popen, base, runs, shared_memory() if target == "running" else None)
    listener = threading.Thread(target=drill.listen, daemon=True)
    listener.start()
    try:
        yield drill
    finally:
        popen.kill()
        popen.wait()
        listener.join(5)
