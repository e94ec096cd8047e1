"""From a target to the processes and proxies that stand for it, as pure data.

Nothing is started here. A plan is worked out from a target, some free ports and some folders; it is written to
disk by the supervisor before the first process starts, and whoever attaches to the stack later reads it back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.errors import ConfigError
from harness.stack import LOOPBACK, Address, WireProtocol
from harness.stack.drillable import Configured
from harness.stack.embedded.kafka import CONTROLLER_NAME, broker_name
from harness.stack.process import ProcessSpec
from harness.stack.target import BALANCER, KAFKA, POSTGRES, REDIS, Target


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One link: the client connects to `entrance`, its own proxy, which connects to `exit`."""

    client: str
    server: str
    protocol: WireProtocol
    entrance: int
    exit: int

    @property
    def name(self) -> str:
        """`client->server`."""
        return f"{self.client}->{self.server}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything an embedded stack consists of.

    Attributes:
        run_id: The stack's label.
        target: The target's name.
        toxiproxy: The port of Toxiproxy's own API.
        entry: The port that load goes to.
        logs: Folder of the services' output.
        specs: Every process.
        edges: Every link.
        waits_for: For each process the ones that must be ready before it is started.
        spares: Names of those that are not started with the stack.
        versions: Of every server, for `run.json`.
    """

    run_id: str
    target: str
    toxiproxy: int
    entry: int
    logs: str
    specs: tuple[ProcessSpec, ...]
    edges: tuple[Edge, ...]
    waits_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spares: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def configured(self, told: Configured) -> "Plan":
        """The same, with services that are told something else.

        Raises:
            ConfigError: There is no such service.
        """
        if unknown := sorted(set(told) - {spec.name for spec in self.specs}):
            raise ConfigError(
                f"there is no service {unknown[0]!r} to configure: there are "
                f"{', '.join(spec.name for spec in self.specs)}. The drill would be held on another target than it "
                "was written for."
            )
        return replace(
            self,
            specs=tuple(
                replace(spec, environment={**spec.environment, **told.get(spec.name, {})})
                for spec in self.specs
            ),
        )


def kafka_nodes(brokers: int) -> list[str]:
    """The names of the data brokers, from kafka-1 on."""
    return [broker_name(number) for number in range(1, brokers + 1)]


def is_data_broker(name: str) -> bool:
    """Whether a process of that name is one of `kafka_nodes`; the controller is none."""
    return name.startswith(f"{KAFKA}-") and name.removeprefix(f"{KAFKA}-").isdigit()


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Which port is whose.

    Attributes:
        servers: Where each process listens; for a broker, its direct listener.
        roles: (client, server) to the port on which that broker, or the controller, listens for that client only.
        replication: Broker to the port of the listener that it keeps for itself.
        entrances: (client, server) to the port of that link's proxy.
        toxiproxy: Toxiproxy's own API.
    """

    servers: Mapping[str, int]
    roles: Mapping[tuple[str, str], int]
    replication: Mapping[str, int]
    entrances: Mapping[tuple[str, str], int]
    toxiproxy: int

    def everything_of(self, server: str) -> tuple[int, ...]:
        """Every port that one process opens."""
        roles = [port for (_, broker), port in self.roles.items() if broker == server]
        extra = [self.replication[server]] if server in self.replication else []
        return (self.servers[server], *roles, *extra)


def pairs(target: Target, brokers: int) -> list[tuple[str, str]]:
    """Every (client, server) of the target, with each Kafka broker a server of its own."""
    found = []
    for service in target.services:
        for server in service.uses:
            found += [
                (service.name, name) for name in (kafka_nodes(brokers) if server == KAFKA else [server])
            ]
    return found + [(BALANCER, name) for name in target.balanced] + _within_kafka(target, brokers)


def _within_kafka(target: Target, brokers: int) -> list[tuple[str, str]]:
    """Every broker is a client of the others and of the controller."""
    nodes = kafka_nodes(brokers) if target.topics else []
    return [(node, other) for node in nodes for other in (*nodes, CONTROLLER_NAME) if other != node]


def _with_own_listener(target: Target, brokers: int) -> list[tuple[str, str]]:
    """Those whose server tells its clients where to connect, and so must listen for each of them apart."""
    servers = {*kafka_nodes(brokers), CONTROLLER_NAME} if target.topics else set()
    return [(client, server) for client, server in pairs(target, brokers) if server in servers]


def servers_of(target: Target, brokers: int) -> list[str]:
    """The names of all processes but Toxiproxy: what the target needs, then its own services."""
    names = []
    if target.databases:
        names.append(POSTGRES)
    if target.redis:
        names.append(REDIS)
    if target.topics:
        names += [CONTROLLER_NAME, *kafka_nodes(brokers)]
    names += [service.name for service in target.services]
    if target.balanced:
        names.append(BALANCER)
    return names


def ports_needed(target: Target, brokers: int) -> int:
    """How many ports `assign` takes."""
    broker_count = brokers if target.topics else 0
    return (
        1
        + len(servers_of(target, brokers))
        + broker_count
        + len(_with_own_listener(target, brokers))
        + len(pairs(target, brokers))
    )


def assign(target: Target, brokers: int, free: Iterable[int]) -> Ports:
    """Give every listener a port."""
    supply = iter(free)
    nodes = kafka_nodes(brokers) if target.topics else []
    return Ports(
        toxiproxy=next(supply),
        servers={name: next(supply) for name in servers_of(target, brokers)},
        roles={pair: next(supply) for pair in _with_own_listener(target, brokers)},
        replication={node: next(supply) for node in nodes},
        entrances={pair: next(supply) for pair in pairs(target, brokers)},
    )


def edges(target: Target, brokers: int, ports: Ports) -> tuple[Edge, ...]:
    """Every link, from its proxy to the server (for Kafka to the listener that is for that client only)."""
    return tuple(
        Edge(
            client=client,
            server=server,
            protocol=target.protocol_to(server),
            entrance=ports.entrances[client, server],
            exit=ports.roles.get((client, server), ports.servers.get(server, 0)),
        )
        for client, server in pairs(target, brokers)
    )


@dataclass(frozen=True, kw_only=True)
class EmbeddedWiring:
    """What one service is told: its own port and its own proxies. Implements `target.Wiring`."""

    host: str
    port: int
    data_folder: str
    entrances: Mapping[str, tuple[int, ...]]

    def to(self, server: str) -> str:
        """`host:port` of its own proxy to `server`; for Kafka one per broker, with commas."""
        return ",".join(str(Address(LOOPBACK, port)) for port in self.entrances[server])


def wiring(service: str, ports: Ports, data_folder: str) -> EmbeddedWiring:
    """The wiring of one service."""
    entrances: dict[str, tuple[int, ...]] = {}
    for (client, server), port in ports.entrances.items():
        if client == service:
            name = KAFKA if server.startswith(f"{KAFKA}-") else server
            entrances[name] = (*entrances.get(name, ()), port)
    return EmbeddedWiring(
        host=LOOPBACK, port=ports.servers[service], data_folder=data_folder, entrances=entrances
    )
