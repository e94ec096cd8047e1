"""A running embedded stack: thin handles to processes that a supervisor owns, and to the proxies between them.

Handles hold names, ports and a socket's path, so that they can be made in any process: the drill's own, the one that
attaches to a stack of `drill up`, and the supervisor that heals after both of them have died.
"""

import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import StackError
from harness.load.arrivals import Shape
from harness.load.generator import LoadGenerator
from harness.load.operations import Operation, to_record
from harness.load.plan import LoadPlan, in_flight_bound
from harness.narration import Narrator, Silence
from harness.recording.records import Stream
from harness.recording.rundir import stream_path
from harness.stack import LOOPBACK, Address, State
from harness.stack.drillable import Configured, Loss
from harness.stack.embedded import assembly
from harness.stack.embedded.assembly import LOAD, TOXIPROXY
from harness.stack.embedded.kafka_contents import KafkaContents
from harness.stack.embedded.plan import Plan, is_data_broker
from harness.stack.embedded.reset import make_as_new
from harness.stack.embedded.services import EmbeddedService
from harness.stack.proxied_link import ProxiedLink
from harness.stack.target import BALANCER, KAFKA, POSTGRES, REDIS, Target
from harness.stack.toxiproxy import ProxyInfo, ToxiproxyClient
from harness.supervisor import state
from harness.supervisor.client import SupervisorClient
from harness.supervisor.ports import busy

_LOAD_ENDS_WITHIN_S = 5.0


