"""Could a stack be started here, and if not, what helps?

Looking changes nothing and never fails: what is wrong is the answer. Every complaint names the command or the setting
that helps, because whoever calls a doctor wants to be cured. With fetching, everything is tried and not only the first
thing that is missing, so that a machine without a network can be supplied in one go.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from harness import __version__
from harness.clock import SYSTEM_CLOCK, Clock
from harness.console import can_move
from harness.errors import ArtifactError, DrillError
from harness.machine import LEAST_TIMES_THE_DELAY, wake_up_delay_s
from harness.settings import Settings
from harness.stack.embedded import caddy, java, kafka_jars, postgres, toxiproxy, valkey
from harness.stack.embedded.artifacts import Cache, PlainProgress, cache_root
from harness.stack.embedded.artifacts import Progress as Told
from harness.stack.embedded.programs import gather, standings
from harness.stack.embedded.sources import Source, Standing
from harness.supervisor import ports, state

GIB = 1 << 30
CACHE_GIB = 0.5  # what everything fetched takes
RUN_GIB = 0.2  # data of three brokers and a database, and the recording of a session
STACK_GIB, SMALL_STACK_GIB = 2.5, 1.7  # with three brokers, with one
PORTS = 100  # more than any stack takes
DELAY_S_MAX = 0.05  # what the `ci` profile's shortest timers can bear: a tenth of half a second
_CGROUP = Path("/sys/fs/cgroup")


class Health(StrEnum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"  # a drill can be held, and may be INCONCLUSIVE
    PROBLEM = "problem"  # no stack can be started


@dataclass(frozen=True, kw_only=True)
class Check:
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


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Everything that was looked at.

    Attributes:
        programs: How it stands with each server's programs.
        checks: How it stands with the machine, the folders and the stacks on it.
    """

    programs: tuple[Standing, ...]
    checks: tuple[Check, ...]

    @property
    def can_start(self) -> bool:
        """Whether a stack could be started, perhaps after fetching."""
        return all(standing.usable for standing in self.programs) and all(
            check.health is not Health.PROBLEM for check in self.checks
        )


def examine(
    *,
    fetching: Console | None = None,
    environment: Mapping[str, str] = os.environ,
    clock: Clock = SYSTEM_CLOCK,
) -> Diagnosis:
    """Look at everything.

    Args:
        fetching: Where to tell how the fetching goes; None to fetch nothing.
        environment: Where overrides are looked for.
        clock: How the machine's delay is measured.
    """
    checks = [_python(), _machine()]
    programs: tuple[Standing, ...] = ()
    try:
        root = cache_root(environment)
    except ArtifactError as error:
        checks.append(_problem("cache", str(error)))
    else:
        cache = Cache(root)
        troubles = _fetched(cache, fetching, environment) if fetching else {}
        programs = tuple(
            _blamed(standing, troubles) for standing in standings(cache, environment=environment)
        )
        checks.append(cache_check(root, programs))
    checks += [*_folders(), memory_check(*_memory()), delay_check(wake_up_delay_s(clock)), _target()]
    return Diagnosis(programs=programs, checks=tuple(checks))


