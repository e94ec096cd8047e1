"""Looking at Kafka with its own admin protocol, through the brokers' direct listeners.

A client costs connections and threads, so one is kept for each set of brokers and used again by every
reading. librdkafka complains on standard error about each broker that a drill kills; a probe says what it
could not see in its reading, so the client itself is kept quiet.

Not for a drill that takes the group's coordinator away: see `kafka_lag` for what that client does then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from harness.clock import SYSTEM_CLOCK, Deadline
from harness.errors import ProbeError
from harness.probes import Json
from harness.stack import Address, Stack
from harness.stack.kafka_partitions import brokers_of

_NOT_YET = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError._TRANSPORT,  # noqa: SLF001 - confluent-kafka's public name for a connection that was lost
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # what a broker says that has just come back
}
_AGAIN_AFTER_S = 0.1


@lru_cache(maxsize=8)
def admin_client(bootstrap: str) -> Any:
    """The one admin client for these brokers, made on first use."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "client.id": "drillbook-probe",
            "log_level": 0,
            "allow.auto.create.topics": False,
            # A broker that comes back must be seen soon, not after librdkafka's ten seconds of backing off.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "socket.connection.setup.timeout.ms": 2000,
        }
    )


def some_brokers(stack: Stack, probe: str) -> dict[int, Address]:
    """The brokers to ask, by their numbers, at their own addresses.

    Raises:
        ProbeError: The stack has none.
    """
    brokers = brokers_of(stack)
    if not brokers:
        raise ProbeError(f"{probe}: this stack has no Kafka: no service is called kafka-1, kafka-2, …")
    return brokers


def bootstrap_of(stack: Stack, probe: str) -> str:
    """The direct addresses of all brokers, `host:port,host:port`.

    Raises:
        ProbeError: The stack has none.
    """
    return ",".join(map(str, some_brokers(stack, probe).values()))


class _Question:
    """The calls of one reading under one deadline. Kafka's own time-outs are per call."""

    def __init__(self, probe: str, bootstrap: str, timeout_s: float) -> None:
        self._probe = probe
        self._deadline = Deadline.after(timeout_s)
        self.admin = admin_client(bootstrap)

    def ask(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        """Call an admin method that answers with a future for each key."""

        def once() -> Any:
            futures = call(*args, request_timeout=self._left_s())
            return {key: future.result(timeout=self._left_s()) for key, future in futures.items()}

        return self._until_told(what, once)

    def _until_told(self, what: str, call: Callable[[], Any]) -> Any:
        """Ask again while a broker says "not yet", as long as there is time.

        librdkafka's admin client does not repeat itself when a coordinator or a leader is moving, or a broker
        has just died, which are the very moments that a drill looks at.
        """
        while True:
            try:
                return call()
            except (KafkaException, TimeoutError) as error:
                if _code_of(error) not in _NOT_YET or self._deadline.passed:
                    raise ProbeError(
                        f"{self._probe}: Kafka could not say {what}: {str(error) or 'no answer in time'}"
                    ) from error
            SYSTEM_CLOCK.sleep(min(_AGAIN_AFTER_S, self._left_s()))

    def _left_s(self) -> float:
        # librdkafka takes a request time-out of a millisecond at least.
        return max(self._deadline.left_s, 0.001)


def _code_of(error: Exception) -> int | None:
    """Kafka's error code, or None for an error of another kind."""
    inner = error.args[0] if isinstance(error, KafkaException) and error.args else None
    return inner.code() if isinstance(inner, KafkaError) else None


@dataclass(frozen=True, kw_only=True)
class KafkaGroup:
    """Who is in a group and what they own.

    Reads `{"group", "state": "STABLE", "type": "CLASSIC", "assignor", "coordinator": 2, "members": [{"id",
    "client", "instance", "host", "partitions": ["order-events-0", …]}, …]}`, members by id. A group that
    never was has the state DEAD and no members.
    """

    name: str
    group: str

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: The group's coordinator did not answer within `timeout_s`.
        """
        question = _Question(self.name, bootstrap_of(stack, self.name), timeout_s)
        found = question.ask("who is in the group", question.admin.describe_consumer_groups, [self.group])
        group = found[self.group]
        members: list[Json] = [
            {
                "id": member.member_id,
                "client": member.client_id,
                "instance": member.group_instance_id,
                "host": member.host,
                "partitions": [
                    *sorted(
                        f"{place.topic}-{place.partition}" for place in member.assignment.topic_partitions
                    )
                ],
            }
            for member in sorted(group.members, key=lambda member: str(member.member_id))
        ]
        return {
            "group": self.group,
            "state": group.state.name,
            "type": group.type.name,
            "assignor": group.partition_assignor,
            "coordinator": group.coordinator.id if group.coordinator else None,
            "members": members,
        }
