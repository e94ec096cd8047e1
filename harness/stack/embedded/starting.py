"""Starting an embedded stack: what waits for whom, what each server must contain, and who ends it all."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.errors import StackError
from harness.machine import refuse_timers_below, wake_up_delay_s
from harness.narration import Narrator
from harness.settings import Settings
from harness.stack.embedded import assembly, contents
from harness.stack.embedded.artifacts import Cache, cache_root
from harness.stack.embedded.plan import ports_needed
from harness.stack.embedded.programs import Programs, gather
from harness.stack.embedded.reset import databases_as_made, topics_as_made
from harness.stack.embedded.stack import EmbeddedStack
from harness.stack.target import BALANCER, POSTGRES, Target
from harness.supervisor import data, state
from harness.supervisor.client import Lifeline, SupervisorClient, launch
from harness.supervisor.sweep import sweep

LOGS = "logs"
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A stack that has a supervisor and no server yet.

    Attributes:
        lifeline: What ends it with this process; None for one that is held by a lease.
        programs: What its servers are started from; gathered by somebody else meanwhile.
        recordings: Where what happens to it is recorded.
    """

    run_id: str
    supervisor: SupervisorClient
    lifeline: Lifeline | None
    programs: "Future[Programs]"
    recordings: Path


@contextmanager
def started(target: Target, *, settings: Settings, narrator: Narrator) -> Iterator[EmbeddedStack]:
    """A stack for as long as the block lasts; it ends with this process too, however that dies.

    Raises:
        StackError: It could not be started.
    """
    refuse_timers_below(target.shortest_timer_s, wake_up_delay_s())
    with launched(settings, narrator) as new:
        try:
            yield assembled(target, new, settings=settings, narrator=narrator)
        finally:
            new.supervisor.close()
            if new.lifeline:
                new.lifeline.cut()


@contextmanager
def launched(settings: Settings, narrator: Narrator, *, lease_s: float | None = None) -> Iterator[Launched]:
    """Clear what is left of others, and have a supervisor for a new stack. Whoever asks for one has to end it.

    Args:
        settings: Where recordings go.
        narrator: Is told what was cleared and what is being fetched.
        lease_s: None to hold the stack by a pipe; else how long it lives without being renewed.
    """
    base = state.base_folder()
    for found in sweep(base):
        narrator.step(f"found and cleared: {found}")
    run_id = state.new_run_id()
    recordings = (settings.runs / run_id).resolve()
    # What lives by a lease is to outlive a login, after which a system may clear its memory of what was kept there.
    data_in = data.place().folder if lease_s is None else None
    with _gathering(narrator) as programs:
        supervisor, lifeline = launch(
            run_id=run_id, base=base, logs=recordings / LOGS, data_in=data_in, lease_s=lease_s
        )
        yield Launched(
            run_id=run_id, supervisor=supervisor, lifeline=lifeline, programs=programs, recordings=recordings
        )


@contextmanager
def _gathering(narrator: Narrator) -> Iterator["Future[Programs]"]:
    """Gather what a stack is started from while the block does something else. It is not left before that has ended."""
    cache = Cache(cache_root())
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            yield pool.submit(gather, cache, progress=_Fetching(narrator))
        finally:
            cache.nobody_waits.set()


def assembled(target: Target, new: Launched, *, settings: Settings, narrator: Narrator) -> EmbeddedStack:
    """Plan, remember and start a stack under its supervisor.

    Raises:
        StackError: A process of it did not come up; with its last log lines.
    """
    supervisor = new.supervisor
    programs = new.programs.result()
    ports = supervisor.reserve_ports(ports_needed(target, settings.brokers))
    plan = assembly.plan(
        target,
        brokers=settings.brokers,
        free_ports=ports,
        programs=programs,
        folder=supervisor.folder,
        logs=new.recordings / LOGS,
    )
    supervisor.ask("remember", plan=asdict(plan))
    stack = EmbeddedStack(
        plan=plan, supervisor=supervisor, target=target, recordings=new.recordings, narrator=narrator
    )
    _Start(stack, target).side_by_side()
    return stack


