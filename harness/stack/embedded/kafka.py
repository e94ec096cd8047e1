"""Apache Kafka as processes of one machine: data brokers, and a controller that is no broker.

The controller has a process of its own, so that a drill can kill two brokers and still have a quorum that
notices. Every client has a listener of its own on every server, advertised at that client's proxy: a client is
told where to go by the server, and one that was told the real port would walk around every fault from its
second request on.

The brokers are clients, too: of each other, whose records they copy, and of the controller, to which they say
that they live. So a broker can be cut off while it lives.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import digits

from harness.errors import ConfigError
from harness.stack import LOOPBACK
from harness.stack.embedded.kafka_jvm import LOG4J2, LOG4J2_FILE, SCRATCH_FOLDER, class_path, jvm_flags
from harness.stack.embedded.kafka_settings import BROKERS_OWN, SHARED, replication
from harness.stack.process import ProcessSpec, Readiness, ReadyKind

CONTROLLER_ID = 100
CONTROLLER_NAME = "kafka-controller"
CLUSTER_ID = "ZHJpbGxib29rLWthZmthMQ"  # 16 bytes in URL-safe base64, as KRaft wants it
TEMPLATE_FOLDER = "data"

# Listeners that are no client's. A role may not take one of these names; the controller's are numbered, too.
DIRECT = "DIRECT"
CONTROL = "CONTROLLER"

# The version of every feature is stated when a directory is formatted, so that a cluster's behaviour does not
# drift with the defaults of a later Kafka. Eligible leader replicas (KIP-966) are on, as in every cluster
# made since 4.1: below min.insync.replicas nothing is acknowledged or shown to a consumer. Share groups and
# streams groups are off: nothing here uses them, and each brings a coordinator along.
METADATA_FEATURE = "metadata.version"
RELEASE = "4.4-IV2"  # what StorageTool calls metadata.version 33
FEATURES: Mapping[str, int] = {
    METADATA_FEATURE: 33,
    "transaction.version": 2,
    "group.version": 1,
    "eligible.leader.replicas.version": 1,
    "share.version": 0,
    "streams.version": 0,
}


@dataclass(frozen=True, kw_only=True)
class RoleListener:
    """One client's door to one server.

    Attributes:
        port: Where the server listens for this client.
        proxy_port: Where the client connects: its proxy for this server. This is what is advertised.
    """

    port: int
    proxy_port: int


@dataclass(frozen=True, kw_only=True)
class BrokerPorts:
    """Every port of one broker.

    Attributes:
        direct: For the harness's own probes; advertised as itself.
        replication: Its own door among those that brokers have for each other. A broker looks its peers up by the
            name of a listener that it must have itself; nobody comes in here.
        roles: Role (the name of a service, or of another broker) to its listener.
    """

    direct: int
    replication: int
    roles: Mapping[str, RoleListener] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One Kafka cluster.

    Attributes:
        controller_port: Where the controller listens, past every proxy.
        brokers: Broker id, from 1 on, to its ports. One broker means that nothing is replicated.
        controller_doors: Broker id to its door to the controller; without one it goes there directly.
        settings: Server properties added to, or put in place of, ours on every node.
    """

    controller_port: int
    brokers: Mapping[int, BrokerPorts]
    controller_doors: Mapping[int, RoleListener] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what Kafka would refuse, or would start and then misunderstand."""
        if not self.brokers or sorted(self.brokers) != list(range(1, len(self.brokers) + 1)):
            raise ConfigError(
                f"brokers must be numbered from 1 without a gap, got {sorted(self.brokers)}: their formatted "
                "directories are kept by number. Try {1: …} or {1: …, 2: …, 3: …}."
            )
        for number, ports in self.brokers.items():
            names = [listener_name(role) for role in (broker_name(number), *ports.roles)]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ConfigError(
                    f"on kafka-{number} two roles share the listener name {twice[0]}: they would share a "
                    "proxy, and a fault on one would hit the other. Rename one of "
                    f"{', '.join(sorted(ports.roles))}."
                )

    @property
    def replicas(self) -> int:
        """On how many brokers everything is kept: all of them, up to three."""
        return min(3, len(self.brokers))

    @property
    def min_insync_replicas(self) -> int:
        """How many must have a record before it is acknowledged: one of three may be missing."""
        return max(1, self.replicas - 1)

    @property
    def bootstrap(self) -> str:
        """The direct listeners, for whoever may walk past the proxies."""
        return ",".join(f"{LOOPBACK}:{ports.direct}" for ports in self.brokers.values())


@dataclass(frozen=True, kw_only=True)
class KafkaRuntime:
    """What Kafka is run with.

    Attributes:
        java: The `java` program.
        jars: The class path, in a fixed order: the class archive is only valid for this very order.
        templates: Folder of formatted directories, one a node, named after the node.
        archive: A class-data archive made by the same java and class path, or None.
    """

    java: Path
    jars: tuple[Path, ...]
    templates: Path
    archive: Path | None = None


def listener_name(role: str) -> str:
    """A role's listener name: upper-case letters and digits only, as it becomes part of a property's name.

    Raises:
        ConfigError: Nothing is left of it, or it is the name of one of the cluster's own listeners.
    """
    name = "".join(char for char in role.upper() if char.isascii() and char.isalnum())
    if not name or name == DIRECT or name.rstrip(digits) == CONTROL:
        raise ConfigError(
            f"the service name {role!r} cannot be a Kafka listener's name: it needs a letter or digit, and "
            f"{DIRECT}, {CONTROL} and {CONTROL} with a number are taken by the cluster itself. Rename the service."
        )
    return name


def broker_name(number: int) -> str:
    """The service name of a broker."""
    return f"kafka-{number}"


def broker_spec(*, number: int, cluster: Cluster, runtime: KafkaRuntime, work: Path) -> ProcessSpec:
    """One data broker, working in `work`."""
    ports = cluster.brokers[number]
    # The name under which every other broker has a door for this one.
    own = listener_name(broker_name(number))
    # name → (where it listens, what it advertises)
    listeners = {
        DIRECT: (ports.direct, ports.direct),
        own: (ports.replication, ports.replication),
        **{listener_name(role): (door.port, door.proxy_port) for role, door in ports.roles.items()},
    }
    door = cluster.controller_doors.get(number)
    control = CONTROL if door is None else _control_listener(number)
    properties = {
        "process.roles": "broker",
        "node.id": str(number),
        "listeners": _urls((name, port) for name, (port, _) in listeners.items()),
        "advertised.listeners": _urls((name, port) for name, (_, port) in listeners.items()),
        "listener.security.protocol.map": _plaintext([*listeners, control]),
        "inter.broker.listener.name": own,
        **_control(cluster.controller_port if door is None else door.proxy_port, [control]),
        **SHARED,
        "log.dirs": str(work / TEMPLATE_FOLDER),
        **BROKERS_OWN,
        **replication(cluster.replicas, cluster.min_insync_replicas),
        **cluster.settings,
    }
    return _spec(
        name=broker_name(number),
        port=ports.direct,
        ports=tuple(port for port, _ in listeners.values()),
        properties=properties,
        runtime=runtime,
        work=work,
    )


def controller_spec(*, cluster: Cluster, runtime: KafkaRuntime, work: Path) -> ProcessSpec:
    """The controller, working in `work`."""
    doors = {_control_listener(number): door for number, door in cluster.controller_doors.items()}
    listeners = {CONTROL: cluster.controller_port} | {name: door.port for name, door in doors.items()}
    told = listeners | {name: door.proxy_port for name, door in doors.items()}
    properties = {
        "process.roles": "controller",
        "node.id": str(CONTROLLER_ID),
        "listeners": _urls(listeners.items()),
        "advertised.listeners": _urls(told.items()),
        "listener.security.protocol.map": _plaintext(listeners),
        **_control(cluster.controller_port, listeners),
        **SHARED,
        "log.dirs": str(work / TEMPLATE_FOLDER),
        **replication(cluster.replicas, cluster.min_insync_replicas),
        # What is not said when a topic is created is the controller's to decide.
        "default.replication.factor": str(cluster.replicas),
        **cluster.settings,
    }
    return _spec(
        name=CONTROLLER_NAME,
        port=cluster.controller_port,
        ports=tuple(listeners.values()),
        properties=properties,
        runtime=runtime,
        work=work,
    )


def _control_listener(number: int) -> str:
    """The name of the controller's listener for one broker. A broker asks for addresses by that name."""
    return f"{CONTROL}{number}"


