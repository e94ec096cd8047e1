"""Clearing away what dead supervisors left, and nothing else.

Normally there is nothing: a supervisor tears its stack down when its harness dies, and the kernel kills the children of
a supervisor that dies. What stays is a folder, the children of those children, and on systems without a parent-death
signal all processes. They are recognised by what we wrote down: a folder of ours that nobody holds, and its mark on a
process.
"""

import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.clock import wait_until
from harness.errors import DeadlineError
from harness.supervisor import processes, shared_memory, state
from harness.supervisor.base_lock import base_lock


@dataclass(frozen=True)
class Swept:
    """What was found of one dead run."""

    run_id: str
    processes: int
    faults: tuple[str, ...]

    def __str__(self) -> str:
        active = f", with {', '.join(self.faults)} still active" if self.faults else ""
        return (
            f"run {self.run_id} had been killed{active}: {self.processes} processes ended, its folder removed"
        )


def kill_everything_of(folder: state.StateFolder, *, grace_s: float = 2.0) -> int:
    """End every process of a stack; return how many there were.

    SIGQUIT first where a service asked for that, because it lets PostgreSQL give back its shared memory;
    SIGKILL for the rest, again until none is left: a process may have forked between two looks.
    """
    started = state.read_lines(folder.processes)
    quitters = {line["name"] for line in started if line.get("death_signal") == "SIGQUIT"}
    marked = processes.belonging_to(*folder.places)
    # A descendant may have an environment of its own. Once its parent is gone nobody could say whose it was.
    found = {member for process in marked for member in (process, *processes.tree(process.pid))}
    total = len(found)
    gentle = [
        process
        for name in sorted(quitters)
        for process in processes.belonging_to(folder.work(name))
        if process in found
    ]
    processes.send((process for process in found if process not in gentle), signal.SIGKILL)
    if gentle:
        # A stopped process takes a signal only once it runs again.
        processes.send(gentle, signal.SIGCONT)
        processes.send(gentle, signal.SIGQUIT)
        with suppress(DeadlineError):  # the loop below does not ask
            wait_until(
                lambda: not processes.alive(gentle), within_s=grace_s, what="postgres to quit", every_s=0.01
            )

    def none_left() -> bool:
        left = processes.alive(found.union(processes.belonging_to(*folder.places)))
        processes.send(left, signal.SIGKILL)
        return not left

    wait_until(none_left, within_s=5.0, what=f"the processes of {folder.run_id} to end", every_s=0.01)
    makers = {line["pid"]: line["user_id"] for line in started if "pid" in line}
    shared_memory.remove_segments_of(makers, since_s=folder.began_s)
    return total


def sweep(base: Path | None = None) -> list[Swept]:
    """Clear away every run of this user that no supervisor holds any more."""
    base = base or state.base_folder()
    swept = []
    with base_lock(base):
        for folder in state.folders(base):
            if folder.is_held():
                continue
            lines = state.read_lines(folder.undo)
            undone = {line["token"] for line in lines if line.get("undone")}
            active = tuple(
                str(line["fault"].get("title") or line["fault"]["type"])
                for line in lines
                if "fault" in line and line["token"] not in undone
            )
            swept.append(Swept(folder.run_id, kill_everything_of(folder), active))
            folder.remove()
    return swept
