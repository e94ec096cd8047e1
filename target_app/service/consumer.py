"""Consuming from Kafka so that an offset is committed only after the effect of its record.

A thread polls and hands batches to the event loop; while a batch takes long its partitions are paused and
polling goes on, so that slow work is not mistaken for a dead consumer. A batch that fails is tried again
until it succeeds: only its handler knows which record will never succeed and belongs elsewhere.
Deliveries repeat after a crash or a rebalance; handlers absorb that.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from target_app.service.backoff import Backoff
from target_app.service.configuration import ConsumerSettings
from target_app.service.lag import GroupLag
from target_app.service.lifecycle import Health
from target_app.service.logs import fields
from target_app.service.metrics import Counter, Metrics
from target_app.variants import Variant

log = logging.getLogger(__name__)

_RETRY = Backoff(first_s=0.1, most_s=2.0)
_PAUSE_AFTER_S = 1.0
_STEP_S = 0.2  # while a batch is worked on, between two looks at everything else
_SAY_EVERY_S = 5.0  # while a start is held up, what by
_LOOK_EVERY_S = 1.0  # for brokers that were away
_COMMIT_AGAIN_AFTER_S = 1.0
_FINISH_WITHIN_S = 1.0  # the batch in hand, when the service ends: its other parts need time, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


Handler = Callable[[Sequence[Record]], Awaitable[None]]


class EventConsumer:
    """One member of a consumer group. A part of its service."""

    def __init__(
        self,
        settings: ConsumerSettings,
        *,
        topic: str,
        group: str,
        client_id: str,
        handle: Handler,
        metrics: Metrics,
        variants: Collection[Variant] = (),
    ) -> None:
        self.name = "kafkaConsumer"
        self._topic = topic
        self._group = group
        self._handle = handle
        self._commit_first = Variant.COMMIT_BEFORE_EFFECT in variants
        self._commit_failed = Variant.COMMIT_ON_FAILURE in variants
        self._batch_size = settings.kafka_max_poll_records
        self._config: dict[str, Any] = {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "client.id": client_id,
            "group.id": group,
            "group.protocol": "classic",
            "session.timeout.ms": round(settings.kafka_session_timeout_s * 1000),
            "heartbeat.interval.ms": round(settings.kafka_heartbeat_interval_s * 1000),
            "max.poll.interval.ms": round(settings.kafka_max_poll_interval_s * 1000),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 3,
            "error_cb": self._on_error,
        }
        if settings.kafka_group_instance_id:
            self._config["group.instance.id"] = settings.kafka_group_instance_id
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = threading.Event()
        self._assigned = asyncio.Event()
        self._partitions = 0
        self._oldest_ms: int | None = None
        self._down: str | None = None
        self._look_at_s = 0.0
        self._handling: Future[bool] | None = None
        self._owed: dict[tuple[str, int], int] = {}  # offsets whose commit has not succeeded yet
        self._commit_at_s = 0.0
        self._revocations = 0
        self._last_error = ""
        self._lag = GroupLag(
            metrics,
            client_id=client_id,
            every_s=settings.kafka_lag_interval_s,
            variants=variants,
        )
        self._consumed: Counter = metrics.counter("kafka.consumer.records.consumed.total", "Records consumed")
        self._rebalances: Counter = metrics.counter("kafka.consumer.rebalance.total", "Rebalances seen")
        metrics.gauge(
            "event.processing.lag",
            "Age of the oldest record read and not yet processed; 0 when there is none",
            self._lag_s,
            unit="seconds",
        )

    async def start(self) -> None:
        """Join the group, and return once it has assigned partitions (perhaps none).

        The library asks again by itself, every second or so, for brokers, a coordinator and a topic that are not there.
        """
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"consumer-{self._group}", daemon=True)
        self._thread.start()
        while not self._assigned.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAY_EVERY_S):
                    await self._assigned.wait()
                    return
            log.warning(
                "Group not joined yet",
                extra=fields(group=self._group, topic=self._topic, error=self._last_error),
            )

    async def stop(self) -> None:
        """Finish the batch in hand, commit it and leave the group.

        A batch that takes longer is broken off, and read again by whoever owns it next: its handler absorbs that.
        """
        self._ending.set()
        if self._thread is None:
            return
        await asyncio.to_thread(self._thread.join, _FINISH_WITHIN_S)
        if self._thread.is_alive() and self._handling is not None:
            self._handling.cancel()
        await asyncio.to_thread(self._thread.join)

    async def health(self) -> Health:
        """Down while no broker can be reached."""
        if self._down is not None:
            return Health(status="DOWN", details={"group": self._group, "error": self._down})
        return Health(details={"group": self._group, "partitions": self._partitions})

    def _lag_s(self) -> float:
        oldest_ms = self._oldest_ms
        return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            try:
                self._consume()
            except Exception as error:
                # A member that was fenced, or a library that gave up: a thread that died of it would leave a
                # service that looks well and reads nothing.
                failures += 1
                self._down = repr(error)
                log.exception("Consumer failed, joining the group again", extra=fields(group=self._group))
                self._ending.wait(_RETRY.after(failures))

    def _consume(self) -> None:
        """Be a member of the group until the end, or until the client library gives up."""
        consumer = Consumer(self._config)
        self._owed.clear()  # of an earlier membership
        consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
        try:
            while not self._ending.is_set():
                batch = self._read(consumer)
                self._lag.look(consumer)
                if batch and not self._ending.is_set():
                    self._process(consumer, batch)
                elif self._owed and time.monotonic() >= self._commit_at_s:
                    self._commit(consumer)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> list[Record]:
        batch = []
        for message in consumer.consume(self._batch_size, timeout=0.05) or ():
            error = message.error()
            if error is not None:
                self._note(error)
                continue
            self._down = None
            batch.append(_record(message))
        if self._down is not None:
            self._look_again(consumer)
        return batch

    def _look_again(self, consumer: Consumer) -> None:
        """Ask for brokers that were away: on a quiet topic no record tells that they are back."""
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S
        with suppress(KafkaException):
            consumer.list_topics(self._topic, timeout=_LOOK_EVERY_S)
            self._down = None

    def _process(self, consumer: Consumer, batch: list[Record]) -> None:
        assert self._loop is not None  # noqa: S101 - set before the thread starts
        self._oldest_ms = min(record.timestamp_ms for record in batch)
        revocations = self._revocations
        if self._commit_first:
            self._owe(batch)
            self._commit(consumer)
        self._handling = done = asyncio.run_coroutine_threadsafe(self._until_handled(batch), self._loop)
        try:
            handled = self._await(consumer, done)
        except CancelledError:
            return  # the end
        except BaseException:
            done.cancel()  # its records are read again, by whoever owns them by then
            raise
        self._oldest_ms = None
        if not handled:
            return
        self._consumed.add(len(batch))
        if self._revocations != revocations:
            return  # somebody else had them meanwhile and may be further: they are read again by whoever has them now
        self._owe(batch)
        self._commit(consumer)

    def _owe(self, batch: Sequence[Record]) -> None:
        for record in batch:
            self._owed[record.topic, record.partition] = record.offset + 1

    def _commit(self, consumer: Consumer) -> None:
        """Commit what is owed for the partitions that are still ours; whoever has the others reads them again.

        Where that fails it is tried again: on a quiet topic no later batch would say as much.
        """
        owned = {(partition.topic, partition.partition) for partition in consumer.assignment()}
        self._owed = {place: offset for place, offset in self._owed.items() if place in owned}
        if not self._owed:
            return
        offsets = [TopicPartition(*place, offset) for place, offset in self._owed.items()]
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._commit_at_s = time.monotonic() + _COMMIT_AGAIN_AFTER_S
            log.warning("Offset commit failed", extra=fields(error=str(error), group=self._group))
        else:
            self._lag.committed(self._owed)
            self._owed.clear()

    def _await(self, consumer: Consumer, done: "Future[bool]") -> bool:
        pause_at_s = time.monotonic() + _PAUSE_AFTER_S
        paused = False
        while True:
            try:
                handled = done.result(_STEP_S)
            except NotYet:
                self._lag.look(consumer)
                if not paused and time.monotonic() >= pause_at_s:
                    consumer.pause(consumer.assignment())
                    paused = True
                if paused:
                    _say_alive(consumer)
                continue
            if paused:
                consumer.resume(consumer.assignment())
            return handled

    async def _until_handled(self, batch: Sequence[Record]) -> bool:
        failures = 0
        while True:
            try:
                await self._handle(batch)
            except Exception as error:
                failures += 1
                log.exception(
                    "Event processing failed, trying again",
                    extra=fields(attempt=failures, records=len(batch), error=repr(error)),
                )
                if self._commit_failed:
                    return True
                if self._ending.is_set():
                    return False
                await asyncio.sleep(_RETRY.after(failures))
            else:
                return True

    def _on_assign(self, _consumer: Consumer, partitions: list[Any]) -> None:
        self._partitions = len(partitions)
        self._down = None
        self._rebalances.add()
        log.info(
            "Rebalance: partitions assigned", extra=fields(group=self._group, partitions=len(partitions))
        )
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._assigned.set)

    def _on_revoke(self, _consumer: Consumer, partitions: list[Any]) -> None:
        self._partitions = 0
        self._revocations += 1
        self._lag.forget()
        self._owed.clear()  # whoever has them next reads them again, and may be further by the time they come back
        log.info(
            "Rebalance triggered: partitions revoked", extra=fields(group=self._group, count=len(partitions))
        )

    def _on_error(self, error: KafkaError) -> None:
        self._note(error)

    def _note(self, error: KafkaError) -> None:
        self._last_error = str(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the library's public error code
            self._down = str(error)
            log.warning("Kafka not reachable", extra=fields(error=str(error), group=self._group))


def _say_alive(consumer: Consumer) -> None:
    """Poll, with everything paused, so that nothing comes.

    A rebalance may hand us a partition that is not: what it delivers is put back and the partition paused with the
    others.
    """
    message: Any = consumer.poll(0)
    if message is not None and message.error() is None:
        place = TopicPartition(message.topic(), message.partition(), message.offset())
        consumer.pause([place])
        consumer.seek(place)


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )
