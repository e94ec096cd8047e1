"""The consumer when its client library gives up: it joins again, since a thread that died would look like peace."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from harness.clock import wait_until
from target_app.service import consumer as module
from target_app.service.backoff import Backoff
from target_app.service.configuration import ConsumerSettings
from target_app.service.consumer import EventConsumer, Record
from target_app.service.database import DatabaseLost
from target_app.service.metrics import Metrics
from target_app.variants import Variant


def message(offset: int) -> SimpleNamespace:
    """One record as the library hands it out."""
    values = {
        "topic": "order-events",
        "partition": 0,
        "offset": offset,
        "timestamp": (1, 1_000),
        "key": b"o1",
        "value": b"{}",
        "headers": [],
        "error": None,
    }
    return SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})


class FakeConsumer:
    """The first member is fenced when it asks for records; the second gets one."""

    made: ClassVar[list["FakeConsumer"]] = []

    def __init__(self, config: dict[str, Any]) -> None:
        del config
        self.is_first = not self.made
        self.closed = False
        self.commits: list[int] = []
        self.left = [message(7)]
        self.made.append(self)

    def subscribe(self, topics: list[str], *, on_assign: Callable[..., None], on_revoke: Any) -> None:
        del on_revoke
        on_assign(self, topics)

    def consume(self, most: int, *, timeout: float) -> Sequence[SimpleNamespace]:
        del most, timeout
        if self.is_first:
            raise KafkaException(KafkaError(KafkaError.FENCED_INSTANCE_ID, fatal=True))
        given, self.left = self.left, []
        return given

    def assignment(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(topic="order-events", partition=0)]

    def get_watermark_offsets(self, place: object, *, timeout: float) -> tuple[int, int]:
        del place, timeout
        return 0, 8

    def committed(self, places: Sequence[Any], *, timeout: float) -> list[SimpleNamespace]:
        del timeout
        nothing = -1001
        return [
            SimpleNamespace(topic=place.topic, partition=place.partition, offset=nothing) for place in places
        ]

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> None:
        assert not asynchronous
        self.commits += [place.offset for place in offsets]

    def close(self) -> None:
        self.closed = True


def consumer_of(handle: Callable[[Sequence[Record]], Awaitable[None]], *variants: Variant) -> EventConsumer:
    """One whose broker nobody reaches: the tests put a client of their own in its place."""
    return EventConsumer(
        ConsumerSettings(kafka_bootstrap_servers="127.0.0.1:1"),
        topic="order-events",
        group="g",
        client_id="test",
        handle=handle,
        metrics=Metrics(),
        variants=variants,
    )


def test_a_member_that_was_fenced_joins_again_and_goes_on_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Consumer", FakeConsumer)
    monkeypatch.setattr(module, "_RETRY", Backoff(first_s=0.001, most_s=0.001))
    monkeypatch.setattr(FakeConsumer, "made", [])
    handled: asyncio.Queue[int] = asyncio.Queue()

    async def handle(records: Sequence[Record]) -> None:
        for record in records:
            handled.put_nowait(record.offset)

    async def read_one() -> int:
        consumer = consumer_of(handle)
        await consumer.start()
        try:
            async with asyncio.timeout(5):
                return await handled.get()
        finally:
            await consumer.stop()

    assert asyncio.run(read_one()) == 7
    first, second = FakeConsumer.made
    assert first.closed
    assert second.closed
    assert second.commits == [8]


class Steady(FakeConsumer):
    """Reads its record once; its brokers can be asked for, and are away until somebody says otherwise."""

    away: ClassVar[bool] = True

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.is_first = False

    def list_topics(self, topic: str, *, timeout: float) -> None:
        del topic, timeout
        if Steady.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def pause(self, places: Sequence[object]) -> None:
        """Nothing to do: there is one record only."""

    def poll(self, timeout: float) -> None:
        """Nothing comes while paused."""


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Consumer", Steady)
    monkeypatch.setattr(Steady, "made", [])
    monkeypatch.setattr(Steady, "away", True)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.001)


@pytest.mark.usefixtures("steady")
def test_brokers_that_are_back_are_seen_though_nobody_sends_anything() -> None:
    async def outage() -> list[str]:
        read = asyncio.Event()

        async def only_one(records: Sequence[Record]) -> None:
            del records
            read.set()

        consumer = consumer_of(only_one)
        await consumer.start()
        await read.wait()  # from here on no record tells anything
        consumer._on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        seen = [(await consumer.health()).status]
        Steady.away = False
        await asyncio.to_thread(
            wait_until, lambda: consumer._down is None, within_s=5, what="brokers to be seen", every_s=0.001
        )
        seen.append((await consumer.health()).status)
        await consumer.stop()
        return seen

    assert asyncio.run(outage()) == ["DOWN", "UP"]


@pytest.mark.usefixtures("steady")
def test_a_batch_that_does_not_end_holds_up_nobody_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sagas wait for a slow payment; the service is told to end, and has other parts to stop."""
    monkeypatch.setattr(module, "_FINISH_WITHIN_S", 0.01)

    async def ended() -> bool:
        begun = asyncio.Event()

        async def never_done(records: Sequence[Record]) -> None:
            del records
            begun.set()
            await asyncio.Event().wait()

        consumer = consumer_of(never_done)
        await consumer.start()
        await begun.wait()
        async with asyncio.timeout(10):
            await consumer.stop()
        return True

    assert asyncio.run(ended())
    [member] = Steady.made
    assert member.closed
    assert member.commits == [], "it is read again"


