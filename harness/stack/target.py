"""A system under test described as data: its services, the servers it needs, and who talks to whom.

The description says nothing about where things run. A runtime turns it into processes or containers,
gives each edge a proxy of its own and tells every service, through `Wiring`, only the addresses of its
own proxies: a service that knew a server's real address could walk around a fault.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import ConfigError
from harness.stack import WireProtocol

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

KAFKA = "kafka"
POSTGRES = "postgres"
REDIS = "redis"
BALANCER = "balancer"


class Wiring(Protocol):
    """The addresses one service is told when it starts."""

    @property
    def host(self) -> str:
        """The address to listen on."""
        ...

    @property
    def port(self) -> int:
        """The port to listen on."""
        ...

    @property
    def data_folder(self) -> str:
        """An empty folder of its own that survives restarts."""
        ...

    def to(self, server: str) -> str:
        """`host:port` of this service's own proxy to `server`; for "kafka" the bootstrap list."""
        ...


@dataclass(frozen=True, kw_only=True)
class AppService:
    """One service of the target.

    Attributes:
        name: Unique in the target.
        argv: How it starts, from `python` (the interpreter of the stack) on. No shell.
        environment: From its wiring to its environment variables, all of them: nothing is inherited
            but PATH and the locale.
        uses: Names of the services and servers it connects to; each becomes a link.
        ready_path: An HTTP path that answers 200 once it can serve.
        waits_for: Names of services and servers that must be ready before it is started.
        spare: Not started with the stack. A drill may start it (`faults.scaling`), and it is gone in the next one.
        start_timeout_s: How long it may take to become ready.
        stop_timeout_s: How long it may take to end after SIGTERM.
    """

    name: str
    argv: tuple[str, ...]
    environment: Callable[[Wiring], Mapping[str, str]]
    uses: tuple[str, ...] = ()
    ready_path: str = "/actuator/health/readiness"
    waits_for: tuple[str, ...] = ()
    spare: bool = False
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 15.0


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A Kafka topic that exists before the first service starts. Nothing else is created on the way."""

    name: str
    partitions: int
    min_insync_replicas: int = 2


@dataclass(frozen=True, kw_only=True)
class Database:
    """A PostgreSQL database and the SQL scripts, in order, that make its tables."""

    name: str
    migrations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """A whole system under test.

    Attributes:
        name: Shown in reports.
        services: Its own services.
        topics: Kafka topics; none means that no Kafka is started.
        databases: PostgreSQL databases; none means no PostgreSQL.
        redis: Whether a Redis-protocol server is started.
        balanced: Services behind the load balancer, which is what load goes to; none means no balancer.
        balancer_health_path: What the balancer asks its upstreams.
        python_path: Folders that its services import from.
        shortest_timer_s: The shortest time-out or interval it is configured with; a machine that is late by a tenth
            of it is refused.
    """

    name: str
    services: tuple[AppService, ...]
    topics: tuple[Topic, ...] = ()
    databases: tuple[Database, ...] = ()
    redis: bool = False
    balanced: tuple[str, ...] = ()
    balancer_health_path: str = "/actuator/health/readiness"
    python_path: tuple[str, ...] = field(default_factory=tuple)
    shortest_timer_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a description that no runtime could stand up."""
        names = [service.name for service in self.services]
        servers = {KAFKA, POSTGRES, REDIS, BALANCER}
        for name in names:
            if not _NAME.fullmatch(name):
                raise ConfigError(
                    f"target {self.name!r}: a service's name must be letters, digits, - and _, got {name!r}: it is "
                    "what its folder and its links are called."
                )
            if names.count(name) > 1 or name in servers or name.startswith("kafka-"):
                raise ConfigError(
                    f"target {self.name!r}: the service name {name!r} is taken. Names tell services apart "
                    f"in reports and in the undo record; {', '.join(sorted(servers))} and kafka-N are the servers'."
                )
        known = set(names) | servers
        for service in self.services:
            for other in (*service.uses, *service.waits_for):
                if other not in known:
                    raise ConfigError(
                        f"target {self.name!r}: {service.name!r} refers to {other!r}, which is neither one of its "
                        f"services ({', '.join(names)}) nor a server ({', '.join(sorted(servers))})."
                    )
        for service in self.services:
            if waited := sorted(set(service.waits_for) & set(self.spares)):
                raise ConfigError(
                    f"target {self.name!r}: {service.name!r} waits for {waited[0]!r}, which is a spare and not started "
                    "with the stack: it would wait for ever."
                )

    @property
    def spares(self) -> tuple[str, ...]:
        """The names of its services that are not started with the stack."""
        return tuple(service.name for service in self.services if service.spare)

    def protocol_to(self, server: str) -> WireProtocol:
        """What is spoken on a link to `server`."""
        if server.startswith(KAFKA):
            return WireProtocol.KAFKA
        return {POSTGRES: WireProtocol.POSTGRES, REDIS: WireProtocol.REDIS}.get(server, WireProtocol.HTTP)
