"""Where running stacks keep their files, and how one tells a live stack from a dead one.

Each stack has one folder, named after its run. Its supervisor holds a lock on a file in it for as long as it
lives: the kernel lets go of that lock however the supervisor dies, so a folder whose lock can be had belongs
to nobody. Process ids could not say this; they are used again.

The folders are under /tmp and have short names because a Unix socket's path may have 104 bytes at most, and
because PostgreSQL, which refuses to run as root, must be able to reach its data as another user.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness import full_disk
from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import ConfigError, StackError
from harness.supervisor.base_lock import base_lock
from harness.supervisor.processes import open_folder

STATE_VARIABLE = "DRILLBOOK_STATE"
DATA_VARIABLE = "DRILLBOOK_DATA"
SOCKET_PATH_BYTES = 103  # macOS takes 104 with the zero at the end, Linux a few more
_SOCKET = "s"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # of `new_run_id`


def base_folder() -> Path:
    """The folder of all of this user's stacks; made if it is not there.

    Raises:
        ConfigError: It belongs to somebody else, who could then swap files under us; or its path is too long.
    """
    base = base_path()
    # Others may pass through, not look: PostgreSQL runs as another user when we are root.
    open_folder(base, 0o711)
    refuse_others(base)
    return base


def base_path() -> Path:
    """Where the folder of all of this user's stacks is, or would be.

    Raises:
        ConfigError: Its path is too long.
    """
    uid = os.getuid()
    # A folder of our own in whichever was named: what else is in that one must never be taken for ours.
    named = os.environ.get(STATE_VARIABLE)
    base = Path(named, "drillbook") if named else Path(f"/tmp/drillbook-{uid}")  # noqa: S108 - `refuse_others`
    longest = SOCKET_PATH_BYTES - len(os.fsencode(f"/{new_run_id()}/{_SOCKET}"))
    if len(os.fsencode(base)) > longest:
        raise ConfigError(
            f"{base} may have {longest} bytes, got {len(os.fsencode(base))}: the path of a Unix "
            f"socket in it would be longer than the operating system takes. Set {STATE_VARIABLE} to a shorter one."
        )
    return base


def refuse_others(base: Path) -> None:
    """Make sure that a base folder that is there is ours alone.

    Raises:
        ConfigError: Somebody else may write to it.
    """
    uid = os.getuid()
    status = base.lstat()
    if status.st_uid != uid or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
        raise ConfigError(
            f"{base} must be a folder that only uid {uid} can write to, but it belongs to uid {status.st_uid} with "
            f"mode {stat.filemode(status.st_mode)}. Others could put files there that we would run. "
            f"Remove it, or set {STATE_VARIABLE} to a folder of your own."
        )


def no_room(folder: Path, *, variable: str = STATE_VARIABLE) -> str:
    """What to say when a stack's files do not fit.

    Args:
        folder: Where they were to go.
        variable: What names another place for them.
    """
    return full_disk.told(
        folder,
        takes="A stack takes about 300 MB.",
        instead=f"set {variable} to a folder on another disk",
    )


def new_run_id() -> str:
    """A name that sorts by time and does not repeat: 20261123-141502-7f3a."""
    now = datetime.fromtimestamp(SYSTEM_CLOCK.wall_ns() / NS_PER_S, UTC)
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class StateFolder:
    """The files of one stack."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run that everything in it belongs to."""
        return self.path.name

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.path / _SOCKET

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it lives."""
        return self.path / "lock"

    @property
    def undo(self) -> Path:
        """Faults promised to be undone, one JSON object a line."""
        return self.path / "undo.jsonl"

    @property
    def processes(self) -> Path:
        """Every process that was to be started, one JSON object a line, on disk before it started."""
        return self.path / "processes.jsonl"

    @property
    def plan(self) -> Path:
        """What the stack is made of, for whoever attaches to it later."""
        return self.path / "plan.json"

    @property
    def lease(self) -> Path:
        """There while the stack is held by a lease and not by a drill's pipe."""
        return self.path / "lease"

    @property
    def began_s(self) -> float:
        """When it was made, by the wall clock (seconds since 1970): before any process of it."""
        return self.lock.stat().st_mtime if self.lock.exists() else 0.0

    @property
    def data(self) -> Path:
        """Where its services work: a folder in this one, or a link to one that lies where data is kept."""
        return self.path / "data"

    @property
    def places(self) -> tuple[Path, ...]:
        """This folder, and the one for data if it lies elsewhere and can only be ours.

        A link that somebody bent elsewhere shows nothing of ours.
        """
        if not self.data.is_symlink():
            return (self.path,)
        elsewhere = self.data.readlink()
        try:
            ours = elsewhere.name == self._data_name and elsewhere.lstat().st_uid == os.getuid()
        except OSError:
            ours = False
        return (self.path, elsewhere) if ours else (self.path,)

    def work(self, service: str) -> Path:
        """The working folder of a service."""
        return self.data / service

    def no_room_for_data(self) -> str:
        """What to say when the data of its services does not fit."""
        return no_room(
            self.data.resolve(), variable=DATA_VARIABLE if self.data.is_symlink() else STATE_VARIABLE
        )

    def lay_out(self, place: Path | None) -> None:
        """Make the folder for data: in `place`, or here. The link is there first, so that whoever sweeps knows of it.

        Raises:
            OSError: It cannot be made.
        """
        if place:
            self.data.symlink_to(place / self._data_name)
        made = self.data.readlink() if place else self.data
        try:
            made.mkdir()
        except OSError:  # one that is there already is somebody else's, and not ours to remove
            self.data.unlink(missing_ok=True)
            raise
        made.chmod(0o711)

    @property
    def _data_name(self) -> str:
        return f"drillbook-{os.getuid()}-{self.run_id}"

    def is_held(self) -> bool:
        """Whether a supervisor lives. Only meaningful under `base_lock`."""
        try:
            with self.lock.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def remove(self) -> None:
        """Delete the folder and its data; a second time does nothing."""
        if self.data.is_symlink():
            for elsewhere in self.places[1:]:
                shutil.rmtree(elsewhere, ignore_errors=True)  # it follows no link
                if elsewhere.exists():
                    return  # the link is all that tells of it: the next sweep needs it
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def held_folder(base: Path, run_id: str, *, data_in: Path | None = None) -> Iterator[StateFolder]:
    """A new folder, locked until the end of the block.

    Args:
        base: Where it is made.
        run_id: Its name, as `new_run_id` makes them: others are nobody's to sweep.
        data_in: Where the folder for data is made; None for in the new folder.

    Raises:
        StackError: A run of that name is there already, or the folder cannot be made.
        ConfigError: That is no run's name.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f"a run must be called as 20261123-141502-7f3a is, got {run_id!r}: nobody would find what it leaves."
        )
    folder = StateFolder(base / run_id)
    with base_lock(base):
        try:
            folder.path.mkdir()
            folder.path.chmod(0o711)  # whatever the umask, as above
        except OSError as error:
            raise StackError(f"no folder {folder.path} could be made for the stack: {error}") from error
        file = folder.lock.open("w")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is new: there is nobody to wait for
    try:
        try:
            folder.lay_out(data_in)
        except OSError as error:
            folder.remove()
            raise StackError(f"no folder for data could be made for {folder.path}: {error}") from error
        yield folder
    finally:
        file.close()


def folders(base: Path) -> list[StateFolder]:
    """Every stack's folder, live or dead, oldest first. Whatever else is there is none of ours."""
    return [StateFolder(path) for path in sorted(base.iterdir()) if _is_ours(path)]


def _is_ours(path: Path) -> bool:
    """Whether it can only have been made by `held_folder`, which may have been killed before it made the lock."""
    if not _RUN_ID.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return False
    return (path / "lock").exists() or not any(path.iterdir())


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add one JSON line and have it on the disk before returning.

    On a full disk it is all or nothing: half a line would swallow the next one, which may be a promise.
    """
    left = memoryview(msgspec.json.encode(line) + b"\n")
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; one that a kill cut off is not there."""
    lines = []
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines
