"""Who leads a topic's partitions and who is in sync, by what several brokers say.

A broker that is cut off goes on telling what was true before, also that it leads. So all are asked, the dead ones in
vain. The newest leader epoch is the truth, since each election makes a new one. Within an epoch the word of its leader
counts: it is about his replicas, and what he has not heard of nobody acts by.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from harness.stack import Address, Stack
from harness.stack.kafka_wire import Fields, ask, text

_METADATA, _VERSION = 3, 7  # the first version that tells epochs
_NO_ERROR, _LEADER_NOT_AVAILABLE = 0, 5
NO_LEADER = -1
_BROKER = re.compile(r"kafka-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One partition.

    Attributes:
        leader: The broker's number, or `NO_LEADER`.
        epoch: Of the leader: each election makes it larger.
        replicas, isr: Numbers of brokers, sorted.
    """

    topic: str
    number: int
    leader: int
    epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether it is led, and every replica is in sync."""
        return self.leader != NO_LEADER and self.isr == self.replicas


@dataclass(frozen=True, kw_only=True)
class Believed:
    """A partition as the brokers together tell it.

    Attributes:
        told_by: The brokers that say exactly this, by number; those that say something else are left out.
    """

    partition: Partition
    told_by: tuple[int, ...]


def brokers_of(stack: Stack) -> dict[int, Address]:
    """The brokers' own addresses by their numbers: a stack's services kafka-1, kafka-2 and so on. Empty without any."""
    found = {name: _BROKER.fullmatch(name) for name in stack.services}
    return {int(match[1]): stack.services[name].address for name, match in sorted(found.items()) if match}


def partitions(
    brokers: Mapping[int, Address], topics: Sequence[str], *, timeout_s: float
) -> tuple[Believed, ...]:
    """Every partition of some topics, by topic and number. Empty if nobody knows any.

    Args:
        brokers: Their own addresses by their numbers, past every link.
        topics: Which.
        timeout_s: For each broker; all are asked at once.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(brokers))) as pool:
        told = dict(
            zip(brokers, pool.map(lambda at: _told(at, topics, timeout_s), brokers.values()), strict=True)
        )
    return believed(told)


def believed(told: Mapping[int, Sequence[Partition]]) -> tuple[Believed, ...]:
    """What is to be believed of what each broker says."""
    places = sorted({(part.topic, part.number) for parts in told.values() for part in parts})
    return tuple(
        _believed(
            {
                broker: part
                for broker, parts in told.items()
                for part in parts
                if (part.topic, part.number) == place
            }
        )
        for place in places
    )


def _believed(by_broker: Mapping[int, Partition]) -> Believed:
    newest = max(part.epoch for part in by_broker.values())
    current = {broker: part for broker, part in by_broker.items() if part.epoch == newest}
    own_word = [part for broker, part in current.items() if broker == part.leader]
    # Where the leader says nothing, what most say; of two that are said as often, the fewer in sync.
    said = Counter(current.values())
    chosen = own_word[0] if own_word else min(said, key=lambda part: (-said[part], len(part.isr), part.isr))
    return Believed(
        partition=chosen, told_by=tuple(sorted(broker for broker, part in current.items() if part == chosen))
    )


def _told(broker: Address, topics: Sequence[str], timeout_s: float) -> tuple[Partition, ...]:
    """What one broker says; nothing where it does not answer."""
    question = struct.pack(">i", len(topics)) + b"".join(map(text, topics)) + b"\0"  # and create none
    with suppress(OSError, struct.error, ValueError):
        return tuple(_parsed(Fields(ask(broker, _METADATA, _VERSION, question, timeout_s=timeout_s))))
    return ()


def _parsed(answer: Fields) -> Iterator[Partition]:
    answer.number("i")  # for how long we were throttled
    for _ in range(answer.count()):
        _skip_broker(answer)
    answer.text()  # the cluster's id
    answer.number("i")  # the controller, which a broker only makes up
    for _ in range(answer.count()):
        error, topic = answer.number("h"), answer.text()
        answer.number("b")  # whether it is Kafka's own
        for _ in range(answer.count()):
            found = _partition(topic, answer)
            if error in {_NO_ERROR, _LEADER_NOT_AVAILABLE}:
                yield found


def _skip_broker(answer: Fields) -> None:
    answer.number("i")
    answer.text()
    answer.number("i")
    answer.text()  # its rack


def _partition(topic: str, answer: Fields) -> Partition:
    answer.number("h")  # an error: that there is no leader, which is told by the leader itself
    number, leader, epoch = (answer.number("i") for _ in range(3))
    replicas, isr = sorted(answer.numbers()), sorted(answer.numbers())
    answer.numbers()  # offline replicas
    return Partition(
        topic=topic, number=number, leader=leader, epoch=epoch, replicas=tuple(replicas), isr=tuple(isr)
    )
