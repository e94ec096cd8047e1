"""What topics hold, record by record, as a consumer would be given it.

Past every link and in no group. What is told of a record is what Kafka keeps of it: where it is, in which leader's
time it was written, its key and headers. Values are not looked at: they belong to whoever wrote them.
"""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from harness.clock import Deadline
from harness.errors import ProbeError
from harness.probes import Json
from harness.probes.kafka import bootstrap_of
from harness.stack import Stack

_AT_ONCE = 1000
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class KafkaRecords:
    """Every record of some topics, up to the end at the time of the reading.

    Reads a row a record: `{"topic", "partition", "offset", "epoch": 3, "key": "order-1", "timestamp_ms": …}` and the
    text of each wanted header under its name, "" where a record has none. The epoch is that of the leader who wrote it.
    Rows are sorted by place.

    Attributes:
        headers: Names of headers.
    """

    name: str
    topics: tuple[str, ...]
    headers: tuple[str, ...] = ()

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Read all of it.

        Raises:
            ProbeError: The end of a partition was not reached within `timeout_s`.
        """
        deadline = Deadline.after(timeout_s)
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_of(stack, self.name),
                "client.id": "drillbook-records",
                "group.id": "drillbook-records",  # the library wants one; nothing is joined or committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )
        try:
            return self._read(consumer, deadline)
        except KafkaException as error:
            raise ProbeError(
                f"{self.name}: Kafka could not give {', '.join(self.topics)}: {error}"
            ) from error
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, deadline: Deadline) -> Json:
        open_ends = {
            (topic, number) for topic in self.topics for number in self._numbers(consumer, topic, deadline)
        }
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in sorted(open_ends)])
        rows: list[dict[str, Any]] = []
        while open_ends:
            if deadline.passed:
                raise ProbeError(
                    f"{self.name}: {len(rows)} records were read in time, and the end of "
                    f"{', '.join(f'{topic}-{number}' for topic, number in sorted(open_ends))} was not reached"
                )
            for message in consumer.consume(_AT_ONCE, timeout=min(_POLL_S, max(deadline.left_s, 0.001))):
                error = message.error()
                if error is None:
                    rows.append(self._row(message))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public error code
                    open_ends.discard((str(message.topic()), int(message.partition() or 0)))
                elif not error.retriable():
                    raise KafkaException(error)
        return [*sorted(rows, key=lambda row: (row["topic"], row["partition"], row["offset"]))]

    def _numbers(self, consumer: Consumer, topic: str, deadline: Deadline) -> list[int]:
        known = consumer.list_topics(topic, timeout=max(deadline.left_s, 0.001)).topics[topic]
        if known.error is not None:
            raise ProbeError(f"{self.name}: there is no topic {topic!r}: {known.error}")
        return sorted(known.partitions)

    def _row(self, message: Message) -> dict[str, Any]:
        carried: dict[str, Any] = dict(message.headers() or ())
        return {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "epoch": message.leader_epoch(),
            "key": _text(message.key()),
            "timestamp_ms": message.timestamp()[1],
        } | {name: _text(carried.get(name)) for name in self.headers}


def _text(raw: Any) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw or "")
