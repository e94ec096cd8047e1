"""The order consumer, put together."""

from uuid import uuid4

from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse

from target_app.order_consumer.processor import EventProcessor
from target_app.order_consumer.projection import ViewTables
from target_app.order_consumer.settings import OrderConsumerSettings
from target_app.service.consumer import EventConsumer
from target_app.service.database import Database
from target_app.service.events import ORDER_EVENTS
from target_app.service.metrics import Metrics
from target_app.service.problems import Problem
from target_app.service.producer import EventProducer
from target_app.service.server import build

GROUP = "order-processing-group"


def create_app(settings: OrderConsumerSettings) -> FastAPI:
    """The order consumer."""
    metrics = Metrics()
    database = Database(settings, metrics)
    views = ViewTables(database, variants=settings.shop_variants)
    producer = EventProducer(settings, client_id=f"order-consumer-{uuid4().hex[:8]}")
    processor = EventProcessor(views, producer, metrics)
    consumer = EventConsumer(
        settings,
        topic=ORDER_EVENTS,
        group=GROUP,
        client_id="order-consumer",
        handle=processor.on_records,
        metrics=metrics,
        variants=settings.shop_variants,
    )
    router = APIRouter(prefix="/api/v1/views")

    @router.get("/orders/{order_id}")
    async def view(order_id: str) -> JSONResponse:
        """An order as the read view has it. It follows the order service with a delay."""
        found = await views.find(order_id)
        if found is None:
            raise Problem(404, "Not Found", f"the view does not show an order {order_id!r} yet")
        return JSONResponse(found, headers={"X-Resource-Version": str(found["version"])})

    return build("order-consumer", settings, [database, producer, consumer], [router], metrics)
