"""The defect that publishes beside the transaction really tells, and really forgets."""

import asyncio
from typing import Any, cast

import pytest

from target_app.orders.direct_publishing import OrdersToldBeside, impatient_producer
from target_app.orders.order_store import Line, NewOrder
from target_app.service.events import decode
from target_app.service.producer import EventProducer, NotDelivered
from tests.target_app.test_orders_api import SETTINGS, FakeOrders

WANTED = NewOrder(
    order_id="o1", customer_id="c1", lines=(Line(sku="s1", quantity=2),), amount_cents=900, card="tok_visa"
)


class FakeProducer:
    """Takes what it is handed, or never hears of an acknowledgement."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.sent: list[tuple[str, bytes, bytes, Any]] = []

    def send(self, topic: str, key: bytes, value: bytes, headers: Any) -> asyncio.Future[None]:
        self.sent.append((topic, key, value, headers))
        reported: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.answers:
            reported.set_result(None)
        else:
            reported.set_exception(NotDelivered("message timed out"))
        return reported


@pytest.mark.parametrize("answers", [True, False])
def test_an_order_is_accepted_whether_anybody_was_told_of_it_or_not(answers: bool) -> None:
    producer, orders = FakeProducer(answers=answers), FakeOrders()
    beside = OrdersToldBeside(orders, cast("EventProducer", producer))

    async def twice() -> list[Any]:
        return [await beside.create(WANTED, ""), await beside.create(WANTED, ""), await beside.find("o1")]

    created, again, found = asyncio.run(twice())
    assert created == found
    assert again is None
    [(topic, key, value, headers)] = producer.sent
    event = decode(value, headers)
    assert (topic, key, event.event_type, event.version) == ("order-events", b"o1", "OrderCreated", 1)
    assert event.body == WANTED.event_body


def test_it_waits_no_longer_than_a_customer() -> None:
    assert impatient_producer(SETTINGS)._config["delivery.timeout.ms"] == 1000
    assert EventProducer(SETTINGS, client_id="c")._config["delivery.timeout.ms"] == 30_000


def test_only_the_defect_takes_a_leader_s_word_alone() -> None:
    wanted = {"acks": "all", "enable.idempotence": True}
    assert wanted.items() <= EventProducer(SETTINGS, client_id="c")._config.items()
    alone = EventProducer(SETTINGS, client_id="c", leader_alone=True)._config
    assert {"acks": "1", "enable.idempotence": False}.items() <= alone.items()
