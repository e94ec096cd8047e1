"""What a fresh Kafka contains before the first service starts: the target's topics, and a coordinator of groups.

Like `contents`, this goes to the brokers directly, past the links.
"""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # NewTopic is missing from its __all__
    AdminClient,
    NewTopic,
)

from harness.clock import wait_until
from harness.errors import StackError
from harness.stack import Address
from harness.stack.embedded.contents import in_words_of
from harness.stack.embedded.kafka_coordinator import groups_can_be_joined
from harness.stack.target import Topic

KAFKA_TIMEOUT_S = 15.0
_INTERNAL_TOPIC = "__"

_in_words_of_kafka = in_words_of("Kafka", KafkaException)


def _client(*brokers: Address) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": ",".join(map(str, brokers)),
            "socket.timeout.ms": 10_000,
            "log_level": 0,
            "topic.metadata.refresh.interval.ms": 1_000,
        }
    )


class KafkaContents:
    """The topics and groups of a cluster.

    Args:
        brokers: The direct listeners of all its brokers.
    """

    def __init__(self, brokers: Sequence[Address]) -> None:
        self._brokers = tuple(brokers)
        self._replicas = len(brokers)
        self._admin = _client(*brokers)
        # Each learns of a topic by itself, some moments after the controller: what one has not heard of yet is not
        # absent, and what one still lists is not there. A client that knows one address asks that one.
        self._each = tuple(_client(broker) for broker in brokers)

    @_in_words_of_kafka
    def make(self, topics: tuple[Topic, ...]) -> None:
        """Create topics, replicated over all brokers, and wait until clients can write, read and join groups.

        Raises:
            StackError: Kafka refused one, or it has no leader or no coordinator in time.
        """

        def joinable() -> bool:
            return all(
                groups_can_be_joined(broker) for broker in self._brokers
            )  # each learns of it by itself

        joinable()  # asked now, so that a coordinator is chosen while the topics are made
        new = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=self._replicas,
                config={"min.insync.replicas": str(min(topic.min_insync_replicas, self._replicas))},
            )
            for topic in topics
        ]
        for name, future in self._admin.create_topics(new, request_timeout=KAFKA_TIMEOUT_S).items():
            try:
                future.result(timeout=KAFKA_TIMEOUT_S)
            except KafkaException as error:
                raise StackError(f"the topic {name} could not be made: {error}") from error
        wanted = {topic.name: topic.partitions for topic in topics}

        def led() -> bool:
            return all(
                name in there
                and len(there[name].partitions) == count
                and all(len(part.isrs) == self._replicas for part in there[name].partitions.values())
                for there in self._listed()
                for name, count in wanted.items()
            )

        wait_until(led, within_s=KAFKA_TIMEOUT_S, what="every partition to have its replicas in sync")
        wait_until(joinable, within_s=KAFKA_TIMEOUT_S, what="that consumer groups can be joined")

    @_in_words_of_kafka
    def topics(self) -> list[str]:
        """Every topic that is not Kafka's own, once all brokers agree.

        Raises:
            DeadlineError: They do not.
        """

        def agreed() -> tuple[list[str]] | None:
            first, *others = [
                sorted(name for name in there if not name.startswith(_INTERNAL_TOPIC))
                for there in self._listed()
            ]
            return (first,) if all(other == first for other in others) else None

        [names] = wait_until(agreed, within_s=KAFKA_TIMEOUT_S, what="all brokers to list the same topics")
        return names

    def _listed(self) -> list[dict[str, Any]]:
        """The topics that each broker knows, with their partitions."""
        return [client.list_topics(timeout=KAFKA_TIMEOUT_S).topics for client in self._each]

    @_in_words_of_kafka
    def groups(self) -> list[str]:
        """Every consumer group that the cluster remembers."""
        listed = self._admin.list_consumer_groups(request_timeout=KAFKA_TIMEOUT_S).result(
            timeout=KAFKA_TIMEOUT_S
        )
        if listed.errors:  # a list in which one coordinator's groups are missing would prove an empty cluster
            raise StackError(f"Kafka cannot tell which consumer groups there are: {listed.errors[0]}")
        return sorted(group.group_id for group in listed.valid)

    @_in_words_of_kafka
    def empty(self) -> None:
        """Delete every group and topic, and wait until they are gone.

        A group can be deleted once its last member is gone, which a killed member is only after its session
        time-out; until then Kafka refuses, and is asked again.

        Raises:
            DeadlineError: Something is still there.
        """
        wait_until(self._delete_groups, within_s=60, what="every consumer group to be deleted", every_s=0.2)
        topics = self.topics()
        if topics:
            for future in self._admin.delete_topics(topics, request_timeout=KAFKA_TIMEOUT_S).values():
                future.result(timeout=KAFKA_TIMEOUT_S)
        wait_until(lambda: not self.topics(), within_s=KAFKA_TIMEOUT_S, what="every topic to be deleted")

    def _delete_groups(self) -> bool:
        groups = self.groups()
        if groups:
            for future in self._admin.delete_consumer_groups(
                groups, request_timeout=KAFKA_TIMEOUT_S
            ).values():
                try:
                    future.result(timeout=KAFKA_TIMEOUT_S)
                except KafkaException:
                    continue  # it still has members; the next look tells
        return not self.groups()
