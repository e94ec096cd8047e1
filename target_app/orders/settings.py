"""What the order service can be told."""

from pydantic import Field

from target_app.service.breaker import BreakerSettings
from target_app.service.configuration import (
    ConsumerSettings,
    Count,
    DatabaseSettings,
    PeerSettings,
    ProducerSettings,
    Seconds,
    Settings,
    Url,
)
from target_app.service.request_queue import RequestQueueSettings
from target_app.service.retry import RetrySettings


class OrdersSettings(
    BreakerSettings,
    RetrySettings,
    RequestQueueSettings,
    PeerSettings,
    ProducerSettings,
    ConsumerSettings,
    DatabaseSettings,
    Settings,
):
    """The order service's settings."""

    inventory_url: Url = Field(..., description="the inventory service, http://host:port")
    payments_url: Url = Field(..., description="the payment service, http://host:port")
    inventory_timeout_s: Seconds = Field(default=2.0, description="for one call to inventory")
    payment_timeout_s: Seconds = Field(
        default=5.0, description="for one call to payments; longer than its PROVIDER_TIMEOUT_S"
    )
    order_wait_max_s: Seconds = Field(default=30.0, description="the longest `Prefer: wait` that is honoured")

    saga_timeout_s: Seconds = Field(default=600.0, description="a saga this old is compensated")
    saga_stuck_after_s: Seconds = Field(
        default=300.0, description="an unfinished saga this old counts as stuck"
    )
    saga_retry_first_s: Seconds = Field(
        default=0.2,
        description="pause before a failed step or compensation is tried again; doubles each time",
    )
    saga_retry_most_s: Seconds = Field(default=30.0, description="longest pause between two tries")
    saga_lease_s: Seconds = Field(
        default=10.0, description="a saga whose process died is taken up after this"
    )
    saga_sweep_interval_s: Seconds = Field(
        default=1.0,
        description="between looks for sagas left by a crash, due for another try, or past their limit",
    )

    bulkhead_order_saga_max_concurrent_calls: Count = Field(
        default=20, description="sagas of new orders, and recovered ones, worked on at once"
    )
    bulkhead_compensation_max_concurrent_calls: Count = Field(
        default=10, description="sagas undone at once; they never hold the slots of the above"
    )
    bulkhead_payment_service_max_concurrent_calls: Count = Field(
        default=25, description="payment calls at once; one more is not made, and its payment is queued"
    )
    bulkhead_payment_queue_max_concurrent_calls: Count = Field(
        default=10,
        description="queued payments tried at once while the breaker is CLOSED; slots of their own as well",
    )

    payment_queue_interval_s: Seconds = Field(default=1.0, description="between looks at the fallback queue")
    payment_retry_interval_s: Seconds = Field(
        default=5.0, description="between two tries of one queued payment"
    )

    outbox_poll_interval_s: Seconds = Field(
        default=0.5, description="between looks at the outbox when nobody of this process has written to it"
    )
    outbox_batch_size: Count = Field(default=200, description="events handed to Kafka at once")
