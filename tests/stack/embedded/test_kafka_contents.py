"""What a cluster contains is what all its brokers say, and each learns of it by itself."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.stack import Address
from harness.stack.embedded import kafka_contents
from harness.stack.embedded.kafka_contents import KafkaContents

BROKERS = [Address("127.0.0.1", 1), Address("127.0.0.1", 2)]


class Lagging:
    """The client of one broker: the second one hears of a topic after it was asked twice."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._late_by = 2 if config["bootstrap.servers"].endswith(":2") else 0

    def list_topics(self, timeout: float) -> SimpleNamespace:
        assert timeout > 0
        self._late_by -= 1
        names = ["__consumer_offsets", "orders"] if self._late_by < 0 else ["__consumer_offsets"]
        return SimpleNamespace(topics=dict.fromkeys(names))


def test_a_topic_that_one_broker_has_not_heard_of_yet_is_not_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_contents, "AdminClient", Lagging)
    assert KafkaContents(BROKERS).topics() == ["orders"]