def as_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis for machines."""
    return {
        "can_start": diagnosis.can_start,
        "programs": [
            asdict(standing) | {"path": str(standing.path or ""), "usable": standing.usable}
            for standing in diagnosis.programs
        ],
        "checks": [asdict(check) for check in diagnosis.checks],
    }


def cache_check(root: Path, programs: tuple[Standing, ...]) -> Check:
    """Whether what is fetched can be kept."""
    missing = any(standing.source is Source.TO_BE_FETCHED for standing in programs)
    place = existing(root)
    free_gib = shutil.disk_usage(place).free / GIB
    told = f"{root}, {free_gib:.1f} GiB free"
    remedy = "Set DRILLBOOK_CACHE to a folder that you may write to, on a disk with room."
    if missing and not os.access(place, os.W_OK | os.X_OK):
        return Check(
            name="cache", health=Health.PROBLEM, told=f"{told}; {place} is not writable", remedy=remedy
        )
    if missing and free_gib < CACHE_GIB:
        return Check(
            name="cache", health=Health.PROBLEM, told=f"{told}, about {CACHE_GIB:g} are needed", remedy=remedy
        )
    return Check(name="cache", health=Health.FINE, told=told)


def memory_check(available_gib: float, total_gib: float) -> Check:
    """Whether a stack fits in. Swapping makes every claim about times INCONCLUSIVE."""
    told = f"{available_gib:.1f} of {total_gib:.1f} GiB available; a stack takes up to {STACK_GIB:g}"
    if available_gib < SMALL_STACK_GIB:
        remedy = f"End what is not needed; below {SMALL_STACK_GIB:g} GiB a stack may be killed by the system."
        return Check(name="memory", health=Health.WARNING, told=told, remedy=remedy)
    if available_gib < STACK_GIB:
        return Check(name="memory", health=Health.WARNING, told=told, remedy="drill run --brokers 1")
    return Check(name="memory", health=Health.FINE, told=told)


def delay_check(delay_s: float) -> Check:
    """Whether the machine keeps the time that a drill needs."""
    told = f"a sleeper is woken {delay_s * 1e3:.1f} ms late (90 % of 100 sleeps; up to {DELAY_S_MAX * 1e3:g} is fine)"
    if delay_s > DELAY_S_MAX:
        return Check(
            name="delay",
            health=Health.WARNING,
            told=told,
            remedy=f"End what else runs, or use --profile guide: timers must be {LEAST_TIMES_THE_DELAY} times as long.",
        )
    return Check(name="delay", health=Health.FINE, told=told)


def existing(path: Path) -> Path:
    """The nearest folder on the way to `path` that is there."""
    return path if path.exists() or path == path.parent else existing(path.parent)


def _problem(name: str, told: str, remedy: str = "") -> Check:
    return Check(name=name, health=Health.PROBLEM, told=told, remedy=remedy)


def _python() -> Check:
    told = f"drillbook {__version__} on Python {platform.python_version()} ({sys.executable})"
    return Check(name="python", health=Health.FINE, told=told)


def _machine() -> Check:
    cores = _cores()
    told = f"{platform.system()} {platform.release()} {platform.machine()}, {cores:g} cores"
    if cores < 2:
        remedy = "Use a machine with two cores; with fewer, claims about times may be INCONCLUSIVE."
        return Check(name="machine", health=Health.WARNING, told=told, remedy=remedy)
    return Check(name="machine", health=Health.FINE, told=told)


def _cores() -> float:
    """Cores that this process may use, after a container's quota where there is one."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, _, period = _cgroup("cpu.max").partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def _memory() -> tuple[float, float]:
    """Available and total GiB, after a container's limit where there is one."""
    memory = psutil.virtual_memory()
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if not (limit.isdigit() and used.isdigit()):
        return memory.available / GIB, memory.total / GIB
    total = min(memory.total, int(limit))
    return max(0, min(memory.available, int(limit) - int(used))) / GIB, total / GIB


