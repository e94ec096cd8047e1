"""What is done at a moment that matters, and not at some time.

A process that is killed at some time was nearly always doing nothing of interest. Whether a moment has come is asked of
the target's own stores, again and again, so that no hook in the target's code is needed; the deed follows at once. The
moment may have passed by then: whether the hazard was really there is for the drill's evidence to say, not for us.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.clock import wait_until
from harness.errors import ConfigError, DeadlineError, FaultError, ProbeError
from harness.faults import Effect
from harness.faults.dead_links import Cut
from harness.faults.processes import Killed
from harness.probes.sql import SqlTable
from harness.stack import Stack
from harness.stack.http import NoAnswer, ask

LOOK_TIMEOUT_S = 1.0
_LOOK_EVERY_S = 0.02
_DEED_TIMEOUT_S = 2.0

T = TypeVar("T")


def awaited(look: Callable[[], T | None], *, within_s: float, what: str, title: str, advice: str) -> T:
    """What `look` finds at last; it is nothing as long as the moment has not come.

    Args:
        look: Asked again and again.
        within_s: For how long.
        what: What is awaited: "orders to be in the middle of a batch".
        title: Of the fault.
        advice: Why it may not come, and what to do.

    Raises:
        FaultError: It did not come. Nobody was hurt.
    """
    try:
        return wait_until(look, within_s=within_s, what=what, every_s=_LOOK_EVERY_S)
    except DeadlineError as error:
        raise FaultError(f"{title}: {error}. {advice}") from error


@dataclass(frozen=True, kw_only=True)
class Moment:
    """That a store of the target has enough rows of a kind.

    Attributes:
        what: For people: "sagas stand at every step".
        database: Where to ask.
        query: What. Its rows are counted, and say whom a deed is for.
        rows: How many there must be.
        within_s: How long to wait for them.
    """

    what: str
    database: str
    query: str
    rows: int = 1
    within_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a moment that is always there."""
        if self.rows < 1 or self.within_s <= 0:
            raise ConfigError(
                f"rows must be at least 1 and within_s above 0, got {self.rows} and {self.within_s}: any moment would "
                "do. Plan the fault for a time instead."
            )

    def awaited(self, stack: Stack, title: str) -> list[dict[str, Any]]:
        """The rows, as soon as there are enough.

        Raises:
            FaultError: There never were.
        """
        return awaited(
            lambda: self._rows(stack),
            within_s=self.within_s,
            what=f"{self.what} ({self.rows} rows in {self.database})",
            title=title,
            advice="It may pass too quickly to be met: slow the target down, or give it more to do.",
        )

    def _rows(self, stack: Stack) -> list[dict[str, Any]]:
        table = SqlTable(name="moment", database=self.database, query=self.query)
        try:
            found: Any = table.read(stack, timeout_s=LOOK_TIMEOUT_S)
        except ProbeError:
            return []
        return found if len(found) >= self.rows else []


def moment_of(value: Any) -> Moment:
    """A moment, or what its record holds."""
    return value if isinstance(value, Moment) else Moment(**value)


@dataclass(frozen=True, kw_only=True)
class KilledWhen:
    """A service is killed (SIGKILL) as soon as a moment has come.

    Attributes:
        cut: Patterns of links that go with it, as when its machine is lost: what it had sent and what was not there
            yet never arrives. A process that dies alone leaves that to others to deliver.
    """

    service: str
    moment: Moment
    cut: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Accept what a record holds."""
        object.__setattr__(self, "moment", moment_of(self.moment))
        object.__setattr__(self, "cut", tuple(self.cut))

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} killed when {self.moment.what}"

    def inject(self, stack: Stack) -> Effect:
        """Await the moment, kill it, and see it gone.

        Raises:
            FaultError: The moment did not come, or it is still there.
        """
        found = self.moment.awaited(stack, self.title)
        gone, *cut = self._at_once(lambda fault: fault.inject(stack))
        return Effect(
            sentence=f"{self.moment.what}, by {len(found)} rows of {self.moment.database}; "
            + "; ".join(effect.sentence for effect in (gone, *cut)),
            seen=True,
            measured={**gone.measured, "rows": float(len(found)), "cut": float(len(cut))},
        )

    def lapsed(self, stack: Stack) -> str:
        """Whether somebody has started it again, or a link."""
        return "; ".join(filter(None, (fault.lapsed(stack) for fault in self._parts)))

    def heal(self, stack: Stack) -> Effect:
        """Start it again, and see that it serves. Safe twice and before `inject`."""
        effects = self._at_once(lambda fault: fault.heal(stack))
        return Effect(
            sentence="; ".join(effect.sentence for effect in effects),
            seen=(seen := all(effect.seen for effect in effects)),
            hidden=not seen and all(effect.undone for effect in effects),
            measured=effects[0].measured,
        )

    @property
    def _parts(self) -> tuple[Killed | Cut, ...]:
        return (Killed(service=self.service), *(Cut(link=link) for link in self.cut))

    def _at_once(self, act: Callable[[Killed | Cut], Effect]) -> list[Effect]:
        """Do the same to the service and its links, side by side: between two of them something may still arrive."""
        parts = self._parts
        with ThreadPoolExecutor(len(parts), thread_name_prefix="killed") as pool:
            return list(pool.map(act, parts))


@dataclass(frozen=True, kw_only=True)
class DoneByHand:
    """Somebody calls a service past everybody who thinks to be its only caller, once for each row of a moment.

    It is what an operator does in an incident, with the best intentions. It cannot be taken back: there is nothing to
    heal.

    Attributes:
        service: Who is called, past every link.
        method, path: How. `{key}` in the path is a row's first column.
        moment: When, and for whom.
        says: For people: "reservations released by hand".
    """

    service: str
    path: str
    moment: Moment
    says: str
    method: str = "POST"

    def __post_init__(self) -> None:
        """Accept what a record holds, and refuse a call that is the same for everybody."""
        object.__setattr__(self, "moment", moment_of(self.moment))
        if "{key}" not in self.path:
            raise ConfigError(
                f"path must say where a row's key goes, got {self.path!r}: every call would be the same one. Try "
                "/things/{key}/release."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return self.says

    def inject(self, stack: Stack) -> Effect:
        """Await the moment, and make the calls.

        Raises:
            FaultError: The moment did not come, or a call was not answered with a 2xx.
        """
        if self.service not in stack.services:
            raise FaultError(
                f"no service is called {self.service!r}. There are {', '.join(sorted(stack.services))}."
            )
        address = stack.services[self.service].address
        keys = [str(next(iter(row.values()))) for row in self.moment.awaited(stack, self.title)]
        for key in keys:
            path = self.path.replace("{key}", key)
            try:
                answer = ask(address, self.method, path, timeout_s=_DEED_TIMEOUT_S)
            except NoAnswer as error:
                raise FaultError(f"{self.title}: {self.method} {path}: {error}") from error
            if not 200 <= answer.status < 300:
                raise FaultError(
                    f"{self.title}: {self.method} {path} wanted a 2xx, got {answer.status}: {answer.text()}. The "
                    "fault does not bite."
                )
        return Effect(
            sentence=f"{self.service} took {len(keys)} calls while {self.moment.what}: {', '.join(keys[:5])}",
            seen=True,
            measured={"calls": float(len(keys))},
        )

    def lapsed(self, stack: Stack) -> str:
        """Nothing can be: it is over when it is done."""
        del stack
        return ""

    def heal(self, stack: Stack) -> Effect:
        """Nothing: what was done stays done."""
        del stack
        return Effect(sentence=f"{self.title}: done once, nothing of it is left to undo", seen=True)
