"""The order service, put together."""

from typing import TYPE_CHECKING
from uuid import uuid4

from fastapi import FastAPI

from target_app.orders.api import order_routes, saga_routes
from target_app.orders.backlog import Backlog
from target_app.orders.compensation import OrderSagaCompensation
from target_app.orders.coordinator import SagaCoordinator
from target_app.orders.direct_publishing import OrdersToldBeside, impatient_producer
from target_app.orders.orchestrator import OrderSagaOrchestrator
from target_app.orders.order_store import Orders, OrderTables
from target_app.orders.outbox import OutboxRelay
from target_app.orders.outcomes import Outcomes
from target_app.orders.payment_queue import DurablePaymentQueue, InMemoryPaymentQueue, PaymentQueue
from target_app.orders.saga_store import SagaTables
from target_app.orders.settings import OrdersSettings
from target_app.orders.steps import RemoteSteps
from target_app.service.backoff import Backoff
from target_app.service.breaker import CircuitBreaker
from target_app.service.bulkhead import Bulkhead
from target_app.service.consumer import EventConsumer
from target_app.service.database import Database
from target_app.service.events import ORDER_EVENTS
from target_app.service.http_client import Peer
from target_app.service.metrics import Metrics
from target_app.service.producer import EventProducer
from target_app.service.request_queue import RequestQueue
from target_app.service.retry import Retry
from target_app.service.server import build
from target_app.variants import Variant

if TYPE_CHECKING:
    from target_app.service.lifecycle import Part

COORDINATOR_GROUP = "saga-coordinator-group"
PAYMENT_SERVICE = "paymentService"


def create_app(settings: OrdersSettings) -> FastAPI:
    """The order service."""
    metrics = Metrics()
    database = Database(settings, metrics)
    inventory = Peer(
        "inventory", settings.inventory_url, settings=settings, timeout_s=settings.inventory_timeout_s
    )
    payments = Peer(
        "payments", settings.payments_url, settings=settings, timeout_s=settings.payment_timeout_s
    )
    breaker = CircuitBreaker(PAYMENT_SERVICE, settings, metrics, variants=settings.shop_variants)
    producer = EventProducer(
        settings,
        client_id=f"orders-{uuid4().hex[:8]}",
        leader_alone=Variant.PUBLISH_WITHOUT_WAITING in settings.shop_variants,
    )
    relay = OutboxRelay(
        database,
        producer,
        metrics,
        poll_interval_s=settings.outbox_poll_interval_s,
        batch=settings.outbox_batch_size,
    )
    sagas = SagaTables(
        database,
        lease_s=settings.saga_lease_s,
        timeout_s=settings.saga_timeout_s,
        wrote_events=relay.wake,
        variants=settings.shop_variants,
    )
    queue: PaymentQueue = DurablePaymentQueue(
        database, sagas, retry_interval_s=settings.payment_retry_interval_s
    )
    if Variant.FALLBACK_QUEUE_IN_MEMORY in settings.shop_variants:
        queue = InMemoryPaymentQueue(database, sagas)
    outcomes = Outcomes(settings, metrics)
    steps = RemoteSteps(
        inventory,
        payments,
        retry=Retry(PAYMENT_SERVICE, settings, metrics),
        breaker=breaker,
        bulkhead=Bulkhead(PAYMENT_SERVICE, settings.bulkhead_payment_service_max_concurrent_calls, metrics),
        variants=settings.shop_variants,
    )
    backoff = Backoff(first_s=settings.saga_retry_first_s, most_s=settings.saga_retry_most_s)
    compensation = OrderSagaCompensation(sagas, steps, outcomes, backoff, variants=settings.shop_variants)
    orchestrator = OrderSagaOrchestrator(
        sagas, steps, queue, compensation, outcomes, backoff, variants=settings.shop_variants
    )
    coordinator = SagaCoordinator(settings, sagas, queue, breaker, orchestrator, compensation, metrics)
    consumer = EventConsumer(
        settings,
        topic=ORDER_EVENTS,
        group=COORDINATOR_GROUP,
        client_id="saga-coordinator",
        handle=coordinator.on_events,
        metrics=metrics,
    )
    backlog = Backlog(
        database, metrics, stuck_after_s=settings.saga_stuck_after_s, every_s=settings.saga_sweep_interval_s
    )
    # Stopped in reverse: nothing new is taken up, sagas end, their events go out, and then all is closed.
    parts: list[Part] = [
        database,
        inventory,
        payments,
        breaker,
        backlog,
        producer,
        relay,
        coordinator,
        consumer,
    ]
    orders: Orders = OrderTables(database)
    if Variant.PUBLISH_OUTSIDE_TRANSACTION in settings.shop_variants:
        beside = impatient_producer(settings)
        parts.append(beside)
        orders = OrdersToldBeside(OrderTables(database, with_event=False), beside)
    requests = RequestQueue("orders", settings, metrics, variants=settings.shop_variants)
    routers = [
        order_routes(settings, orders, outcomes, relay.wake, requests),
        saga_routes(orders, requests),
        breaker.routes(),
    ]
    return build("orders", settings, parts, routers, metrics)
