"""Records of a topic are published again, as they are: what somebody does who replays events, or copies a topic.

It gives consumers more to do than any client of the target would, at next to no cost for the machine, and nothing of it
is new: whoever absorbs repetitions, as everybody behind an at-least-once log has to, ends where it would have ended.
So it can also be used to give a consumer something to do while its own speed is measured.

What was published stays. There is nothing to undo, and nothing to be undone by a dead-man.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Deadline
from harness.errors import ConfigError, FaultError, ProbeError
from harness.faults import Effect
from harness.probes.kafka import bootstrap_of
from harness.stack import Stack

COPIED_MAX = 1000  # different records; more would only be copied more often
_READ_WITHIN_S = 5.0
_ACKNOWLEDGED_WITHIN_S = 10.0
_EACH_S = 0.05  # how long a portion lasts

Ends = dict[int, int]


@dataclass(frozen=True, kw_only=True)
class Again:
    """What was published again.

    Attributes:
        records: How many were acknowledged.
        ends: By partition the offset behind the last of them.
        seconds: How long it took.
    """

    records: int
    ends: Ends
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Republished:
    """Records of a topic are published again, from its first on and from there again, evenly over some time.

    Attributes:
        records: How many.
        per_s: How fast.
    """

    topic: str
    records: int
    per_s: float

    def __post_init__(self) -> None:
        """Refuse what changes nothing."""
        if self.records < 1 or not 0 < self.per_s < math.inf:
            raise ConfigError(
                f"records must be at least 1 and per_s a number above 0, got {self.records} and {self.per_s}: nothing "
                "would be published."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.records} records of {self.topic} published again"

    def inject(self, stack: Stack) -> Effect:
        """Publish them, and return when each has been acknowledged.

        Raises:
            FaultError: There is nothing to be published again, or not all of it was acknowledged.
        """
        copies = Copies(stack, self.topic)
        again = copies.publish(self.records, per_s=self.per_s)
        return Effect(
            sentence=(
                f"{again.records} records, copies of {len(copies.originals)}, were acknowledged in "
                f"{again.seconds:.1f} s, {again.records / again.seconds:.0f}/s"
            ),
            seen=True,
            measured={
                "records": float(again.records),
                "waited_s": again.seconds,
                "copied": float(len(copies.originals)),
            },
        )

    def lapsed(self, stack: Stack) -> str:
        """Nobody takes a record back."""
        del stack
        return ""

    def heal(self, stack: Stack) -> Effect:
        """What was published stays: to absorb it is the consumers' business. Safe twice and before `inject`."""
        del stack
        return Effect(sentence="what was published stays; there is nothing to undo", seen=True)


class Copies:
    """The first records of a topic, to be published again and again.

    Raises:
        FaultError: There are none, or Kafka does not give them.
    """

    def __init__(self, stack: Stack, topic: str) -> None:
        self.topic = topic
        try:
            self._brokers = bootstrap_of(stack, topic)
            self.originals = _originals(self._brokers, topic)
        except (KafkaException, ProbeError) as error:
            raise FaultError(f"the records of {topic} could not be read: {error}") from error
        if not self.originals:
            raise FaultError(f"{topic} has no records: there is nothing to publish again")
        self._next = cycle(self.originals)

    def publish(self, records: int, *, per_s: float = math.inf) -> Again:
        """Publish so many, the next ones in turn, to the partitions they came from.

        Raises:
            FaultError: Not all were acknowledged.
        """
        return self._publish(self._next, records, per_s)

    def publish_one_each(self) -> Again:
        """Publish one record on each partition that has any.

        Raises:
            FaultError: Not all were acknowledged.
        """
        firsts = {message.partition(): message for message in reversed(self.originals)}
        return self._publish(iter(firsts.values()), len(firsts), math.inf)

    def _publish(self, messages: Iterator[Message], records: int, per_s: float) -> Again:
        producer = Producer(
            {
                "bootstrap.servers": self._brokers,
                "client.id": "drillbook-again",
                "acks": "all",
                "linger.ms": 2,
                "message.timeout.ms": round(_ACKNOWLEDGED_WITHIN_S * 1000),
                "allow.auto.create.topics": False,
                "log_level": 0,
            }
        )
        acknowledged = _Acknowledged()
        began_ns = SYSTEM_CLOCK.now_ns()
        sent = 0
        try:
            while sent < records:
                due = _due(SYSTEM_CLOCK.now_ns() - began_ns, per_s, records)
                for message in islice(messages, due - sent):
                    producer.produce(
                        self.topic,
                        value=message.value(),
                        key=message.key(),
                        partition=int(message.partition() or 0),
                        headers=message.headers() or [],
                        on_delivery=acknowledged,
                    )
                sent = due
                producer.poll(_EACH_S if sent < records else 0)
            producer.flush(_ACKNOWLEDGED_WITHIN_S)
        except (KafkaException, BufferError) as error:
            raise FaultError(
                f"{self.topic}: {sent} of {records} records were published again: {error}"
            ) from error
        done = acknowledged.count
        if done < records:
            raise FaultError(
                f"{self.topic}: {done} of {records} records that were published again were acknowledged in time"
                f"{f', {acknowledged.trouble}' if acknowledged.trouble else ''}. Is a broker away?"
            )
        return Again(
            records=done,
            ends=acknowledged.ends,
            seconds=max((SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S, 0.001),
        )


class _Acknowledged:
    """What the brokers said of each record."""

    def __init__(self) -> None:
        self._by_partition: Counter[int] = Counter()
        self.ends: Ends = {}
        self.trouble = ""

    @property
    def count(self) -> int:
        return self._by_partition.total()

    def __call__(self, error: Any, message: Message) -> None:
        if error is not None:
            self.trouble = str(error)
            return
        partition, offset = int(message.partition() or 0), int(message.offset() or 0)
        self._by_partition[partition] += 1
        self.ends[partition] = max(self.ends.get(partition, 0), offset + 1)


def _originals(brokers: str, topic: str) -> Sequence[Message]:
    """The first records of each partition, until there are enough or no more come."""
    deadline = Deadline.after(_READ_WITHIN_S)
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "client.id": "drillbook-again",
            "group.id": "drillbook-again",  # the library wants one; nothing is joined or committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
    )
    found: list[Message] = []
    try:
        known = consumer.list_topics(topic, timeout=deadline.left_s).topics[topic]
        open_ends = set(known.partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in sorted(open_ends)])
        while open_ends and len(found) < COPIED_MAX and not deadline.passed:
            message = consumer.poll(max(deadline.left_s, 0.001))
            if message is None:
                continue
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public error code
                open_ends.discard(int(message.partition() or 0))
    finally:
        consumer.close()
    return found


def _due(passed_ns: int, per_s: float, most: int) -> int:
    """How many are to have been sent by now."""
    return most if math.isinf(per_s) else min(most, 1 + int(passed_ns / NS_PER_S * per_s))
