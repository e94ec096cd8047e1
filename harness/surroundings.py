"""What a stack needs of the machine it runs on, looked at one thing after the other.

What was looked at is told with figures, and with what helps when it is not enough. Looking starts nothing, changes
nothing and never fails. What is only bad for the measurements is a warning; what keeps a stack from starting is a
problem.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness import __version__
from harness.clock import Clock
from harness.errors import DrillError
from harness.machine import LEAST_TIMES_THE_DELAY, cgroup, memory_gib, wake_up_delay_s
from harness.settings import Settings
from harness.stack.embedded import postgres
from harness.stack.embedded.sources import Source, Standing
from harness.supervisor import data, ports, state
from harness.supervisor.base_lock import base_lock

GIB = 1 << 30
CACHE_GIB = 0.5  # what everything fetched takes
RUN_GIB = 0.2  # data of three brokers and a database, and the recording of a session
STACK_GIB, SMALL_STACK_GIB = 2.5, 1.7  # with three brokers, with one
PORTS = 100  # more than any stack takes
DELAY_S_MAX = 0.05  # what the `ci` profile's shortest timers can bear: a tenth of half a second


class Health(StrEnum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"  # a drill can be held, and may be INCONCLUSIVE
    PROBLEM = "problem"  # no stack can be started


@dataclass(frozen=True, kw_only=True)
class Examined:
    """One thing that was looked at.

    Attributes:
        name: What.
        health: How it stands with it.
        told: What was seen, with figures.
        remedy: The command or setting that helps, or "".
    """

    name: str
    health: Health
    told: str
    remedy: str = ""


def of_machine(clock: Clock) -> Iterator[Examined]:
    """Everything that is looked at, whatever the programs' state.

    Args:
        clock: How the machine's delay is measured.
    """
    yield _python()
    yield _machine()
    yield look_at_user()
    yield from _folders()
    yield look_at_memory(*memory_gib())
    yield look_at_delay(wake_up_delay_s(clock))
    yield _target()


def look_at_cache(root: Path, programs: tuple[Standing, ...]) -> Examined:
    """Whether what is fetched can be kept."""
    missing = any(standing.source is Source.TO_BE_FETCHED for standing in programs)
    place = existing(root)
    free_gib = shutil.disk_usage(place).free / GIB
    told = f"{root}, {free_gib:.1f} GiB free"
    remedy = "Set DRILLBOOK_CACHE to a folder that you may write to, on a disk with room."
    if missing and not os.access(place, os.W_OK | os.X_OK):
        return Examined(
            name="cache", health=Health.PROBLEM, told=f"{told}; {place} is not writable", remedy=remedy
        )
    if missing and free_gib < CACHE_GIB:
        return Examined(
            name="cache", health=Health.PROBLEM, told=f"{told}, about {CACHE_GIB:g} are needed", remedy=remedy
        )
    return Examined(name="cache", health=Health.FINE, told=told)


def look_at_memory(available_gib: float, total_gib: float) -> Examined:
    """Whether a stack fits in. Swapping makes every claim about times INCONCLUSIVE."""
    told = f"{available_gib:.1f} of {total_gib:.1f} GiB available; a stack takes up to {STACK_GIB:g}"
    if available_gib < SMALL_STACK_GIB:
        remedy = f"End what is not needed; below {SMALL_STACK_GIB:g} GiB a stack may be killed by the system."
        return Examined(name="memory", health=Health.WARNING, told=told, remedy=remedy)
    if available_gib < STACK_GIB:
        return Examined(name="memory", health=Health.WARNING, told=told, remedy="drill run --brokers 1")
    return Examined(name="memory", health=Health.FINE, told=told)


def look_at_delay(delay_s: float) -> Examined:
    """Whether the machine keeps the time that a drill needs."""
    told = f"a sleeper is woken {delay_s * 1e3:.1f} ms late (90 % of 100 sleeps; up to {DELAY_S_MAX * 1e3:g} is fine)"
    if delay_s > DELAY_S_MAX:
        return Examined(
            name="delay",
            health=Health.WARNING,
            told=told,
            remedy=f"End what else runs, or use --profile guide: timers must be {LEAST_TIMES_THE_DELAY} times as long.",
        )
    return Examined(name="delay", health=Health.FINE, told=told)


def look_at_user() -> Examined:
    """Whether the user has a name, which PostgreSQL wants to know."""
    nameless = postgres.nameless_user()
    if nameless is not None:
        told = f"uid {nameless} has no name on this machine, and PostgreSQL makes no cluster without one"
        return problem("user", told, postgres.NAME_SUPPLY)
    uid = os.geteuid()
    return Examined(name="user", health=Health.FINE, told=f"uid {uid}{'' if uid else ', root'}")


def existing(path: Path) -> Path:
    """The nearest folder on the way to `path` that is there."""
    return path if path.exists() or path == path.parent else existing(path.parent)


def problem(name: str, told: str, remedy: str = "") -> Examined:
    """What keeps a stack from being started."""
    return Examined(name=name, health=Health.PROBLEM, told=told, remedy=remedy)


def _python() -> Examined:
    told = f"drillbook {__version__} on Python {platform.python_version()} ({sys.executable})"
    return Examined(name="python", health=Health.FINE, told=told)


def _machine() -> Examined:
    cores = _cores()
    told = f"{platform.system()} {platform.release()} {platform.machine()}, {cores:g} cores"
    if cores < 2:
        remedy = "Use a machine with two cores; with fewer, claims about times may be INCONCLUSIVE."
        return Examined(name="machine", health=Health.WARNING, told=told, remedy=remedy)
    return Examined(name="machine", health=Health.FINE, told=told)


def _cores() -> float:
    """Cores that this process may use, after a container's quota where there is one."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, _, period = cgroup("cpu.max").partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def _folders() -> Iterator[Examined]:
    """The folders a stack writes to, and the stacks that are there."""
    try:
        base = state.base_path()
        if base.exists():
            state.refuse_others(base)
        yield _room("state", base)
        yield _data()
        yield from _stacks(base)
    except (DrillError, OSError) as error:
        yield problem("state", str(error), f"Set {state.STATE_VARIABLE} to a folder of your own.")
    try:
        yield _room("runs", Settings.read().runs.absolute())
    except (DrillError, OSError) as error:
        yield problem("settings", str(error))


