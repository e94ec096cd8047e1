"""The sample shop seen as a target: its services, who talks to whom, and what its clients do.

Everything here is said from outside: environment variables and HTTP. Nothing is imported from `target_app`, as
nothing could be from your own system.
"""

import difflib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.load.operations import Answer, Operation, Request
from harness.recording.records import Outcome
from harness.settings import Settings
from harness.stack.target import KAFKA, POSTGRES, REDIS, AppService, Database, Target, Topic, Wiring
from scenarios.profiles import ShopTimers, profile

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "target_app" / "migrations"
GATEWAYS = ("gateway-1", "gateway-2")
# More of each, which an operator would add: not started unless a drill scales out (`harness.faults.scaling`).
SPARE_GATEWAYS = ("gateway-3",)
SPARE_CONSUMERS = ("order-consumer-2", "order-consumer-3")
# The planted defects of the shop. Checked here too, so that a misspelt one is refused before a server has started.
VARIANTS = (
    "breaker-counts-declines",
    "breaker-opens-above-its-threshold",
    "commit-before-effect",
    "commit-on-failure",
    "compensation-in-wrong-order",
    "compensation-stops-half-way",
    "confirm-refusal-keeps-payment",
    "confirmation-per-delivery",
    "crash-resumes-with-a-new-payment-key",
    "error-taken-for-refusal",
    "expired-leases-are-left",
    "fallback-queue-in-memory",
    "lag-of-one-partition",
    "lag-outliers-are-dropped",
    "payment-key-per-attempt",
    "publish-outside-transaction",
    "publish-without-waiting",
    "rate-limit-per-instance",
    "rate-limit-refills-greedily",
    "reads-are-not-shed",
    "refund-by-order",
    "refused-after-the-work",
    "release-puts-back-one",
    "retry-after-rounded-down",
    "unbounded-request-queue",
    "unheard-payment-is-kept",
)
# While OPEN every refused call is an event: at resilience4j's default of 100 they would push the transitions out before
# anybody has read them.
BREAKER_EVENTS_KEPT = 5000
DECLINED = "declined"
DECLINED_CARD = "tok_declined"
GOOD_CARD = "tok_visa"
# An article of the shop's opening stock of which there is nothing.
SOLD_OUT_SKU = "sku-sold-out"
SOLD_OUT = "sold out"
# Whom the gateways know. A drill's ordinary load is not what the rate limit is for.
ORDINARY_CLIENT = "ordinary"
STANDARD_CLIENT = "standard-1"
CLIENTS = {ORDINARY_CLIENT: "unlimited", STANDARD_CLIENT: "standard"}
STANDARD_LIMIT = 100


def target(settings: Settings) -> Target:
    """The shop, configured for a profile and with the wanted planted defects.

    Raises:
        ConfigError: There is no such profile or defect.
    """
    for variant in settings.variants:
        if variant not in VARIANTS:
            near = difflib.get_close_matches(variant, VARIANTS, n=1)
            advice = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(VARIANTS)}."
            raise ConfigError(
                f"the shop has no variant {variant!r}. {advice} A drill without the defect it was asked for would say "
                "that the defect cannot be caught."
            )
    shop = _Configuration(profile(settings.profile).timers, settings.variants)
    return Target(
        name="sample shop",
        services=(
            *(_service(name, "gateway", shop.gateway, uses=(REDIS, "orders")) for name in GATEWAYS),
            _service("orders", "orders", shop.orders, uses=(POSTGRES, KAFKA, "inventory", "payments")),
            _service("inventory", "inventory", shop.inventory, uses=(POSTGRES,)),
            _service("payments", "payments", shop.payments, uses=(POSTGRES, "provider")),
            _service("order-consumer", "order_consumer", shop.order_consumer, uses=(POSTGRES, KAFKA)),
            _service("provider", "provider", shop.provider),
            *(
                replace(_service(name, "gateway", shop.gateway, uses=(REDIS, "orders")), spare=True)
                for name in SPARE_GATEWAYS
            ),
            *(
                replace(
                    _service(name, "order_consumer", shop.order_consumer, uses=(POSTGRES, KAFKA)), spare=True
                )
                for name in SPARE_CONSUMERS
            ),
        ),
        topics=(
            Topic(name="order-events", partitions=3),
            Topic(name="compensation-events", partitions=3),
            Topic(name="order-events-dlq", partitions=3),
        ),
        databases=tuple(
            Database(name=name, migrations=tuple(sorted(map(str, (MIGRATIONS / name).glob("*.sql")))))
            for name in ("orders", "inventory", "payments", "views")
        ),
        redis=True,
        balanced=(*GATEWAYS, *SPARE_GATEWAYS),
        python_path=(str(ROOT),),
        shortest_timer_s=shop.timers.shortest_s,
    )


