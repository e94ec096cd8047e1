"""The planted defect `publish-outside-transaction`: commit the order, then tell Kafka, and hope.

Two writes of which either may fail alone. It works for as long as Kafka answers, which is why it is written so often.
"""

import logging
from typing import Any
from uuid import uuid4

from target_app.orders.order_store import NewOrder, Order, Orders
from target_app.orders.settings import OrdersSettings
from target_app.service.events import ORDER_CREATED, ORDER_EVENTS, Event
from target_app.service.logs import fields
from target_app.service.producer import EventProducer, NotDelivered

log = logging.getLogger(__name__)

_PATIENCE_S = 1.0  # a customer is waiting for the answer


def impatient_producer(settings: OrdersSettings) -> EventProducer:
    """A producer that gives a record up when a customer would."""
    impatient = settings.model_copy(update={"kafka_delivery_timeout_s": _PATIENCE_S})
    return EventProducer(impatient, client_id=f"orders-api-{uuid4().hex[:8]}", name="kafkaApi")


class OrdersToldBeside:
    """Orders whose first event is published beside their transaction. See `order_store.Orders`.

    Args:
        orders: Where they are kept, without that event.
        producer: Where it goes.
    """

    def __init__(self, orders: Orders, producer: EventProducer) -> None:
        self._orders = orders
        self._producer = producer

    async def create(self, order: NewOrder, traceparent: str) -> Order | None:
        """Commit it, then tell."""
        created = await self._orders.create(order, traceparent)
        if created is not None:
            await self._tell(order, created, traceparent)
        return created

    async def find(self, order_id: str) -> Order | None:
        """See `Orders.find`."""
        return await self._orders.find(order_id)

    async def saga(self, *, saga_id: str | None = None, order_id: str | None = None) -> dict[str, Any] | None:
        """See `Orders.saga`."""
        return await self._orders.saga(saga_id=saga_id, order_id=order_id)

    async def _tell(self, order: NewOrder, created: Order, traceparent: str) -> None:
        event = Event(
            event_id=str(uuid4()),
            event_type=ORDER_CREATED,
            order_id=created.order_id,
            saga_id=created.saga_id,
            version=created.version,
            occurred_at=created.event_timestamp,
            traceparent=traceparent,
            body=order.event_body,
        )
        try:
            await self._producer.send(ORDER_EVENTS, event.key, event.encode(), event.headers)
        except NotDelivered as error:
            log.warning("Order not told of", extra=fields(order_id=event.order_id, error=str(error)))
