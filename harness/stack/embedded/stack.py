"""Starting an embedded stack, holding it while drills run, and making it as new between two of them."""

import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import StackError
from harness.load.arrivals import Shape
from harness.load.generator import LoadGenerator
from harness.load.operations import Operation, to_record
from harness.load.plan import LoadPlan
from harness.machine import refuse_timers_below, wake_up_delay_s
from harness.narration import Narrator, Silence
from harness.recording.records import Stream
from harness.recording.rundir import stream_path
from harness.settings import Settings
from harness.stack import Address, State
from harness.stack.embedded import assembly, contents
from harness.stack.embedded.artifacts import Cache, cache_root
from harness.stack.embedded.assembly import LOAD, TOXIPROXY
from harness.stack.embedded.plan import Plan, ports_needed
from harness.stack.embedded.programs import gather
from harness.stack.embedded.services import EmbeddedService
from harness.stack.target import BALANCER, KAFKA, POSTGRES, REDIS, Target
from harness.stack.toxiproxy import ProxiedLink, ProxyInfo, ToxiproxyClient
from harness.supervisor import state
from harness.supervisor.client import Lifeline, SupervisorClient, launch
from harness.supervisor.sweep import sweep

LOGS = "logs"


@dataclass
class EmbeddedStack:
    """A running embedded stack. See `harness.stack.Stack`.

    Attributes:
        plan: What it consists of.
        supervisor: Who owns its processes.
        target: What it was made from; None in a process that only attached to it.
        recordings: The folder that this session's run directories go to.
    """

    plan: Plan
    supervisor: SupervisorClient
    target: Target | None = None
    recordings: Path = field(default_factory=Path)
    narrator: Narrator = field(default_factory=Silence)
    _used: bool = False
    _as_made: dict[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """What everything of this stack is labelled with."""
        return self.plan.run_id

    @cached_property
    def services(self) -> Mapping[str, EmbeddedService]:
        """Every process by its name."""
        return {
            spec.name: EmbeddedService(spec, Path(self.plan.logs), self.supervisor)
            for spec in self.plan.specs
        }

    @cached_property
    def toxiproxy(self) -> ToxiproxyClient:
        """The API of this stack's Toxiproxy."""
        return ToxiproxyClient(Address("127.0.0.1", self.plan.toxiproxy))

    @cached_property
    def links(self) -> Mapping[str, ProxiedLink]:
        """Every link by its name."""
        found = {}
        for edge in self.plan.edges:
            entrance, way_out = Address("127.0.0.1", edge.entrance), Address("127.0.0.1", edge.exit)
            found[edge.name] = ProxiedLink(
                name=edge.name,
                client=edge.client,
                server=edge.server,
                protocol=edge.protocol,
                entrance=entrance,
                exit=way_out,
                proxy=ProxyInfo(name=edge.name, listen=entrance, upstream=way_out, enabled=True),
                api=self.toxiproxy,
            )
        return found

    @property
    def entry(self) -> Address:
        """Where clients send their requests."""
        return Address("127.0.0.1", self.plan.entry)

    @property
    def bootstrap(self) -> str:
        """Kafka's direct listeners, for probes."""
        return ",".join(str(service.address) for name, service in self.services.items() if _is_broker(name))

    def promise_undo(self, fault: Mapping[str, object], *, limit_s: float) -> str:
        """Put on disk how to undo a fault; the supervisor undoes it after `limit_s` or when we die."""
        return str(self.supervisor.ask("promise", fault=dict(fault), limit_s=limit_s))

    def undone(self, token: str) -> None:
        """Say that the fault is healed."""
        self.supervisor.ask("undone", token=token)

    def is_lost(self) -> bool:
        """Whether there is no supervisor any more, and so no stack."""
        try:
            self.supervisor.state(TOXIPROXY)
        except StackError:
            return True
        return False

    def configuration(self) -> dict[str, Any]:
        """What each service was told, for the recording."""
        return {
            spec.name: dict(sorted(spec.environment.items()))
            for spec in self.plan.specs
            if _is_ours(spec.name)
        }

    def start(self) -> None:
        """Start every process side by side, each as soon as what it waits for answers.

        Raises:
            StackError: One did not come up; with its last log lines. Nothing is left half-started for long:
                the caller ends the stack.
        """
        ready: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(max_workers=len(self.plan.specs)) as pool:
            for spec in self.plan.specs:
                ready[spec.name] = Future()
            started = [pool.submit(self._start_one, name, ready) for name in ready]
            try:
                done, _ = wait(started, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._give_up(ready)
                raise
            for future in done:
                if future.exception() is not None:
                    for other in ready.values():
                        other.cancel()
                    future.result()
        self._as_made = self._fingerprint()

    def _give_up(self, ready: Mapping[str, "Future[None]"]) -> None:
        """Somebody stopped us: begin nothing more, and end what would still be waited for."""
        for name, future in ready.items():
            future.cancel()
            # PostgreSQL leaves shared memory behind when it is killed.
            number = signal.SIGQUIT if name == POSTGRES else signal.SIGKILL
            with suppress(StackError):  # not started yet
                self.supervisor.signal(name, number)

    def _start_one(self, name: str, ready: Mapping[str, "Future[None]"]) -> None:
        for other in self.plan.waits_for.get(name, ()):
            ready[other].result()
        service = self.services[name]
        try:
            service.start()
            self._fill(name, ready)
        except BaseException as error:
            ready[name].set_exception(error)
            raise
        self.narrator.step(f"{name} answers on port {service.spec.port}")
        ready[name].set_result(None)

    def _fill(self, name: str, ready: Mapping[str, "Future[None]"]) -> None:
        """What a server must contain before whoever waits for it may go on."""
        target = self.target
        if target is None:
            return
        if name == TOXIPROXY:
            self.toxiproxy.populate([link.proxy for link in self.links.values()])
        elif name == POSTGRES:
            contents.make_databases(target, self.services[POSTGRES].address)
        elif name == self._last_broker():
            for other in self.services:
                if _is_broker(other) and other != name:
                    ready[other].result()
            self._kafka().make(target.topics)

    def _last_broker(self) -> str:
        return max((name for name in self.services if _is_broker(name)), default="")

    def _kafka(self) -> contents.KafkaContents:
        return contents.KafkaContents(
            self.bootstrap, replicas=sum(_is_broker(name) for name in self.services)
        )

    def fresh(self) -> None:
        """Make the stack as it was when it had just been started, and prove it; nothing on the first use.

        Raises:
            StackError: Something of an earlier scenario is still there.
        """
        if not self._used:
            self._used = True
            return
        if self.target is None:
            raise StackError("this process only attached to the stack and cannot reset it")
        self.narrator.step("making the stack as new")
        own = [service.name for service in self.target.services]
        self._toxics_gone()
        with ThreadPoolExecutor(max_workers=len(self.services)) as pool:
            list(pool.map(self._bring_back, [name for name in self.services if name not in own]))
            list(pool.map(self._end, own))
            jobs = [pool.submit(self._empty_kafka), pool.submit(self._empty_stores)]
            for job in jobs:
                job.result()
            for name in own:
                shutil.rmtree(self.supervisor.folder.work(name), ignore_errors=True)
            self._prove_as_made()
            list(pool.map(lambda name: self.services[name].start(), own))

    def _toxics_gone(self) -> None:
        self.toxiproxy.reset()
        for name, proxy in self.toxiproxy.proxies().items():
            if proxy.toxics or not proxy.enabled:
                raise StackError(f"the proxy {name} could not be reset: {proxy}")

    def _bring_back(self, name: str) -> None:
        """A server that an earlier scenario left paused or dead."""
        self.services[name].resume()
        self.services[name].start()

    def _end(self, name: str) -> None:
        """Stop a service of the target; by force if it does not want to, since nothing of it is kept."""
        service = self.services[name]
        service.resume()
        try:
            service.stop()
        except StackError:
            service.kill()

    def _empty_kafka(self) -> None:
        if self.target and self.target.topics:
            self._kafka().empty()
            self._kafka().make(self.target.topics)

    def _empty_stores(self) -> None:
        if self.target and self.target.databases:
            contents.remake_databases(self.target, self.services[POSTGRES].address)
        if self.target and self.target.redis:
            contents.flush_redis(self.services[REDIS].address)

    def _fingerprint(self) -> dict[str, str]:
        """What the stack contains, apart from what its own services write as soon as they run."""
        target = self.target
        found: dict[str, str] = {}
        if target is None:
            return found
        if target.databases:
            postgres = self.services[POSTGRES].address
            found |= contents.table_digests(target, postgres, suffix=contents.TEMPLATE_SUFFIX)
        if target.topics:
            found |= {f"topic {name}": "there" for name in self._kafka().topics()}
        return found

    def _prove_as_made(self) -> None:
        """Compare what is there with what was made, before any service runs again."""
        target = self.target
        if target is None:
            return
        found: dict[str, str] = {}
        if target.databases:
            found |= contents.table_digests(target, self.services[POSTGRES].address)
        if target.topics:
            kafka = self._kafka()
            found |= {f"topic {name}": "there" for name in kafka.topics()}
            found |= {f"group {name}": "there" for name in kafka.groups()}
        if target.redis and (keys := contents.redis_keys(self.services[REDIS].address)):
            found["redis"] = f"{keys} keys"
        if left := contents.difference(self._as_made, found):
            raise StackError(
                f"the stack could not be made as new; this is not as it was: {left}. The next scenario would be judged "
                "on what another one left behind. Please report this with the recording."
            )

    def start_load(
        self, *, operation: Operation, shape: Shape, timeout_s: float, seed: int, run_dir: Path
    ) -> LoadGenerator:
        """Start the load generator, armed and silent, under the supervisor like every other process."""
        [port] = self.supervisor.reserve_ports(1)
        plan = LoadPlan(
            operation=to_record(operation),
            shape=shape,
            base_url=self.entry.url,
            seed=seed,
            timeout_s=timeout_s,
            record=str(stream_path(run_dir.resolve(), Stream.OPERATIONS)),
            control_port=port,
            python_path=tuple(filter(None, sys.path)),
        )
        spec = assembly.load_spec(plan, work=self.supervisor.folder.work(LOAD))
        EmbeddedService(spec, Path(self.plan.logs), self.supervisor).start()
        return LoadGenerator(Address("127.0.0.1", port))

    def end_load(self) -> None:
        """End the load generator, however it is."""
        self.supervisor.signal(LOAD, signal.SIGKILL)
        self.supervisor.await_state(LOAD, State.EXITED, within_s=5)


@dataclass(frozen=True)
class _Fetching:
    """Tells a narrator what is being fetched."""

    narrator: Narrator

    def step(self, name: str, done: int, total: int) -> None:
        """A line when a thing is begun and when it is there."""
        if done == 0:
            self.narrator.step(f"fetching {name}, once for this machine")
        elif done >= total:
            self.narrator.step(f"{name} is there")


def _is_broker(name: str) -> bool:
    return name.startswith(f"{KAFKA}-") and name.removeprefix(f"{KAFKA}-").isdigit()


def _is_ours(name: str) -> bool:
    return not (name.startswith(KAFKA) or name in {POSTGRES, REDIS, BALANCER, TOXIPROXY, LOAD})


@contextmanager
def started(target: Target, *, settings: Settings, narrator: Narrator) -> Iterator[EmbeddedStack]:
    """A stack for as long as the block lasts; it ends with this process too, however that dies.

    Raises:
        StackError: It could not be started.
    """
    refuse_timers_below(target.shortest_timer_s, wake_up_delay_s())
    base = state.base_folder()
    for found in sweep(base):
        narrator.step(f"found and cleared: {found}")
    run_id = state.new_run_id()
    recordings = (settings.runs / run_id).resolve()
    supervisor, lifeline = launch(run_id=run_id, base=base, logs=recordings / LOGS)
    try:
        yield assembled(target, supervisor, settings=settings, narrator=narrator, recordings=recordings)
    finally:
        _end(supervisor, lifeline)


def _end(supervisor: SupervisorClient, lifeline: Lifeline | None) -> None:
    supervisor.close()
    if lifeline:
        lifeline.cut()


def assembled(
    target: Target, supervisor: SupervisorClient, *, settings: Settings, narrator: Narrator, recordings: Path
) -> EmbeddedStack:
    """Plan, remember and start a stack under a supervisor that is there."""
    programs = gather(Cache(cache_root()), progress=_Fetching(narrator))
    ports = supervisor.reserve_ports(ports_needed(target, settings.brokers))
    plan = assembly.plan(
        target,
        brokers=settings.brokers,
        free_ports=ports,
        programs=programs,
        folder=supervisor.folder,
        logs=recordings / LOGS,
    )
    supervisor.ask("remember", plan=asdict(plan))
    stack = EmbeddedStack(
        plan=plan, supervisor=supervisor, target=target, recordings=recordings, narrator=narrator
    )
    stack.start()
    return stack


def attach(folder: state.StateFolder) -> EmbeddedStack:
    """A handle to a stack that somebody else started, from what its supervisor remembers.

    Raises:
        StackError: There is no such stack, or it is not up yet.
    """
    try:
        plan = msgspec.json.decode(folder.plan.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        raise StackError(f"no stack {folder.run_id} can be attached to: {error}") from error
    return EmbeddedStack(plan=plan, supervisor=SupervisorClient(folder))
