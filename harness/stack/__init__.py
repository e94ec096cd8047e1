"""A running system as faults, probes and load see it, whatever it runs on.

A *stack* is made of *services* (anything that can be started, killed, paused: the target's own services,
the servers they need, the load balancer) and *links* (one client-to-server edge each, behind its own
Toxiproxy proxy). Nothing here says whether a service is a process or a container; a runtime does.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

LOOPBACK = "127.0.0.1"  # where everything of ours listens, and nowhere else


@dataclass(frozen=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as the base of an HTTP URL, without a slash at the end."""
        return f"http://{self.host}:{self.port}"


class State(StrEnum):
    """What a service is doing, as the machine says and not as we last asked it to."""

    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


class WireProtocol(StrEnum):
    """What is spoken on a link: it decides how a round trip on it is measured."""

    HTTP = "http"
    KAFKA = "kafka"
    POSTGRES = "postgres"
    REDIS = "redis"


class Direction(StrEnum):
    """Which way a toxic acts. The words are Toxiproxy's."""

    DOWNSTREAM = "downstream"  # from the server to the client: answers
    UPSTREAM = "upstream"  # from the client to the server: requests


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """One Toxiproxy toxic. Attributes are Toxiproxy's own, with its own units (ms, KB/s, bytes)."""

    name: str
    kind: str  # latency, bandwidth, slow_close, timeout, reset_peer, slicer, limit_data
    direction: Direction = Direction.DOWNSTREAM
    toxicity: float = 1.0
    attributes: Mapping[str, int] = field(default_factory=dict)


class Service(Protocol):
    """One process or container of the stack. Every verb returns when its effect has been seen."""

    @property
    def name(self) -> str:
        """Unique in the stack: "orders", "gateway-1", "kafka-2", "postgres"."""
        ...

    @property
    def address(self) -> Address:
        """Where it listens itself, past every proxy. For probes; clients go through their links."""
        ...

    @property
    def log_path(self) -> Path:
        """Its standard output and error, appended to over restarts."""
        ...

    def state(self) -> State:
        """Running, paused or exited."""
        ...

    def start(self) -> None:
        """Start it (again) with the same data and ports, and return once it answers.

        Raises:
            StackError: It exited or did not answer in time; the message ends with its last log lines.
        """
        ...

    def stop(self) -> None:
        """Ask it to stop, by SIGTERM or the signal that it takes for that, and wait until it has.

        Raises:
            StackError: It is still there after its stop time-out.
        """
        ...

    def kill(self) -> None:
        """SIGKILL it with all its children and wait until none is left."""
        ...

    def pause(self) -> None:
        """SIGSTOP all its processes and wait until they are seen stopped."""
        ...

    def resume(self) -> None:
        """SIGCONT. Does nothing for a service that is not paused."""
        ...


class Link(Protocol):
    """One client-to-server edge with a Toxiproxy proxy of its own. Control calls have time-outs."""

    @property
    def name(self) -> str:
        """`client->server`, e.g. "payments->provider", "order-consumer->kafka-2"."""
        ...

    @property
    def client(self) -> str:
        """The service that connects."""
        ...

    @property
    def server(self) -> str:
        """The service that is connected to."""
        ...

    @property
    def protocol(self) -> WireProtocol:
        """What is spoken on it."""
        ...

    @property
    def entrance(self) -> Address:
        """Where the client connects: the proxy's own address."""
        ...

    @property
    def exit(self) -> Address:
        """Where the proxy connects: the server's own address."""
        ...

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Held by whoever changes the link, until what that did has been measured. One thread may enter it again."""
        ...

    def add(self, toxic: Toxic) -> None:
        """Add a toxic, replacing one of the same name."""
        ...

    def remove(self, toxic_name: str) -> None:
        """Remove a toxic. Does nothing if there is none of that name."""
        ...

    def toxics(self) -> Sequence[Toxic]:
        """The toxics that the proxy itself reports."""
        ...

    def disable(self) -> None:
        """Close the proxy's listener and its connections: clients are refused."""
        ...

    def enable(self) -> None:
        """Listen again. Does nothing if it already does."""
        ...

    def is_enabled(self) -> bool:
        """Whether the proxy itself says that it listens."""
        ...


class Stack(Protocol):
    """The running servers and services of one target in one runtime."""

    @property
    def run_id(self) -> str:
        """What everything of this stack is labelled with."""
        ...

    @property
    def services(self) -> Mapping[str, Service]:
        """Every service by its name."""
        ...

    @property
    def links(self) -> Mapping[str, Link]:
        """Every link by its name, `client->server`."""
        ...

    def promise_undo(self, fault: Mapping[str, object], *, limit_s: float) -> str:
        """Put on disk how to undo a fault, before it is injected, and have it undone after `limit_s`.

        The limit is watched by the supervisor, outside the process that injects, and by its dead-man
        when that process dies. `fault` is what `harness.faults.to_record` gave.

        Returns:
            A token for `undone`.
        """
        ...

    def undone(self, token: str) -> bool:
        """Say that the fault has been healed, and its healing verified where another fault does not hide it.

        Returns:
            Whether it was still promised. If not, the supervisor has undone it already, at its limit.
        """
        ...
