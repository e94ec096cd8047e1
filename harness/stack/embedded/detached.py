"""A stack that stays when the terminal closes: held by a lease instead of a drill's pipe.

It is what one wants for looking around, for a game day, for writing a scenario. A lease, because a stack that
nobody remembers would keep its memory and ports until the machine restarts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import ConfigError, DrillError, StackError
from harness.narration import Narrator
from harness.settings import Settings
from harness.stack.embedded.starting import assembled, launched
from harness.supervisor import state
from harness.supervisor.base_lock import base_lock
from harness.supervisor.client import SupervisorClient
from harness.supervisor.sweep import sweep


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Something one can connect to.

    Attributes:
        name: The service's name.
        address: `host:port`, past every proxy.
    """

    name: str
    address: str


@dataclass(frozen=True, kw_only=True)
class DetachedStack:
    """A stack that `up` left running.

    Attributes:
        entry: The URL that clients use.
        toxiproxy: The URL of Toxiproxy's API.
    """

    run_id: str
    entry: str
    toxiproxy: str
    lease_s: float
    logs: str
    endpoints: tuple[Endpoint, ...]


def up(settings: Settings, narrator: Narrator, *, lease_s: float) -> DetachedStack:
    """Start the target and leave it running.

    Raises:
        StackError: It did not come up. Nothing is left of it.
    """
    target = settings.make_target()  # what makes no sense is refused before anything is fetched or started
    with launched(settings, narrator, lease_s=lease_s) as new:
        try:
            stack = assembled(target, new, settings=settings, narrator=narrator)
            # Counted from now, not from before everything was fetched.
            new.supervisor.ask("renew", lease_s=lease_s)
        except BaseException as first:
            try:
                new.supervisor.tear_down()
            except StackError as second:
                if isinstance(
                    first, DrillError
                ):  # why it did not come up matters more, and both are to be told
                    raise type(first)(f"{first}\n{second}") from first
            raise
    return DetachedStack(
        run_id=new.run_id,
        entry=stack.entry.url,
        toxiproxy=stack.toxiproxy.address.url,
        lease_s=lease_s,
        logs=stack.plan.logs,
        endpoints=tuple(
            Endpoint(name=name, address=str(service.address))
            for name, service in stack.services.items()
            if name not in stack.plan.spares
        ),
    )


def down(run_id: str | None = None, *, everything: bool = False) -> Sequence[str]:
    """End detached stacks; return the ids of those that were ended.

    Args:
        run_id: Only this one.
        everything: Also stacks that a running drill holds, which aborts that drill.

    Raises:
        ConfigError: There is no such stack.
        StackError: It would not end.
    """
    base = state.base_folder()
    ended = [found.run_id for found in sweep(base)]
    with base_lock(base):
        live = [folder for folder in state.folders(base) if folder.is_held()]
    chosen = [
        folder
        for folder in live
        if (run_id == folder.run_id) or (run_id is None and (everything or folder.lease.exists()))
    ]
    if run_id is not None and not chosen and run_id not in ended:
        known = ", ".join(folder.run_id for folder in live) or "none"
        raise ConfigError(f"there is no stack {run_id!r} here; running are: {known}")
    troubles = []
    for folder in chosen:
        try:
            _end(folder)
        except StackError as error:
            troubles.append(str(error))
        else:
            ended.append(folder.run_id)
    if troubles:
        also = f" Ended: {', '.join(ended)}." if ended else ""
        raise StackError("\n".join(troubles) + also)
    return ended


def _end(folder: state.StateFolder) -> None:
    """End one stack, unless it has ended by itself since it was looked for.

    Raises:
        StackError: It would not end.
    """
    try:
        supervisor = SupervisorClient(folder)
        try:
            supervisor.tear_down()
        finally:
            supervisor.close()
    except StackError:
        if folder.path.exists():
            raise


def running() -> list[state.StateFolder]:
    """The stacks of this user that are up now."""
    base = state.base_folder()
    with base_lock(base):
        return [folder for folder in state.folders(base) if folder.is_held()]
