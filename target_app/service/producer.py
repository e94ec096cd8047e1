"""Publishing to Kafka so that nothing acknowledged is lost and nothing is written twice by a retry.

The producer is idempotent and waits for all in-sync replicas. Delivery reports come in a thread that only
polls; each is handed to the coroutine that is waiting for it. A record whose report never came is *unknown*:
the outbox sends it again, and consumers know it by its event id.
"""

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from target_app.service.backoff import RECONNECT
from target_app.service.configuration import ProducerSettings
from target_app.service.lifecycle import Health
from target_app.service.logs import fields

log = logging.getLogger(__name__)

# A producer that failed for good purges what it had at once; this is only a bound.
_LAST_REPORTS_S = 5.0
_FLUSH_S = 1.0  # at the end: whoever sent something has waited for its report already
_START_LOOK_S = 2.0
_HEALTH_LOOK_S = 1.0


class NotDelivered(Exception):  # noqa: N818 - what happened, as a caller speaks of it
    """No acknowledgement came. The record may be in the log all the same."""


class EventProducer:
    """An idempotent producer with `acks=all`. A part of its service.

    Args:
        settings: Where Kafka is, and how long a record may take.
        client_id: What brokers know it by.
        name: As a part of its service.
        leader_alone: The planted defect `publish-without-waiting`: no replica is waited for.
    """

    def __init__(
        self, settings: ProducerSettings, *, client_id: str, name: str = "kafka", leader_alone: bool = False
    ) -> None:
        self.name = name
        self._config = {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "client.id": client_id,
            "enable.idempotence": not leader_alone,
            "acks": "1" if leader_alone else "all",
            "delivery.timeout.ms": round(settings.kafka_delivery_timeout_s * 1000),
            "linger.ms": settings.kafka_linger_s * 1000,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 3,
            "error_cb": self._on_error,
        }
        self._producer: Producer | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._down: str | None = "not connected yet"

    async def start(self) -> None:
        """Return once a broker has answered."""
        self._producer = Producer(self._config)
        self._thread = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._thread.start()
        failures = 0
        while not await asyncio.to_thread(self._reachable, _START_LOOK_S):
            failures += 1
            log.warning("Kafka not reachable yet", extra=fields(attempt=failures, error=self._down))
            await asyncio.sleep(RECONNECT.after(failures))

    async def stop(self) -> None:
        """Wait a moment for what has been handed over."""
        if self._producer is not None:
            left = await asyncio.to_thread(self._producer.flush, _FLUSH_S)
            if left:
                log.warning("Events left unacknowledged, the outbox has them", extra=fields(events=left))
        self._ending.set()

    async def health(self) -> Health:
        """Down while no broker can be reached."""
        if self._down is not None and not await asyncio.to_thread(self._reachable, _HEALTH_LOOK_S):
            return Health(status="DOWN", details={"error": self._down})
        return Health()

    def send(
        self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> asyncio.Future[None]:
        """Hand one record over. The future is done once it is acknowledged, or fails with `NotDelivered`."""
        loop = asyncio.get_running_loop()
        reported: asyncio.Future[None] = loop.create_future()

        def on_report(error: KafkaError | None, _message: Any) -> None:
            loop.call_soon_threadsafe(self._report, reported, error)

        if self._producer is None:
            reported.set_exception(NotDelivered("not connected yet"))
            return reported
        try:
            self._producer.produce(topic, value, key, headers=[*headers], on_delivery=on_report)
        except (BufferError, KafkaException) as error:
            reported.set_exception(NotDelivered(str(error)))
        return reported

    def _report(self, reported: asyncio.Future[None], error: KafkaError | None) -> None:
        if error is None:
            self._down = None
        if reported.done():
            return
        if error is None:
            reported.set_result(None)
        else:
            reported.set_exception(NotDelivered(str(error)))

    def _poll(self) -> None:
        while not self._ending.is_set():
            producer = self._producer
            if producer is None:
                return
            try:
                producer.poll(0.5)
            except KafkaException as error:
                # An idempotent producer that can no longer keep its promise says so here, once, and refuses
                # everything from then on. What it still has to report it reports while it is flushed.
                log.error("Kafka producer failed for good, starting another", extra=fields(error=str(error)))  # noqa: TRY400 - the error says it all
                self._producer = Producer(self._config)
                with suppress(KafkaException):
                    producer.flush(_LAST_REPORTS_S)

    def _reachable(self, within_s: float) -> bool:
        if self._producer is None:
            return False
        try:
            self._producer.list_topics(timeout=within_s)
        except KafkaException as error:
            self._down = str(error)
            return False
        self._down = None
        return True

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the library's public error code
            self._down = str(error)
