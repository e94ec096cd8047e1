"""The producer when librdkafka gives up: it is replaced, and nobody waits for ever for a report."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from target_app.service import producer as module
from target_app.service.configuration import ProducerSettings
from target_app.service.producer import EventProducer, NotDelivered


class FakeProducer:
    """Behaves as librdkafka does: the first one made fails for good once something was handed to it.

    As seen with `rd_kafka_test_fatal_error`: `poll` raises once, the reports come afterwards with an error of their
    own that is not fatal, and `produce` refuses.
    """

    made: ClassVar[list["FakeProducer"]] = []

    def __init__(self, config: dict[str, Any]) -> None:
        del config
        self.breaks = not self.made
        self.broken = False
        self.news = threading.Event()
        self.waiting: list[Callable[[KafkaError | None, Any], None]] = []
        self.made.append(self)

    def list_topics(self, timeout: float) -> None:
        del timeout

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Callable[..., None]
    ) -> None:
        del topic, value, key, headers
        if self.broken:
            raise KafkaException(KafkaError(KafkaError._FATAL))
        self.waiting.append(on_delivery)
        self.news.set()

    def poll(self, timeout: float) -> int:
        self.news.wait(timeout)
        self.news.clear()
        if self.waiting and self.breaks and not self.broken:
            self.broken = True
            raise KafkaException(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True))
        return 0 if self.breaks else self.flush(0)

    def flush(self, timeout: float) -> int:
        del timeout
        purged = KafkaError(KafkaError._PURGE_QUEUE) if self.broken else None
        while self.waiting:
            self.waiting.pop(0)(purged, None)
        return 0


def test_a_producer_that_failed_for_good_is_replaced_and_its_records_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "Producer", FakeProducer)
    monkeypatch.setattr(FakeProducer, "made", [])

    async def publish() -> None:
        settings = ProducerSettings(kafka_bootstrap_servers="127.0.0.1:1")
        producer = EventProducer(settings, client_id="test")
        await producer.start()
        try:
            async with asyncio.timeout(5):
                with pytest.raises(NotDelivered):
                    await producer.send("order-events", b"o1", b"{}", [])
                await producer.send("order-events", b"o1", b"{}", [])  # by the second one
        finally:
            await producer.stop()

    asyncio.run(publish())
    assert len(FakeProducer.made) == 2