def _control(port: int, listeners: Iterable[str]) -> dict[str, str]:
    """Where a node finds the controller."""
    return {
        "controller.quorum.voters": f"{CONTROLLER_ID}@{LOOPBACK}:{port}",
        "controller.listener.names": ",".join(listeners),
    }


def _urls(listeners: Iterable[tuple[str, int]]) -> str:
    return ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in listeners)


def _plaintext(names: Iterable[str]) -> str:
    return ",".join(f"{name}:PLAINTEXT" for name in names)


def _spec(
    *,
    name: str,
    port: int,
    ports: tuple[int, ...],
    properties: Mapping[str, str],
    runtime: KafkaRuntime,
    work: Path,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(
            str(runtime.java),
            *jvm_flags(archive=runtime.archive, work=work),
            "-cp",
            class_path(runtime.jars),
            "kafka.Kafka",
            str(work / "server.properties"),
        ),
        environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
        port=port,
        ports=ports,
        ready=Readiness(kind=ReadyKind.KAFKA, port=port, timeout_s=60.0),
        stop_timeout_s=30.0,  # a controlled shutdown hands every partition over first
        folders=(SCRATCH_FOLDER,),
        copies={TEMPLATE_FOLDER: str(runtime.templates / name)},
        files={"server.properties": as_properties(properties), LOG4J2_FILE: LOG4J2},
    )


def as_properties(values: Mapping[str, str]) -> str:
    """A Java properties file. Backslashes are the only character of ours that it would change."""
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in values.items())