def _cgroup(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""


def _folders() -> Iterator[Check]:
    """The folders a stack writes to, and the stacks that are there."""
    try:
        base = state.base_folder()
    except (DrillError, OSError) as error:
        yield _problem("state", str(error), f"Set {state.STATE_VARIABLE} to a folder of your own.")
    else:
        yield _room("state", base)
        yield from _stacks(base)
    try:
        runs = Settings.read().runs.absolute()
    except DrillError as error:
        yield _problem("settings", str(error))
    else:
        yield _room("runs", runs)


def _room(name: str, folder: Path) -> Check:
    place = existing(folder)
    free_gib = shutil.disk_usage(place).free / GIB
    told = f"{folder}, {free_gib:.1f} GiB free"
    remedy = "--runs FOLDER" if name == "runs" else f"Set {state.STATE_VARIABLE} to a folder on another disk."
    if not os.access(place, os.W_OK | os.X_OK):
        return _problem(name, f"{told}; {place} is not writable", remedy)
    if free_gib < RUN_GIB:
        return _problem(name, f"{told}, about {RUN_GIB:g} are needed", remedy)
    return Check(name=name, health=Health.FINE, told=told)


def _stacks(base: Path) -> Iterator[Check]:
    with state.base_lock(base):
        found = [(folder, folder.is_held()) for folder in state.folders(base)]
        free = _free_ports()
    running = [
        f"{folder.run_id} ({'lease' if folder.lease.exists() else 'drill'})" for folder, held in found if held
    ]
    left = [folder.run_id for folder, held in found if not held]
    yield Check(
        name="stacks",
        health=Health.WARNING if running else Health.FINE,
        told=f"running: {', '.join(running)}" if running else "none is running",
        remedy="drill down (with --all for those of drills): two at once disturb each other's times."
        if running
        else "",
    )
    if left:
        told = f"left by killed runs: {', '.join(left)}"
        yield Check(name="leftovers", health=Health.WARNING, told=told, remedy="drill down")
    told = (
        f"{'at least ' if free == PORTS else ''}{free} free between {ports.FIRST_PORT} and {ports.LAST_PORT}"
    )
    if free < PORTS:
        yield _problem(
            "ports", f"{told}, up to {PORTS} are needed", "drill down --all, or end what listens there."
        )
    else:
        yield Check(name="ports", health=Health.FINE, told=told)


def _free_ports() -> int:
    """How many ports are free, counted up to what a stack may need."""
    free = 0
    for port in range(ports.FIRST_PORT, ports.LAST_PORT):
        free += ports.is_free(port)
        if free == PORTS:
            break
    return free


def _target() -> Check:
    try:
        settings = Settings.read()
        target = settings.make_target()
    except DrillError as error:
        return Check(name="target", health=Health.WARNING, told=str(error))
    told = f"{settings.target}: {target.name}, {len(target.services)} services"
    return Check(name="target", health=Health.FINE, told=told)


def _fetched(cache: Cache, console: Console, environment: Mapping[str, str]) -> dict[str, str]:
    """Fetch everything that is missing; what went wrong, by the thing's name."""
    with _telling(console) as told, ThreadPoolExecutor(max_workers=4) as pool:
        finders: dict[str, Callable[[], object]] = {
            java.NAME: lambda: java.find_java(cache, progress=told, environment=environment),
            kafka_jars.NAME: lambda: kafka_jars.find_jars(cache, progress=told, environment=environment),
            postgres.NAME: lambda: postgres.find_postgres(cache, progress=told, environment=environment),
            toxiproxy.NAME: lambda: toxiproxy.find_toxiproxy(cache, progress=told, environment=environment),
            valkey.NAME: lambda: valkey.find_valkey(environment),
            caddy.NAME: lambda: caddy.find_caddy(environment),
        }
        tried = {name: pool.submit(_trouble, find) for name, find in finders.items()}
        troubles = {name: trouble for name, done in tried.items() if (trouble := done.result())}
        if not troubles and (
            trouble := _trouble(lambda: gather(cache, progress=told, environment=environment))
        ):
            troubles[kafka_jars.NAME] = (
                trouble  # all that is left to do is to make Kafka's folders and archive
            )
    return troubles


def _trouble(find: Callable[[], object]) -> str:
    try:
        find()
    except ArtifactError as error:
        return str(error)
    return ""


def _blamed(standing: Standing, troubles: Mapping[str, str]) -> Standing:
    """A standing with what went wrong when it was fetched; that says itself what to supply instead."""
    trouble = troubles.get(standing.name, "")
    return replace(standing, problem=trouble, remedy="") if trouble else standing


@contextmanager
def _telling(console: Console) -> Iterator[Told]:
    """A bar for each thing on a terminal, two lines for each elsewhere."""
    if not can_move(console):
        yield PlainProgress(lambda line: console.print(line, highlight=False, soft_wrap=True))
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield _Bars(bars)


class _Bars:
    """A bar for each thing that is fetched. It moves in steps; the clock beside it shows that something happens."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def step(self, name: str, done: int, total: int) -> None:
        """Move the bar of `name`."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(f"fetching {name}", total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)
