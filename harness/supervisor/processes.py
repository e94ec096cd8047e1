"""Starting, signalling and recognising processes.

A service is more than the process that was started: PostgreSQL forks a backend a connection, and each takes a session
of its own, so no process group finds them all. What holds is the tree of children while the parent lives, and
afterwards a mark in the environment, which children inherit wherever they go (`belonging_to`).
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from harness import full_disk
from harness.errors import StackError
from harness.stack import State
from harness.stack.process import ProcessSpec
from harness.supervisor.ports import busy

MARK = "DRILLBOOK_PROCESS_OF"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent(signal_number: int, parent: int) -> Callable[[], None]:
    """What a child does between fork and exec, so that the kernel ends it when the supervisor dies.

    The kernel watches the *thread* that forked, so the supervisor spawns from its main thread only. Changing
    the user id clears the setting; subprocess changes it before it calls this.
    """

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number)
            if os.getppid() != parent:  # the supervisor died before the line above
                os._exit(1)

    return prepare


def prepare_folder(spec: ProcessSpec, work: Path) -> None:
    """Lay out a service's working folder: templates copied once, configuration written each time."""
    open_folder(work, 0o755)
    for target, source in spec.copies.items():
        if not (work / target).exists():
            # Under another name until it is whole: half of a cluster would be started on as if it were one.
            copied = work / f"{target}.new"
            shutil.rmtree(copied, ignore_errors=True)
            shutil.copytree(source, copied, symlinks=True)
            _own(copied, spec.user_id)
            copied.rename(work / target)
    for folder in spec.folders:
        (work / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        _own(work / folder, spec.user_id)
    for name, text in spec.files.items():
        open_folder((work / name).parent, 0o755)
        (work / name).write_text(text)
        _own(work / name, spec.user_id)


def open_folder(path: Path, mode: int) -> None:
    """Make a folder, unless it is there, with that mode whatever the umask: not all servers run as the same user."""
    with suppress(FileExistsError):
        path.mkdir(parents=True)
        path.chmod(mode)


def _own(path: Path, user_id: int | None) -> None:
    if user_id is None:
        return
    for item in (path, *path.rglob("*")):
        os.chown(item, user_id, user_id, follow_symlinks=False)


def refuse_busy_ports(spec: ProcessSpec) -> None:
    """Refuse to start what would share a port.

    Raises:
        StackError: One of its ports is busy.
    """
    taken = busy(spec.ports)
    if taken:
        raise StackError(
            f"{spec.name} cannot start: port {taken[0]} of 127.0.0.1 is busy with a process that is not ours. "
            "Starting all the same could split its traffic with a stranger. End that process, or start again "
            "for other ports."
        )


def spawn(spec: ProcessSpec, work: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start one process, working in its own prepared folder, in a session of its own.

    Raises:
        StackError: The program cannot be run.
        OSError: There is no room for its log.
    """
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                spec.argv,
                cwd=work,
                env=marked(spec.environment, work),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=spec.user_id,
                group=spec.user_id,
                extra_groups=None if spec.user_id is None else [],
                preexec_fn=_die_with_parent(signal.Signals[spec.death_signal], os.getpid()),  # noqa: PLW1509
            )
    except OSError as error:
        if full_disk.was_met(error):
            raise  # whoever asked knows which disks there are
        raise StackError(f"{spec.name} cannot start: {error} ({spec.argv[0]})") from error


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants, parents first. Empty if it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send(processes: Iterable[psutil.Process], signal_number: int) -> None:
    """Signal processes; one that is gone already is no error (psutil compares start times, not just ids)."""
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.send_signal(signal_number)


def state_of(process: psutil.Process) -> State:
    """What the kernel says one process is doing."""
    try:
        status = process.status()
    except psutil.NoSuchProcess:
        return State.EXITED
    if status in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
        return State.EXITED
    return State.PAUSED if status in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP} else State.RUNNING


def state_at(pid: int) -> State:
    """What the kernel says the process of that number is doing."""
    try:
        return state_of(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return State.EXITED


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that are neither gone nor zombies."""
    return [process for process in processes if state_of(process) is not State.EXITED]


def marked(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """An environment by which a process and its descendants are known to belong to a folder."""
    return {**environment, MARK: str(folder)}


def belonging_to(*folders: Path) -> list[psutil.Process]:
    """Every living process of a stack, or of one service of it, except this one.

    That is, whoever was started with the mark of one of these folders or of one below. PostgreSQL's backends and Valkey
    write their titles over their environment: who has none at all is known by its working folder, which neither
    changes. A person's shell or pager in that folder has an environment without the mark, and is none of ours.
    """
    # A link to where data is kept is not what the kernel calls a working folder.
    inside = tuple(f"{name}{os.sep}" for folder in folders for name in {str(folder), str(folder.resolve())})
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            environment = process.environ()
            # The kernel says so of a working folder that was deleted.
            home = environment.get(MARK, "") if environment else process.cwd().removesuffix(" (deleted)")
            if f"{home}{os.sep}".startswith(inside):
                found.append(process)
    return found
