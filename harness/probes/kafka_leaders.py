"""Who leads and who is in sync, read from every broker past all links, during a drill that takes some away."""

from dataclasses import dataclass

from harness.errors import ProbeError
from harness.probes import Json
from harness.probes.kafka import some_brokers
from harness.stack import Stack
from harness.stack.kafka_partitions import partitions

# A broker that lives answers in milliseconds; one that stands still must not hold the reading up.
_EACH_S = 0.5


@dataclass(frozen=True, kw_only=True)
class KafkaLeaders:
    """Leader and in-sync replicas of each partition, with those who say so.

    Reads a row a partition: `{"topic", "partition", "leader": 2, "epoch": 5, "isr": [2, 3], "replicas": [1, 2, 3],
    "told_by": [2, 3]}`. A leader of -1 is none. A broker that is away, or says what was true in an earlier epoch, is
    not among those who say so.
    """

    name: str
    topics: tuple[str, ...]

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: No broker answered, or none knows one of the topics.
        """
        brokers = some_brokers(stack, self.name)
        found = partitions(brokers, self.topics, timeout_s=min(timeout_s, _EACH_S))
        if unknown := sorted(set(self.topics) - {told.partition.topic for told in found}):
            raise ProbeError(
                f"{self.name}: none of {len(brokers)} brokers told of {', '.join(unknown)}: there is no such topic, or "
                "nobody answered"
            )
        return [
            {
                "topic": told.partition.topic,
                "partition": told.partition.number,
                "leader": told.partition.leader,
                "epoch": told.partition.epoch,
                "isr": list(told.partition.isr),
                "replicas": list(told.partition.replicas),
                "told_by": list(told.told_by),
            }
            for told in found
        ]