class LateConsumer(FakeConsumer):
    """Its topic is missing until somebody says that it is there."""

    there: ClassVar[Callable[[], bool]]
    on_assign: Callable[..., None] | None = None

    def subscribe(self, topics: list[str], *, on_assign: Callable[..., None], on_revoke: Any) -> None:
        del topics, on_revoke
        self.on_assign = on_assign

    def consume(self, most: int, *, timeout: float) -> Sequence[SimpleNamespace]:
        del most, timeout
        if not LateConsumer.there():
            missing = KafkaError(
                KafkaError.UNKNOWN_TOPIC_OR_PART, "Subscribed topic not available: order-events"
            )
            return [SimpleNamespace(error=lambda: missing)]
        if self.on_assign is not None:
            self.on_assign(self, [])
        return []


def test_a_topic_that_comes_late_is_waited_for_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "Consumer", LateConsumer)
    monkeypatch.setattr(module, "_SAY_EVERY_S", 0.001)
    monkeypatch.setattr(LateConsumer, "made", [])

    def said() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.message == "Group not joined yet"]

    monkeypatch.setattr(LateConsumer, "there", staticmethod(lambda: bool(said())), raising=False)

    async def handle(records: Sequence[Record]) -> None:
        raise AssertionError(f"nothing was sent, got {records}")

    async def join() -> None:
        consumer = consumer_of(handle)
        async with asyncio.timeout(5):
            await consumer.start()
        await consumer.stop()

    with caplog.at_level("WARNING"):
        asyncio.run(join())
    assert "not available: order-events" in str(said()[0].__dict__)


class Unlucky(Steady):
    """Its first commit fails, as one does while the group's coordinator moves; nothing is sent any more."""

    tries: ClassVar[list[int]] = []

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> None:
        Unlucky.tries.append(offsets[0].offset)
        if len(Unlucky.tries) == 1:
            raise KafkaException(KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE))
        super().commit(offsets=offsets, asynchronous=asynchronous)


@pytest.mark.usefixtures("steady")
def test_an_offset_whose_commit_failed_is_committed_though_nobody_sends_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a quiet topic would look unread for ever."""
    monkeypatch.setattr(module, "Consumer", Unlucky)
    monkeypatch.setattr(Unlucky, "tries", [])
    monkeypatch.setattr(module, "_COMMIT_AGAIN_AFTER_S", 0.001)

    async def handle(records: Sequence[Record]) -> None:
        """All is well."""

    async def read() -> None:
        consumer = consumer_of(handle)
        await consumer.start()
        try:
            await asyncio.to_thread(
                wait_until, lambda: len(Unlucky.tries) == 2, within_s=5, what="a second try", every_s=0.01
            )
        finally:
            await consumer.stop()

    asyncio.run(read())
    [member] = Unlucky.made
    assert (Unlucky.tries, member.commits) == ([8, 8], [8])


class TakenAway(Steady):
    """Its partition is taken away and given back while it works on a batch: others have got further meanwhile."""

    on_revoke: Any = None

    def subscribe(self, topics: list[str], *, on_assign: Callable[..., None], on_revoke: Any) -> None:
        self.on_revoke = on_revoke
        super().subscribe(topics, on_assign=on_assign, on_revoke=on_revoke)


@pytest.mark.usefixtures("steady")
def test_what_was_taken_away_meanwhile_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backwards, that would be."""
    monkeypatch.setattr(module, "Consumer", TakenAway)
    handled = asyncio.Event()

    async def handle(records: Sequence[Record]) -> None:
        [member] = TakenAway.made
        assert isinstance(member, TakenAway)
        member.on_revoke(member, member.assignment())
        handled.set()

    async def read() -> None:
        consumer = consumer_of(handle)
        await consumer.start()
        try:
            async with asyncio.timeout(5):
                await handled.wait()
        finally:
            await consumer.stop()

    asyncio.run(read())
    [member] = TakenAway.made
    assert member.commits == []


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(("variants", "tries"), [((), 2), ((Variant.COMMIT_ON_FAILURE,), 1)])
def test_a_batch_that_failed_is_tried_again_before_it_is_committed(
    monkeypatch: pytest.MonkeyPatch, variants: tuple[Variant, ...], tries: int
) -> None:
    """But for the planted defect `commit-on-failure`, with which its records are lost."""
    monkeypatch.setattr(module, "_RETRY", Backoff(first_s=0.001, most_s=0.001))
    tried: list[int] = []

    async def handle(records: Sequence[Record]) -> None:
        [member] = Steady.made
        assert member.commits == [], "what has not been processed is committed"
        tried.append(records[0].offset)
        if len(tried) == 1:
            raise DatabaseLost("away")

    async def read() -> None:
        consumer = consumer_of(handle, *variants)
        await consumer.start()
        try:
            await asyncio.to_thread(
                wait_until,
                lambda: any(member.commits for member in Steady.made),
                within_s=5,
                what="a commit",
                every_s=0.01,
            )
        finally:
            await consumer.stop()

    asyncio.run(read())
    assert tried == [7] * tries
