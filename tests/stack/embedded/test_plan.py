"""A plan gives every listener a port of its own, and tells every service only its own proxies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.stack import WireProtocol
from harness.stack.embedded.kafka import CONTROLLER_NAME
from harness.stack.embedded.plan import (
    Plan,
    Ports,
    assign,
    edges,
    kafka_nodes,
    pairs,
    ports_needed,
    servers_of,
    wiring,
)
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.stack.target import BALANCER, KAFKA, POSTGRES, REDIS, Target
from tests.stack.embedded.targets import SMALL, service, target


def every_port(ports: Ports) -> list[int]:
    return [
        ports.toxiproxy,
        *ports.servers.values(),
        *ports.roles.values(),
        *ports.replication.values(),
        *ports.entrances.values(),
    ]


@st.composite
def targets(draw: st.DrawFn) -> Target:
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, unique=True))
    servers = [KAFKA, POSTGRES, REDIS, *names]
    services = [
        service(name, *draw(st.lists(st.sampled_from(servers), unique=True).map(tuple))) for name in names
    ]
    return target(*services, balanced=tuple(draw(st.lists(st.sampled_from(names), unique=True))))


@given(targets(), st.sampled_from([1, 3]))
def test_every_listener_has_a_port_of_its_own_and_their_number_is_known_before(
    found: Target, brokers: int
) -> None:
    ports = assign(found, brokers, iter(range(20_000, 20_000 + ports_needed(found, brokers))))
    assert sorted(every_port(ports)) == list(range(20_000, 20_000 + ports_needed(found, brokers)))


@given(targets(), st.sampled_from([1, 3]))
def test_every_link_ends_where_its_server_listens_for_that_client(found: Target, brokers: int) -> None:
    ports = assign(found, brokers, iter(range(20_000, 32_000)))
    for edge in edges(found, brokers, ports):
        assert edge.exit in ports.everything_of(edge.server)
        if edge.protocol is WireProtocol.KAFKA:
            assert edge.exit == ports.roles[edge.client, edge.server]
            assert edge.exit != ports.servers[edge.server]


@given(targets(), st.sampled_from([1, 3]))
def test_a_service_is_told_its_own_proxies_and_no_servers_real_port(found: Target, brokers: int) -> None:
    ports = assign(found, brokers, iter(range(20_000, 32_000)))
    for one in found.services:
        told = wiring(one.name, ports, "data")
        mine = {port for (client, _), port in ports.entrances.items() if client == one.name}
        addresses = [address for server in one.uses for address in told.to(server).split(",")]
        assert {int(address.rpartition(":")[2]) for address in addresses} == mine
        assert len(addresses) == len(mine)
        assert told.port == ports.servers[one.name]


def test_kafka_is_one_link_a_broker() -> None:
    assert kafka_nodes(3) == ["kafka-1", "kafka-2", "kafka-3"]
    assert ("taker", "kafka-2") in pairs(SMALL, 3)
    assert ("taker", KAFKA) not in pairs(SMALL, 3)


def test_every_broker_reaches_the_others_and_the_controller_through_links_of_its_own() -> None:
    inside = [pair for pair in pairs(SMALL, 3) if pair[0].startswith("kafka-")]
    assert sorted(inside) == [
        (one, other) for one in kafka_nodes(3) for other in [*kafka_nodes(3), CONTROLLER_NAME] if one != other
    ]
    assert [pair for pair in pairs(SMALL, 1) if pair[0] == "kafka-1"] == [("kafka-1", CONTROLLER_NAME)]


def test_the_balancer_reaches_its_upstreams_through_links_too() -> None:
    assert [pair for pair in pairs(SMALL, 1) if pair[0] == BALANCER] == [
        (BALANCER, "web-1"),
        (BALANCER, "web-2"),
    ]


def test_a_target_without_kafka_starts_none() -> None:
    bare = Target(name="bare", services=(service("only"),))
    assert servers_of(bare, 3) == ["only"]
    assert ports_needed(bare, 3) == 2


def _spec(name: str) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=("serve",),
        environment={"PORT": "1", "SIZE": "small"},
        port=1,
        ports=(1,),
        ready=Readiness(kind=ReadyKind.TCP, port=1),
    )


PLAN = Plan(
    run_id="r1",
    target="small",
    toxiproxy=1,
    entry=1,
    logs="logs",
    specs=(_spec("maker"), _spec("taker")),
    edges=(),
)


def test_what_is_configured_is_told_over_what_a_service_is_told_as_ever_and_to_it_alone() -> None:
    told = {
        spec.name: spec.environment
        for spec in PLAN.configured({"maker": {"SIZE": "large", "NEW": "1"}}).specs
    }
    assert told == {
        "maker": {"PORT": "1", "SIZE": "large", "NEW": "1"},
        "taker": {"PORT": "1", "SIZE": "small"},
    }
    assert PLAN.configured({}) == PLAN


def test_a_service_that_is_not_there_cannot_be_configured() -> None:
    with pytest.raises(ConfigError, match="no service 'baker' to configure: there are maker, taker"):
        PLAN.configured({"baker": {"SIZE": "large"}})