@dataclass
class EmbeddedStack:
    """A running embedded stack. See `harness.stack.Stack`.

    Attributes:
        plan: What it consists of.
        supervisor: Who owns its processes.
        target: What it was made from; None in a process that only attached to it.
        recordings: The folder that this session's run directories go to.
        as_made: What it contained when it had just been started, which `fresh` goes back to.
    """

    plan: Plan
    supervisor: SupervisorClient
    target: Target | None = None
    recordings: Path = field(default_factory=Path)
    narrator: Narrator = field(default_factory=Silence)
    as_made: dict[str, str] = field(default_factory=dict)
    _used: bool = False
    _as_planned: Plan = field(init=False)

    def __post_init__(self) -> None:
        """Keep the plan as it was made: what one drill configures is gone in the next."""
        self._as_planned = self.plan

    @property
    def run_id(self) -> str:
        """What everything of this stack is labelled with."""
        return self.plan.run_id

    @property
    def target_name(self) -> str:
        """What it stands for."""
        return self.plan.target

    @property
    def data_folder(self) -> Path:
        """Where all its processes work."""
        return self.supervisor.folder.data

    @property
    def versions(self) -> Mapping[str, str]:
        """Of its servers."""
        return self.plan.versions

    @property
    def services(self) -> Mapping[str, EmbeddedService]:
        """Every process by its name."""
        furnish = {TOXIPROXY: self._open_links}
        return {
            spec.name: EmbeddedService(
                spec,
                Path(self.plan.logs),
                self.supervisor,
                furnish.get(spec.name),
                spare=spec.name in self.plan.spares,
            )
            for spec in self.plan.specs
        }

    @cached_property
    def toxiproxy(self) -> ToxiproxyClient:
        """The API of this stack's Toxiproxy."""
        return ToxiproxyClient(Address(LOOPBACK, self.plan.toxiproxy))

    @cached_property
    def links(self) -> Mapping[str, ProxiedLink]:
        """Every link by its name."""
        found = {}
        for edge in self.plan.edges:
            entrance, way_out = Address(LOOPBACK, edge.entrance), Address(LOOPBACK, edge.exit)
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
        return Address(LOOPBACK, self.plan.entry)

    @property
    def brokers(self) -> list[str]:
        """The names of Kafka's data brokers, in their order."""
        return [spec.name for spec in self.plan.specs if is_data_broker(spec.name)]

    @property
    def bootstrap(self) -> str:
        """Kafka's direct listeners, for probes."""
        return ",".join(str(self.services[name].address) for name in self.brokers)

    def _open_links(self) -> None:
        """Make every link's proxy that Toxiproxy does not have: it keeps them in memory.

        Raises:
            StackError: A stranger has taken the port of one meanwhile, or Toxiproxy does not make it as wanted.
        """
        there = self.toxiproxy.proxies()
        for link in self.links.values():
            if link.name not in there and busy([link.entrance.port]):
                raise StackError(
                    f"the link {link.name} cannot be opened: its port {link.entrance} is busy with a process that is "
                    "not ours, and its client would speak to that. End that process, or start again for other ports."
                )
        self.toxiproxy.populate([link.proxy for link in self.links.values()])

    def kafka_contents(self) -> KafkaContents:
        """Its topics and groups, through the direct listeners."""
        return KafkaContents([self.services[name].address for name in self.brokers])

    def promise_undo(self, fault: Mapping[str, object], *, limit_s: float) -> str:
        """Put on disk how to undo a fault; the supervisor undoes it after `limit_s` or when we die."""
        return str(self.supervisor.ask("promise", fault=dict(fault), limit_s=limit_s))

    def undone(self, token: str) -> bool:
        """Say that the fault is healed; whether it was still promised."""
        return bool(self.supervisor.ask("undone", token=token))

    def gone(self) -> str:
        """Why there is no supervisor any more, and so no stack; "" while there is one."""
        try:
            self.supervisor.state(TOXIPROXY)
        except StackError as error:
            return str(error)
        return ""

    def configuration(self) -> dict[str, Any]:
        """What each service was told, for the recording."""
        return {
            spec.name: dict(sorted(spec.environment.items()))
            for spec in self.plan.specs
            if not (spec.name.startswith(KAFKA) or spec.name in {POSTGRES, REDIS, BALANCER, TOXIPROXY})
        }

    def fresh(self, configured: Configured) -> None:
        """Make the stack as it was when it had just been started, and prove it; on the first use it is.

        Raises:
            ConfigError: There is no such service to configure.
            StackError: Something of an earlier scenario is still there.
        """
        plan = self._as_planned.configured(configured)
        if self._used or plan != self.plan:
            self.narrator.step("making the stack as new")
            # Whoever heals after we have died starts services again as they are now.
            self.supervisor.ask("remember", plan=asdict(plan))
            self.plan = plan
            make_as_new(self, self.as_made)
        self._used = True

    def losses(self) -> list[Loss]:
        """What has ended since `fresh` though nobody told it to."""
        own = self.configuration().keys()
        return [
            Loss(service=name, exit_code=code, of_target=name in own)
            for name, code in self.supervisor.losses().items()
            if name in self.services
        ]

    def start_load(
        self, *, operation: Operation, shape: Shape, timeout_s: float, seed: int, run_dir: Path
    ) -> LoadGenerator:
        """Start the load generator, armed and silent, under the supervisor like every other process."""
        self.end_load()  # one that is left would be taken for this one
        [port] = self.supervisor.reserve_ports(1)
        plan = LoadPlan(
            operation=to_record(operation),
            shape=shape,
            base_url=self.entry.url,
            seed=seed,
            timeout_s=timeout_s,
            record=str(stream_path(run_dir.resolve(), Stream.OPERATIONS)),
            control_port=port,
            in_flight_max=in_flight_bound(shape, timeout_s=timeout_s),
            python_path=tuple(filter(None, sys.path)),
        )
        spec = assembly.load_spec(plan, work=self.supervisor.folder.work(LOAD))
        try:
            EmbeddedService(spec, Path(self.plan.logs), self.supervisor).start()
        except BaseException:
            with suppress(StackError):  # why it did not get ready says more; the next start tries again
                self.end_load()
            raise
        return LoadGenerator(Address(LOOPBACK, port))

    def end_load(self) -> None:
        """End the load generator, however it is. Does nothing where none was started.

        Raises:
            StackError: It is still there.
        """
        try:
            self.supervisor.signal(LOAD, signal.SIGKILL)
        except StackError:  # none was ever started, or there is nobody left who owns one
            return
        if not self.supervisor.await_state(LOAD, State.EXITED, within_s=_LOAD_ENDS_WITHIN_S):
            raise StackError(
                f"the load generator got SIGKILL and is still there after {_LOAD_ENDS_WITHIN_S:g} s, so another one "
                "would not be the only one. Is the machine standing still?"
            )


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