@dataclass(frozen=True)
class _Fetching:
    """Tells a narrator what is being fetched or made."""

    narrator: Narrator

    def step(self, name: str, done: int, total: int) -> None:
        """A line when a thing is begun and when it is there."""
        if done == 0:
            self.narrator.step(f"preparing {name}, once for this machine")
        elif done >= total:
            self.narrator.step(f"prepared {name}")

    def wait(self, name: str, whom: str) -> None:
        """A line that says why nothing happens."""
        self.narrator.step(f"waiting for {name}, which {whom} is preparing")


@dataclass(frozen=True)
class _Start:
    """One start of a whole stack.

    Servers first: a start is bound by the processor, and a service that is started beside them holds up what it will
    then wait for. Services are begun once servers answer and are being filled, and one of Kafka's brokers is enough:
    the others have little left to do but to wait for one another.

    Attributes:
        answers: For each process a future that is done once it answers.
        ready: For each process a future that is done once others may rely on it: on what it contains, too.
    """

    stack: EmbeddedStack
    target: Target
    answers: dict[str, "Future[None]"] = field(default_factory=dict)
    ready: dict[str, "Future[None]"] = field(default_factory=dict)

    def side_by_side(self) -> None:
        """Start every process as soon as what it waits for is ready.

        Raises:
            StackError: One did not come up. Nothing is left half-started for long: the caller ends the stack.
        """
        plan = self.stack.plan
        names = [spec.name for spec in plan.specs if spec.name not in plan.spares]
        self.answers.update({name: Future() for name in names})
        self.ready.update({name: Future() for name in names})
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            begun = [pool.submit(self._one, name) for name in names]
            try:
                done, _ = wait(begun, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._give_up(begun)
                raise
            if failed := [future for future in done if future.exception() is not None]:
                self._give_up(begun)
                failed[0].result()

    def _one(self, name: str) -> None:
        if name in self._own:
            self._await_servers()
        for other in self.stack.plan.waits_for.get(name, ()):
            self.ready[other].result()
        service = self.stack.services[name]
        try:
            service.start()
            self.answers[name].set_result(None)
            self._fill(name)
        except BaseException as error:
            for future in (self.answers[name], self.ready[name]):
                if not future.done():
                    future.set_exception(error)
            raise
        self.stack.narrator.step(f"{name} answers on port {service.spec.port}")
        self.ready[name].set_result(None)
        if name == POSTGRES:  # while others start: nobody but us touches the copies that are looked at
            self.stack.as_made.update(databases_as_made(self.stack, self.target))

    @property
    def _own(self) -> set[str]:
        return {service.name for service in self.target.services}

    def _await_servers(self) -> None:
        brokers = set(self.stack.brokers)
        for server in self.answers.keys() - self._own - brokers - {BALANCER}:
            self.answers[server].result()
        for first in as_completed([self.answers[broker] for broker in brokers]):
            first.result()
            break

    def _fill(self, name: str) -> None:
        """What a server must contain before whoever waits for it may go on."""
        brokers = self.stack.brokers
        if name == POSTGRES:
            contents.make_databases(self.target, self.stack.services[POSTGRES].address)
        elif brokers and name == brokers[-1]:
            for other in brokers[:-1]:
                self.answers[other].result()
            self.stack.kafka_contents().make(self.target.topics)
            self.stack.as_made.update(topics_as_made(self.stack))

    def _give_up(self, begun: "Sequence[Future[None]]") -> None:
        """Somebody stopped us, or one failed: begin nothing more, and end what would still be waited for.

        Again and again, because what is still being copied cannot be ended, and is a process a moment later.
        """
        for future in (*self.answers.values(), *self.ready.values()):
            future.cancel()
        while True:
            for name in self.ready:
                # PostgreSQL leaves shared memory behind when it is killed.
                number = signal.SIGQUIT if name == POSTGRES else signal.SIGKILL
                with suppress(StackError):  # not started yet, or ended already
                    self.stack.supervisor.signal(name, number)
            if not wait(begun, timeout=_LOOK_EVERY_S).not_done:
                return
