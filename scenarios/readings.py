"""What can be read of the sample shop: its tables, its partner's ledger, Kafka's offsets and its own metrics.

All of it is asked from outside, past every proxy: SQL, HTTP, Kafka's protocol. A reading is evidence, so whatever a
planted defect could falsify is read where customers or partners would see it.
"""

from harness.observing import Observation
from harness.probes import Probe
from harness.probes.actuator import ActuatorMetric, BreakerEvents
from harness.probes.http import HttpTable
from harness.probes.kafka_lag import KafkaLag, KafkaUnread
from harness.probes.sql import SqlTable
from scenarios.shop import GATEWAYS

ORDERS = SqlTable(
    name="orders",
    database="orders",
    query="select order_id, customer_id, status, amount_cents as total_cents, items, version, "
    "(select coalesce(string_agg(concat(i->>'sku', ':', i->>'quantity'), ' ' order by i->>'sku' collate \"C\"), '') "
    "from jsonb_array_elements(items) i) as contents from orders order by order_id",
)
SAGAS = SqlTable(
    name="sagas",
    database="orders",
    query="select saga_id, order_id, status, current_step, error_message from saga_state order by saga_id",
)
SAGA_STEPS = ("reserve-inventory", "process-payment", "confirm-order")
SAGA_LOG = SqlTable(
    name="saga_log",
    database="orders",
    query="select l.id as seq, l.saga_id, s.order_id, l.step_name, l.status, l.executed_at, "
    "coalesce(l.error_message, '') as error_message "
    "from saga_execution_log l join saga_state s using (saga_id) order by l.id",
)
# What the process of orders has in its hands: the sagas whose lease it holds, and the step each stands at.
SAGAS_IN_HAND = SqlTable(
    name="sagas_in_hand",
    database="orders",
    query="select saga_id, order_id, current_step as step from saga_state "
    "where status = 'RUNNING' and lease_owner is not null order by saga_id",
)
PAYMENTS = SqlTable(
    name="payments",
    database="payments",
    query="select order_id, payment_id, status, amount_cents, idempotency_key from payment order by payment_id",
)
STOCK = SqlTable(
    name="stock",
    database="inventory",
    query="select sku, supplied as initial, available, reserved, sold from stock order by sku",
)
RESERVATIONS = SqlTable(
    name="reservations",
    database="inventory",
    query="select r.order_id, i->>'sku' as sku, (i->>'quantity')::bigint as quantity, r.status "
    "from reservation r, jsonb_array_elements(r.items) i order by 1, 2",
)
# When what each step asks for was done, by the books of whoever did it, also if it has been undone since.
EFFECT_TIMES = SqlTable(
    name="effect_times",
    database="inventory",
    query="select order_id, 'reserve-inventory' as step, created_at as at_ms from reservation where items <> '[]' "
    "union all select order_id, 'confirm-order', confirmed_at from reservation where confirmed_at is not null "
    "order by 1, 2",
)
APPLIED_EVENTS = SqlTable(
    name="applied_events",
    database="views",
    query="select seq, order_id, version, event_type, event_id, partition, kafka_offset "
    "from applied_events order by seq",
)
CONFIRMATIONS = SqlTable(
    name="confirmations",
    database="views",
    query="select seq, order_id, event_id from confirmation order by seq",
)
# How far effects have come in each partition, whatever the consumer has committed.
EFFECTS = SqlTable(
    name="effects",
    database="views",
    query="select partition, max(kafka_offset) as last_offset from applied_events group by partition order by 1",
)
ORDER_VIEW = SqlTable(
    name="order_view",
    database="views",
    query="select order_id, status, version, amount_cents as total_cents from order_view order by order_id",
)
LEDGER = HttpTable(name="ledger", service="provider", path="/v1/ledger")

OPEN_WORK = SqlTable(
    name="open_work",
    database="orders",
    query="select order_id from saga_state where status not in ('COMPLETED', 'COMPENSATED') "
    "union all select event_id from outbox where published_at is null",
)
PENDING_ORDERS = SqlTable(
    # As customers see it. What the saga says of itself is no evidence: a defect may be that it says nothing.
    name="pending_orders",
    database="orders",
    query="select order_id from orders where status = 'PENDING' order by order_id",
)
LAG = KafkaLag(name="lag", group="order-processing-group", topics=("order-events",))
UNREAD_EVENTS = KafkaUnread(name="unread_events", lag=LAG)
BREAKER_EVENTS = BreakerEvents(name="breaker_events", service="orders", breaker="paymentService")


def _payments_answered(outcome: str) -> ActuatorMetric:
    """How many payments were asked for and answered so, by the payment service's own count."""
    return ActuatorMetric(
        name=f"payments_{outcome.lower()}",
        service="payments",
        metric="http.server.requests",
        tags={"method": "POST", "uri": "/api/v1/payments", "outcome": outcome},
    )


PAYMENTS_DONE = _payments_answered("SUCCESS")
PAYMENTS_REFUSED = _payments_answered("CLIENT_ERROR")
PAYMENTS_FAILED = _payments_answered("SERVER_ERROR")
# What orders tells of its request queue: the room that is left, now and again, and whom it refused.
QUEUE_REMAINING = ActuatorMetric(
    name="queue_remaining", service="orders", metric="executor.queue.remaining", tags={"name": "orders"}
)
QUEUE_REJECTED = ActuatorMetric(
    name="queue_rejected", service="orders", metric="executor.rejected", tags={"name": "orders"}
)
# By each gateway's own count: what passed of the clients in the standard tier.
ADMITTED_BY_EACH = tuple(
    ActuatorMetric(
        name=f"admitted_by_{gateway}",
        service=gateway,
        metric="ratelimit.requests",
        tags={"tier": "standard", "result": "admitted"},
    )
    for gateway in GATEWAYS
)


def observation(*also: Probe, watching: tuple[Probe, ...] = ()) -> Observation:
    """What is read of the shop during every drill, and at its end.

    Args:
        also: What one drill reads at its end besides.
        watching: What one drill watches besides.
    """
    return Observation(
        watched=(OPEN_WORK, PENDING_ORDERS, LAG, *watching),
        final=(
            ORDERS,
            SAGAS,
            SAGA_LOG,
            PAYMENTS,
            STOCK,
            RESERVATIONS,
            APPLIED_EVENTS,
            ORDER_VIEW,
            LEDGER,
            *also,
        ),
        open_work=(OPEN_WORK, UNREAD_EVENTS),
        gauges=((OPEN_WORK.name, "open work"), (PENDING_ORDERS.name, "orders pending")),
    )
