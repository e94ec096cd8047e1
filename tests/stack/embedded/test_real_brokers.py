"""Three real brokers: they speak to each other over links of their own, so that each can be cut off alive."""

from collections.abc import Iterator

import psutil
import pytest

from harness.clock import wait_until
from harness.faults import to_record
from harness.faults.brokers import LeaderCutOff, LeaderKilled
from harness.narration import Silence
from harness.settings import Settings
from harness.stack import State
from harness.stack.embedded.kafka import CONTROLLER_NAME
from harness.stack.embedded.stack import EmbeddedStack, attach
from harness.stack.embedded.starting import started
from harness.stack.kafka_partitions import Believed, brokers_of, partitions
from harness.supervisor import processes
from tests.stack.embedded import targets

pytestmark = pytest.mark.stack

TOPIC = "events"
BROKERS = ("kafka-1", "kafka-2", "kafka-3")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    settings = Settings(runs=tmp_path_factory.mktemp("runs"), brokers=len(BROKERS))
    with started(targets.running(settings), settings=settings, narrator=Silence()) as stack:
        yield stack


def ports_called_by(stack: EmbeddedStack, name: str) -> set[int]:
    """Where a node's own connections go, by the kernel's tables; those that were made to it are left out."""
    own = {port for spec in stack.plan.specs if spec.name == name for port in spec.ports}
    return {
        connection.raddr.port
        for process in processes.belonging_to(stack.supervisor.folder.work(name))
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port not in own
    }


def told(stack: EmbeddedStack) -> list[Believed]:
    at = brokers_of(stack)
    return list(partitions(at, [TOPIC], timeout_s=1))


def is_whole(stack: EmbeddedStack) -> bool:
    return all(one.partition.whole and len(one.told_by) == len(BROKERS) for one in told(stack))


def whom_it_calls(stack: EmbeddedStack, name: str) -> set[str]:
    """The servers whose proxies a node is connected to. There is nothing else that it calls, at any moment."""
    entrances = {edge.entrance: edge.server for edge in stack.plan.edges if edge.client == name}
    called = ports_called_by(stack, name)
    assert called <= entrances.keys(), "else a fault on a link would hurt nobody"
    return {entrances[port] for port in called}


@pytest.mark.parametrize("name", BROKERS)
def test_a_broker_calls_its_own_proxies_and_nobody_s_real_port(stack: EmbeddedStack, name: str) -> None:
    wait_until(lambda: is_whole(stack), within_s=20, what="every replica to be in sync")
    # A replica counts as in sync from when its topic is made, and begins to copy a moment later.
    wait_until(
        lambda: whom_it_calls(stack, name) & set(BROKERS),
        within_s=10,
        what=f"{name} to copy what another leads",
    )
    assert CONTROLLER_NAME in whom_it_calls(stack, name)


def test_the_controller_calls_nobody(stack: EmbeddedStack) -> None:
    """If it did, that would be a way around the links to it."""
    others = {port for spec in stack.plan.specs if spec.name != CONTROLLER_NAME for port in spec.ports}
    assert not ports_called_by(stack, CONTROLLER_NAME) & others


def test_a_leader_that_is_cut_off_lives_and_is_succeeded_and_comes_back(stack: EmbeddedStack) -> None:
    fault = LeaderCutOff(topic=TOPIC).resolved(stack)
    effect = fault.inject(stack)
    assert stack.services[fault.broker].state() is State.RUNNING
    assert " led after " in effect.sentence
    [now] = [one for one in told(stack) if one.partition.number == 0]
    number = int(effect.measured["broker"])
    assert now.partition.leader != number
    assert number not in now.partition.isr
    assert number not in now.told_by, "it goes on telling what was so"
    assert fault.lapsed(stack) == ""
    assert fault.heal(stack).seen
    wait_until(lambda: is_whole(stack), within_s=20, what="every replica to be in sync")


def test_a_leader_that_a_dead_client_killed_is_brought_back_from_the_record_alone(
    stack: EmbeddedStack,
) -> None:
    other = attach(stack.supervisor.folder)
    fault = LeaderKilled(topic=TOPIC, partition=1).resolved(other)
    led = {one.partition.number: one.partition.leader for one in told(stack)}
    assert fault.broker == f"kafka-{led[1]}"
    other.promise_undo(to_record(fault), limit_s=600)
    fault.inject(other)
    assert stack.services[fault.broker].state() is State.EXITED
    other.supervisor.close()  # what the kernel does when a process dies
    wait_until(lambda: is_whole(stack), within_s=40, what="the supervisor to bring it back, in sync")
    assert stack.services[fault.broker].state() is State.RUNNING
    assert not stack.gone()
