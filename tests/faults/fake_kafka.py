"""Three brokers that elect and shrink as Kafka does, and say so in its words; one that is cut off says what it knew."""

from dataclasses import replace
from socket import socket
from threading import RLock

from harness.stack import State, WireProtocol
from harness.stack.kafka_partitions import Partition
from tests.faults.fake_stack import FakeLink, FakeService, FakeStack
from tests.stack.kafka_answers import METADATA, metadata_answer, ping_answer, read_request

TOPIC = "events"
BROKERS = (1, 2, 3)


class FakeBroker(FakeService):
    """A node that answers pings, and a broker that also tells of partitions."""

    def __init__(self, name: str, kafka: "FakeKafka") -> None:
        self._kafka = kafka
        super().__init__(name)

    def _converse(self, connection: socket) -> None:
        key, request = read_request(connection)
        if key == METADATA:
            connection.sendall(metadata_answer(request, self._kafka.told_by(self.name)))
        elif request:
            connection.sendall(ping_answer(request))


class FakeKafka:
    """The cluster: who can reach whom decides who leads and who is in sync."""

    def __init__(self, *, elects: bool = True) -> None:
        self.elects = elects
        self._turn = RLock()
        names = [f"kafka-{number}" for number in BROKERS]
        self.services = {name: FakeBroker(name, self) for name in (*names, "kafka-controller")}
        pairs = [(one, other) for one in names for other in self.services if one != other]
        pairs += [(client, name) for client in ("orders", "order-consumer") for name in names]
        self.links = {
            link.name: link for link in (FakeLink(a, self.services[b], WireProtocol.KAFKA) for a, b in pairs)
        }
        self.now = Partition(topic=TOPIC, number=0, leader=1, epoch=7, replicas=BROKERS, isr=BROKERS)
        self._known: dict[str, Partition] = {}

    def stack(self) -> FakeStack:
        return FakeStack(services={**self.services}, links={**self.links})

    def told_by(self, name: str) -> list[Partition]:
        with self._turn:
            self._settle()
            if self._in_touch(name):
                self._known[name] = self.now
            return [self._known.get(name, self.now)]

    def _settle(self) -> None:
        there = tuple(number for number in BROKERS if self._in_touch(f"kafka-{number}"))
        if self.now.leader not in there and there and self.elects:
            self.now = replace(self.now, leader=there[0], epoch=self.now.epoch + 1)
        self.now = replace(self.now, isr=there)

    def _in_touch(self, name: str) -> bool:
        if self.services[name].state() is not State.RUNNING:
            return False
        within = [
            link
            for link in self.links.values()
            if name in {link.client, link.server} and link.client.startswith("kafka-")
        ]
        # One link to a dead peer cuts nobody off.
        return any(link.is_enabled() for link in within if link.client == name)