def _service(
    name: str, module: str, environment: Callable[[Wiring], Mapping[str, str]], uses: tuple[str, ...] = ()
) -> AppService:
    servers = tuple(server for server in uses if server in {KAFKA, POSTGRES, REDIS})
    return AppService(
        name=name,
        argv=("python", "-m", f"target_app.{module}"),
        environment=environment,
        uses=uses,
        waits_for=servers,
    )


@dataclass(frozen=True)
class _Configuration:
    """The environment variables of each service."""

    timers: ShopTimers
    variants: tuple[str, ...]

    def _any(self, wiring: Wiring) -> dict[str, str]:
        return {"HOST": wiring.host, "PORT": str(wiring.port), "SHOP_VARIANTS": ",".join(self.variants)}

    def _database(self, wiring: Wiring, name: str) -> dict[str, str]:
        return {"DATABASE_URL": f"postgresql://drillbook@{wiring.to(POSTGRES)}/{name}"}

    def _consumer(self, wiring: Wiring) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": wiring.to(KAFKA),
            "KAFKA_SESSION_TIMEOUT_S": str(self.timers.session_timeout_s),
            "KAFKA_HEARTBEAT_INTERVAL_S": str(self.timers.heartbeat_s),
            "KAFKA_MAX_POLL_INTERVAL_S": str(self.timers.max_poll_s),
            "KAFKA_LAG_INTERVAL_S": str(self.timers.lag_look_s),
        }

    def gateway(self, wiring: Wiring) -> dict[str, str]:
        return self._any(wiring) | {
            "ORDERS_URL": f"http://{wiring.to('orders')}",
            "REDIS_URL": f"redis://{wiring.to(REDIS)}",
            # A machine that stands still for a moment is no lost Redis: whom nobody could count would pass.
            "REDIS_TIMEOUT_S": "2",
            "RATE_LIMIT_PERIOD_S": str(self.timers.rate_limit_period_s),
            "RATE_LIMIT_CLIENTS": ",".join(f"{client}={tier}" for client, tier in CLIENTS.items()),
        }

    def orders(self, wiring: Wiring) -> dict[str, str]:
        return (
            self._any(wiring)
            | self._database(wiring, "orders")
            | self._consumer(wiring)
            | {
                "INVENTORY_URL": f"http://{wiring.to('inventory')}",
                "PAYMENTS_URL": f"http://{wiring.to('payments')}",
                "INVENTORY_TIMEOUT_S": str(self.timers.inventory_timeout_s),
                "PAYMENT_TIMEOUT_S": str(self.timers.payment_timeout_s),
                "SAGA_TIMEOUT_S": str(self.timers.saga_timeout_s),
                "SAGA_STUCK_AFTER_S": str(self.timers.saga_stuck_after_s),
                "SAGA_LEASE_S": str(self.timers.saga_lease_s),
                "SAGA_RETRY_MOST_S": str(self.timers.saga_retry_most_s),
                "PAYMENT_QUEUE_INTERVAL_S": str(self.timers.queue_look_s),
                "PAYMENT_RETRY_INTERVAL_S": str(self.timers.queue_retry_s),
                "BREAKER_EVENT_BUFFER_SIZE": str(BREAKER_EVENTS_KEPT),
                "BREAKER_WAIT_DURATION_IN_OPEN_STATE_S": str(self.timers.breaker_wait_s),
                "BREAKER_SLOW_CALL_DURATION_THRESHOLD_S": str(self.timers.breaker_slow_call_s),
            }
        )

    def inventory(self, wiring: Wiring) -> dict[str, str]:
        return self._any(wiring) | self._database(wiring, "inventory")

    def payments(self, wiring: Wiring) -> dict[str, str]:
        return (
            self._any(wiring)
            | self._database(wiring, "payments")
            | {
                "PROVIDER_URL": f"http://{wiring.to('provider')}",
                "PROVIDER_TIMEOUT_S": str(self.timers.provider_timeout_s),
            }
        )

    def order_consumer(self, wiring: Wiring) -> dict[str, str]:
        return self._any(wiring) | self._database(wiring, "views") | self._consumer(wiring)

    def provider(self, wiring: Wiring) -> dict[str, str]:
        return self._any(wiring) | {"LEDGER_PATH": f"{wiring.data_folder}/ledger.sqlite"}


