"""Could a stack be started here, and if not, what helps?

Looking changes nothing and never fails: what is wrong is the answer. Every complaint names the command or the setting
that helps, because whoever calls a doctor wants to be cured. With fetching, everything is tried and not only the first
thing that is missing, so that a machine without a network can be supplied in one go.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from harness.clock import SYSTEM_CLOCK, Clock
from harness.console import can_move
from harness.errors import ArtifactError
from harness.stack.embedded import caddy, java, kafka_jars, postgres, toxiproxy, valkey
from harness.stack.embedded.artifacts import Cache, PlainProgress, cache_root
from harness.stack.embedded.artifacts import Progress as Told
from harness.stack.embedded.programs import gather, standings
from harness.stack.embedded.sources import Standing
from harness.surroundings import Examined, Health, look_at_cache, of_machine, problem


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Everything that was looked at.

    Attributes:
        programs: How it stands with each server's programs.
        examined: How it stands with the machine, the folders and the stacks on it.
    """

    programs: tuple[Standing, ...]
    examined: tuple[Examined, ...]

    @property
    def can_start(self) -> bool:
        """Whether a stack could be started, perhaps after fetching."""
        return all(standing.usable for standing in self.programs) and all(
            look.health is not Health.PROBLEM for look in self.examined
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
    examined: list[Examined] = []
    programs: tuple[Standing, ...] = ()
    try:
        root = cache_root(environment)
    except (ArtifactError, OSError) as error:
        examined.append(problem("cache", str(error)))
    else:
        cache = Cache(root)
        troubles = _fetched(cache, fetching, environment) if fetching else {}
        programs = tuple(
            _blamed(standing, troubles) for standing in standings(cache, environment=environment)
        )
        examined.append(look_at_cache(root, programs))
    return Diagnosis(programs=programs, examined=(*of_machine(clock), *examined))


def as_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis for machines."""
    return {
        "can_start": diagnosis.can_start,
        "programs": [
            asdict(standing) | {"path": str(standing.path or ""), "usable": standing.usable}
            for standing in diagnosis.programs
        ],
        "checks": [asdict(look) for look in diagnosis.examined],
    }


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

    def wait(self, name: str, whom: str) -> None:
        """Say above the bars whom it waits for."""
        self._bars.console.print(f"waiting for {name}: {whom} is fetching it", highlight=False)
