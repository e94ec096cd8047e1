"""Kafka's processes as data: who is told which address, and what binds where."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.stack.embedded.kafka import (
    CONTROLLER_ID,
    CONTROLLER_NAME,
    BrokerPorts,
    Cluster,
    KafkaRuntime,
    RoleListener,
    as_properties,
    broker_spec,
    controller_spec,
    listener_name,
)
from harness.stack.embedded.kafka_jars import KAFKA_PINS, pinned_jars, pinned_version, project_of
from harness.stack.embedded.kafka_storage import merge_class_lists
from harness.stack.process import ProcessSpec, ReadyKind

ROLES = ("orders", "order-consumer", "gateway")
RUNTIME = KafkaRuntime(
    java=Path("/java"),
    jars=(Path("/libs/a.jar"), Path("/libs/b.jar")),
    templates=Path("/t"),
    archive=Path("/c.jsa"),
)
WORK = Path("/state/work")


def cluster(brokers: int = 3, **settings: str) -> Cluster:
    return Cluster(
        controller_port=21000,
        brokers={
            n: BrokerPorts(
                direct=21000 + 10 * n,
                replication=21001 + 10 * n,
                roles={
                    role: RoleListener(port=21002 + 10 * n + i, proxy_port=22002 + 10 * n + i)
                    for i, role in enumerate(
                        [*ROLES, *(f"kafka-{m}" for m in range(1, brokers + 1) if m != n)]
                    )
                },
            )
            for n in range(1, brokers + 1)
        },
        controller_doors={
            n: RoleListener(port=21100 + n, proxy_port=22100 + n) for n in range(1, brokers + 1)
        },
        settings=settings,
    )


def properties(spec: ProcessSpec) -> dict[str, str]:
    return dict(line.split("=", 1) for line in spec.files["server.properties"].splitlines())


def addresses(listeners: str) -> dict[str, tuple[str, int]]:
    found = re.findall(r"([A-Z0-9]+)://([^:,]*):(\d+)", listeners)
    assert len(found) == len(listeners.split(","))
    return {name: (host, int(port)) for name, host, port in found}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_role_is_told_its_own_proxy_and_nothing_else(number: int) -> None:
    spec = broker_spec(number=number, cluster=cluster(), runtime=RUNTIME, work=WORK)
    told = addresses(properties(spec)["advertised.listeners"])
    doors = cluster().brokers[number].roles
    assert {name: port for name, (_, port) in told.items()} == {
        "ORDERS": doors["orders"].proxy_port,
        "ORDERCONSUMER": doors["order-consumer"].proxy_port,
        "GATEWAY": doors["gateway"].proxy_port,
        **{f"KAFKA{n}": doors[f"kafka-{n}"].proxy_port for n in (1, 2, 3) if n != number},
        "DIRECT": cluster().brokers[number].direct,
        f"KAFKA{number}": cluster().brokers[number].replication,
    }
    bound = {port for _, port in addresses(properties(spec)["listeners"]).values()}
    assert bound.isdisjoint(door.proxy_port for door in doors.values())


@pytest.mark.parametrize("brokers", [1, 3])
def test_nothing_binds_anything_but_loopback_and_every_port_is_declared(brokers: int) -> None:
    one = cluster(brokers)
    specs = [broker_spec(number=n, cluster=one, runtime=RUNTIME, work=WORK) for n in one.brokers]
    specs.append(controller_spec(cluster=one, runtime=RUNTIME, work=WORK))
    for spec in specs:
        bound = addresses(properties(spec)["listeners"])
        assert {host for host, _ in bound.values()} == {"127.0.0.1"}
        assert sorted(port for _, port in bound.values()) == sorted(spec.ports)
        assert spec.port in spec.ports
        assert spec.ready.kind is ReadyKind.KAFKA
        assert spec.ready.port == spec.port
    every = [port for spec in specs for port in spec.ports]
    assert len(every) == len(set(every))


def test_every_listener_has_a_security_protocol() -> None:
    values = properties(broker_spec(number=1, cluster=cluster(), runtime=RUNTIME, work=WORK))
    mapped = {pair.split(":")[0] for pair in values["listener.security.protocol.map"].split(",")}
    assert mapped == {*addresses(values["listeners"]), values["controller.listener.names"]}
    assert values["inter.broker.listener.name"] in mapped


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_broker_looks_for_its_peers_by_the_name_under_which_each_has_a_door_for_it(number: int) -> None:
    """So what they tell it is its own proxy to them, and no other broker's."""
    specs = {
        n: properties(broker_spec(number=n, cluster=cluster(), runtime=RUNTIME, work=WORK)) for n in (1, 2, 3)
    }
    name = specs[number]["inter.broker.listener.name"]
    for other in {1, 2, 3} - {number}:
        told = addresses(specs[other]["advertised.listeners"])[name]
        assert told == ("127.0.0.1", cluster().brokers[other].roles[f"kafka-{number}"].proxy_port)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_broker_is_told_its_own_proxy_to_the_controller_also_by_the_controller(number: int) -> None:
    """Else it would go there directly once it had asked: the controller tells where it listens, too."""
    broker = properties(broker_spec(number=number, cluster=cluster(), runtime=RUNTIME, work=WORK))
    told = addresses(
        properties(controller_spec(cluster=cluster(), runtime=RUNTIME, work=WORK))["advertised.listeners"]
    )
    proxy = cluster().controller_doors[number].proxy_port
    assert broker["controller.quorum.voters"] == f"{CONTROLLER_ID}@127.0.0.1:{proxy}"
    assert told[broker["controller.listener.names"]] == ("127.0.0.1", proxy)


