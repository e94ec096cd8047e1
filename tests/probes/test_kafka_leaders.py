"""What is recorded of partitions: as the newest epoch has it, and who says so."""

from typing import Any

import pytest

from harness.errors import ProbeError
from harness.probes.kafka_leaders import KafkaLeaders
from tests.faults.fake_kafka import TOPIC, FakeKafka
from tests.probes.fake_target import stack_of

LEADERS = KafkaLeaders(name="leaders", topics=(TOPIC,))


def test_a_row_tells_who_leads_who_is_in_sync_and_who_says_so() -> None:
    kafka = FakeKafka()
    with kafka.stack() as stack:
        assert LEADERS.read(stack, timeout_s=2) == [
            {
                "topic": TOPIC,
                "partition": 0,
                "leader": 1,
                "epoch": 7,
                "isr": [1, 2, 3],
                "replicas": [1, 2, 3],
                "told_by": [1, 2, 3],
            }
        ]


def test_a_leader_that_is_cut_off_is_asked_and_not_believed() -> None:
    kafka = FakeKafka()
    with kafka.stack() as stack:
        LEADERS.read(stack, timeout_s=2)
        for link in kafka.links.values():
            if "kafka-1" in {link.client, link.server}:
                link.disable()
        kafka.told_by("kafka-2")  # the others elect
        rows: Any = LEADERS.read(stack, timeout_s=2)
        [row] = rows
        assert (row["leader"], row["epoch"], row["told_by"]) == (2, 8, [2, 3])


def test_with_two_brokers_dead_the_third_tells() -> None:
    kafka = FakeKafka()
    with kafka.stack() as stack:
        for name in ("kafka-1", "kafka-2"):
            kafka.services[name].kill()
        rows: Any = LEADERS.read(stack, timeout_s=2)
        [row] = rows
        assert (row["leader"], row["isr"], row["told_by"]) == (3, [3], [3])


def test_what_nobody_tells_of_is_an_error_and_not_empty() -> None:
    kafka = FakeKafka()
    with kafka.stack() as stack:
        with pytest.raises(ProbeError, match="none of 3 brokers told of evnts"):
            KafkaLeaders(name="leaders", topics=(TOPIC, "evnts")).read(stack, timeout_s=2)
        for service in kafka.services.values():
            service.kill()
        with pytest.raises(ProbeError, match="nobody answered"):
            LEADERS.read(stack, timeout_s=2)
    with pytest.raises(ProbeError, match="no Kafka"):
        LEADERS.read(stack_of(), timeout_s=2)