@dataclass(frozen=True, kw_only=True)
class PlaceOrder(Operation):
    """A customer places an order; some of them with a card that will be declined.

    The client chooses the order's id, so that an order whose answer was lost can be found again.

    Attributes:
        declined_share: Of orders that the provider will decline: they show that compensation works.
        sold_out_share: Of orders that ask for an article of which there is nothing.
    """

    declined_share: float = 0.05
    sold_out_share: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in the recording."""
        return "place_order"

    def request(self, number: int, rng: random.Random) -> Request:
        """An order of one to three items."""
        key = order_key(number)
        declined = rng.random() < self.declined_share
        quantities = {f"sku-{sku}": rng.randint(1, 3) for sku in rng.sample(range(1, 11), rng.randint(1, 3))}
        customer = f"customer-{rng.randint(1, 50)}"
        amount_cents = rng.randint(500, 20_000)
        body = {
            "order_id": key,
            "customer_id": customer,
            "items": [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()],
            "amount_cents": amount_cents,
            "card": DECLINED_CARD if declined else GOOD_CARD,
        }
        # Drawn last, and only where it is wanted: the orders of a seed stay what they were.
        sold_out = self.sold_out_share > 0 and rng.random() < self.sold_out_share
        if sold_out:
            quantities = {SOLD_OUT_SKU: 1}
            body["items"] = [{"sku": SOLD_OUT_SKU, "quantity": 1}]
        contents = " ".join(f"{sku}:{quantity}" for sku, quantity in sorted(quantities.items()))
        detail = {"amount_cents": amount_cents, "customer": customer, "contents": contents}
        if sold_out:
            detail["stock"] = SOLD_OUT
        return Request(
            method="POST",
            path="/api/v1/orders",
            headers={"Idempotency-Key": key, "X-Client-ID": ORDINARY_CLIENT},
            body=body,
            key=key,
            detail={**detail, "expect": DECLINED} if declined else detail,
        )

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """202 is a promise. A 4xx certainly did nothing, a 5xx only if its own word is that it did nothing.

        The status is not enough: a 503 of the gateway was passed on to nobody, a 503 of orders may come from a
        database that was lost in the middle of a commit.
        """
        if answer.status in {200, 201, 202}:
            return Outcome.OK, {}
        if 400 <= answer.status < 500 or _says_rejected(answer.body):
            return Outcome.REJECTED, {}
        return Outcome.UNKNOWN, {}


def order_key(number: int) -> str:
    """The id of the order that the request with this number places."""
    return f"order-{number:06d}"


def _says_rejected(body: bytes) -> bool:
    """Whether a problem answer (RFC 9457) of the shop says that nothing was done."""
    try:
        problem = json.loads(body)
    except ValueError:
        return False  # some proxy's own page, which knows nothing of what became of the request
    return isinstance(problem, dict) and problem.get("outcome") == "rejected"