def test_a_broker_without_a_door_goes_to_the_controller_itself() -> None:
    bare = replace(cluster(), controller_doors={})
    broker = properties(broker_spec(number=2, cluster=bare, runtime=RUNTIME, work=WORK))
    controller = properties(controller_spec(cluster=bare, runtime=RUNTIME, work=WORK))
    assert broker["controller.quorum.voters"] == controller["controller.quorum.voters"]
    assert broker["controller.listener.names"] in addresses(controller["advertised.listeners"])


def test_the_controller_is_no_broker_and_votes_for_itself() -> None:
    spec = controller_spec(cluster=cluster(), runtime=RUNTIME, work=WORK)
    values = properties(spec)
    assert spec.name == CONTROLLER_NAME
    assert values["process.roles"] == "controller"
    assert values["controller.listener.names"].split(",") == [*addresses(values["listeners"])]
    assert values["controller.quorum.voters"] == f"{CONTROLLER_ID}@127.0.0.1:21000"
    assert addresses(values["advertised.listeners"])["CONTROLLER"] == ("127.0.0.1", 21000)


@pytest.mark.parametrize(("brokers", "replicas", "least"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2")])
def test_kafkas_own_topics_fit_the_number_of_brokers(brokers: int, replicas: str, least: str) -> None:
    values = properties(broker_spec(number=1, cluster=cluster(brokers), runtime=RUNTIME, work=WORK))
    assert values["offsets.topic.replication.factor"] == replicas
    assert values["transaction.state.log.replication.factor"] == replicas
    assert values["transaction.state.log.min.isr"] == least
    assert values["min.insync.replicas"] == least


def test_a_formatted_directory_is_copied_to_where_the_log_is() -> None:
    spec = broker_spec(number=3, cluster=cluster(), runtime=RUNTIME, work=WORK)
    assert spec.copies == {"data": "/t/kafka-3"}
    assert properties(spec)["log.dirs"] == str(WORK / "data")


def test_a_missing_class_archive_leaves_the_rest_as_it_is() -> None:
    bare = KafkaRuntime(java=RUNTIME.java, jars=RUNTIME.jars, templates=RUNTIME.templates)
    with_archive = broker_spec(number=1, cluster=cluster(), runtime=RUNTIME, work=WORK).argv
    without = broker_spec(number=1, cluster=cluster(), runtime=bare, work=WORK).argv
    assert set(with_archive) - set(without) == {
        "-XX:SharedArchiveFile=/c.jsa",
        "-Xshare:auto",
        "-Xlog:cds=off",
        "-XX:+UnlockDiagnosticVMOptions",
        "-XX:ArchiveRelocationMode=0",
    }
    assert with_archive[with_archive.index("-cp") + 1] == "/libs/a.jar:/libs/b.jar"


def test_a_clusters_own_settings_win() -> None:
    spec = broker_spec(number=1, cluster=cluster(3, **{"num.io.threads": "2"}), runtime=RUNTIME, work=WORK)
    assert properties(spec)["num.io.threads"] == "2"


def test_roles_that_would_share_a_listener_are_refused() -> None:
    door = RoleListener(port=1, proxy_port=2)
    with pytest.raises(ConfigError, match="share the listener name ORDERCONSUMER"):
        Cluster(
            controller_port=9,
            brokers={
                1: BrokerPorts(direct=3, replication=4, roles={"order-consumer": door, "orderconsumer": door})
            },
        )


@pytest.mark.parametrize("role", ["direct", "controller-2", "Controller", "--", ""])
def test_a_role_may_not_take_a_listener_of_the_clusters_own(role: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a Kafka listener's name"):
        listener_name(role)


@pytest.mark.parametrize("numbers", [[], [2], [1, 3], [0, 1]])
def test_brokers_are_numbered_from_one_without_a_gap(numbers: list[int]) -> None:
    with pytest.raises(ConfigError, match="numbered from 1 without a gap"):
        Cluster(controller_port=9, brokers={n: BrokerPorts(direct=n, replication=n) for n in numbers})


def test_properties_keep_backslashes() -> None:
    assert as_properties({"a": r"x\y"}) == "a=x\\\\y\n"


def test_the_pinned_jars_are_well_formed() -> None:
    jars = pinned_jars()
    entries = json.loads(KAFKA_PINS.read_text())["jars"]
    assert len({jar.file_name for jar in jars}) == len(jars) == len(entries)
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert {jar.artifact: jar.version for jar in jars}["kafka_2.13"] == pinned_version()
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {pinned_version()}


def test_the_maven_project_lets_no_resolver_choose_a_version() -> None:
    project = project_of(pinned_jars())
    assert project.count("<dependency>") == project.count("<artifactId>*</artifactId>") == len(pinned_jars())


def test_class_lists_are_merged_without_the_numbers_of_either() -> None:
    """Two classes with one number end the JVM that makes the archive."""
    broker = "# NOTE\njava/lang/Object id: 0\na/B id: 1\nc/Own id: 2 super: 0 source: x.jar\n"
    controller = "# NOTE\njava/lang/Object id: 0\nd/E id: 1\n@lambda-proxy d/E run\n"
    assert (
        merge_class_lists([broker, controller])
        == "# NOTE\njava/lang/Object\na/B\nd/E\n@lambda-proxy d/E run\n"
    )
