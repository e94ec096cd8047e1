"""Of what several brokers say the newest epoch is believed, and within it its leader."""

from socket import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stack import Address
from harness.stack.kafka_partitions import Believed, Partition, believed, brokers_of, partitions
from tests.probes.fake_target import stack_of
from tests.stack.kafka_answers import METADATA, metadata_answer, read_request
from tests.stack.loopback import Loopback, free_port, silent_server

ALL = (1, 2, 3)


def part(*, leader: int = 1, epoch: int = 4, isr: tuple[int, ...] = ALL, number: int = 0) -> Partition:
    return Partition(topic="events", number=number, leader=leader, epoch=epoch, replicas=ALL, isr=isr)


def broker(*told: Partition, cut_bytes: int = 0, error: int = 0) -> Loopback:
    def converse(connection: socket) -> None:
        key, request = read_request(connection)
        assert key == METADATA
        answer = metadata_answer(request, told, error=error)
        connection.sendall(answer[: len(answer) - cut_bytes])

    return Loopback(converse)


def test_a_leader_that_was_cut_off_is_not_believed_once_another_was_elected() -> None:
    old, new = part(leader=1, epoch=4), part(leader=2, epoch=5, isr=(2, 3))
    assert believed({1: [old], 2: [new], 3: [new]}) == (Believed(partition=new, told_by=(2, 3)),)


def test_a_replica_that_was_cut_off_is_not_believed_about_itself() -> None:
    """The epoch is the same on both sides: no leader was lost."""
    inside, outside = part(isr=(1, 3)), part(isr=ALL)
    assert believed({1: [inside], 2: [outside], 3: [inside]}) == (Believed(partition=inside, told_by=(1, 3)),)
    assert believed({1: [inside], 2: [outside]}) == (Believed(partition=inside, told_by=(1,)),)


def test_without_a_word_of_the_leader_most_are_believed() -> None:
    fewer = part(leader=1, isr=(1, 3))
    assert believed({2: [part()], 3: [fewer]})[0].partition == fewer, (
        "of two, the one who has heard of a loss"
    )
    assert believed({2: [part()], 3: [part()], 4: [fewer]})[0].partition == part()


def test_nobody_is_told_of_nothing() -> None:
    assert believed({}) == ()
    assert believed({1: [], 2: []}) == ()


@given(
    st.dictionaries(
        st.sampled_from(ALL),
        st.builds(
            part,
            leader=st.sampled_from(ALL),
            epoch=st.integers(0, 3),
            isr=st.sampled_from([(1,), (1, 2), ALL]),
        ),
        min_size=1,
    )
)
def test_what_is_believed_was_said_by_somebody_in_the_newest_epoch(told: dict[int, Partition]) -> None:
    [found] = believed({number: [said] for number, said in told.items()})
    assert found.partition.epoch == max(said.epoch for said in told.values())
    assert found.told_by == tuple(sorted(n for n, said in told.items() if said == found.partition))
    assert found.told_by


def test_brokers_answer_for_each_other_and_the_dead_and_the_broken_for_nobody() -> None:
    new = part(leader=2, epoch=5, isr=(2,))
    with broker(new, part(number=1)) as two, broker(part(), cut_bytes=3) as torn, silent_server() as frozen:
        at = {1: Address("127.0.0.1", free_port()), 2: two.address, 3: torn.address, 4: frozen.address}
        found = partitions(at, ["events"], timeout_s=0.3)
    assert [(told.partition.number, told.told_by) for told in found] == [(0, (2,)), (1, (2,))]
    assert found[0].partition == new


def test_a_topic_that_a_broker_does_not_know_is_told_by_nobody() -> None:
    with broker(part(), error=3) as one:
        assert partitions({1: one.address}, ["events"], timeout_s=2) == ()


@pytest.mark.parametrize("name", ["kafka-controller", "kafka", "kafka-1x", "orders"])
def test_only_data_brokers_are_asked(name: str) -> None:
    here = Address("127.0.0.1", 1)
    assert brokers_of(stack_of(**{name: here, "kafka-12": here})) == {12: here}


def test_whole_is_led_with_every_replica_in_sync() -> None:
    assert part().whole
    assert not part(isr=(1, 2)).whole
    assert not part(leader=-1).whole