def _room(name: str, folder: Path) -> Examined:
    place = existing(folder)
    free_gib = shutil.disk_usage(place).free / GIB
    told = f"{folder}, {free_gib:.1f} GiB free"
    remedy = "--runs FOLDER" if name == "runs" else f"Set {state.STATE_VARIABLE} to a folder on another disk."
    if not os.access(place, os.W_OK | os.X_OK):
        return problem(name, f"{told}; {place} is not writable", remedy)
    if free_gib < RUN_GIB:
        return problem(name, f"{told}, about {RUN_GIB:g} are needed", remedy)
    return Examined(name=name, health=Health.FINE, told=told)


def _data() -> Examined:
    try:
        place = data.place()
    except DrillError as error:
        return problem("data", str(error))
    where = str(place.folder or "beside the rest of the state")
    return Examined(name="data", health=Health.FINE, told=f"of drills: {where}, since {place.because}")


def _stacks(base: Path) -> Iterator[Examined]:
    # Taking the lock would make its file where no stack has ever been.
    with base_lock(base) if (base / "lock").exists() else nullcontext():
        found = [(folder, folder.is_held()) for folder in (state.folders(base) if base.exists() else ())]
        free = _free_ports()
    running = [
        f"{folder.run_id} ({'lease' if folder.lease.exists() else 'drill'})" for folder, held in found if held
    ]
    left = [folder.run_id for folder, held in found if not held]
    yield Examined(
        name="stacks",
        health=Health.WARNING if running else Health.FINE,
        told=f"running: {', '.join(running)}" if running else "none is running",
        remedy="drill down (with --all for those of drills): two at once disturb each other's times."
        if running
        else "",
    )
    if left:
        told = f"left by killed runs: {', '.join(left)}"
        yield Examined(name="leftovers", health=Health.WARNING, told=told, remedy="drill down")
    told = (
        f"{'at least ' if free == PORTS else ''}{free} free between {ports.FIRST_PORT} and {ports.LAST_PORT}"
    )
    if free < PORTS:
        yield problem(
            "ports", f"{told}, up to {PORTS} are needed", "drill down --all, or end what listens there."
        )
    else:
        yield Examined(name="ports", health=Health.FINE, told=told)


def _free_ports() -> int:
    """How many ports are free, counted up to what a stack may need."""
    free = 0
    for port in range(ports.FIRST_PORT, ports.LAST_PORT):
        free += ports.is_free(port)
        if free == PORTS:
            break
    return free


def _target() -> Examined:
    try:
        settings = Settings.read()
        with _leaving_no_bytecode():
            target = settings.make_target()
    except DrillError as error:
        return Examined(name="target", health=Health.WARNING, told=str(error))
    except Exception as error:  # noqa: BLE001 - it is somebody else's code, and what is wrong with it is the answer
        told = f"it cannot be described: {type(error).__name__}: {error}"
        return Examined(name="target", health=Health.WARNING, told=told)
    told = f"{settings.target}: {target.name}, {len(target.services)} services"
    return Examined(name="target", health=Health.FINE, told=told)


@contextmanager
def _leaving_no_bytecode() -> Iterator[None]:
    """Import without leaving compiled files beside what is only looked at."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
