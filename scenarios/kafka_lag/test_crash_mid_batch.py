"""The consumer of order events is killed in the middle of a batch: after the effects of some, before their offsets.

Whoever takes its place is handed these records again. The guide asks for manual commits "for better control"; what they
buy is this choice: commit after the effect and see records twice, or before it and lose some.
"""

import pytest

from harness.checks import Claim, Kind
from harness.checks.evidence import HealthyBefore
from harness.checks.redelivery import OffsetsDeliveredTwice, ToldOnce
from harness.faults.mid_batch import KilledMidBatch
from harness.faults.schedule import Planned
from harness.faults.slow_links import AddedLatency
from harness.runner import Chaos, Load
from scenarios.claims import ORDERS, PLACE_ORDER, had_its_time, universal
from scenarios.profiles import Profile
from scenarios.readings import APPLIED_EVENTS, CONFIRMATIONS, EFFECTS, LAG, observation
from scenarios.shop import PlaceOrder

RATE_PER_S = 10.0
GUIDE = "Kafka Consumer Lag"
# An order is two events: 20 a second come, and with this each takes a tenth. So batches grow.
SLOW_MS = 100
# About half of the events are confirmations: of so many some are, and a customer who is told twice is there to be seen.
APART = 8
# What is committed between the look and the kill is not delivered again.
DELIVERED_TWICE_MIN = 3

healthy = HealthyBefore(operation=PLACE_ORDER)
slowed = AddedLatency(link="order-consumer->postgres", latency_ms=SLOW_MS)
killed = KilledMidBatch(
    service="order-consumer",
    group=LAG.group,
    topic="order-events",
    database=EFFECTS.database,
    effects=EFFECTS.query,
    records=APART,
)


@pytest.mark.scenario("lag-crash-mid-batch", guide=GUIDE, gate=True)
@pytest.mark.detects("commit-before-effect", by="every-event-takes-effect")
@pytest.mark.detects("confirmation-per-delivery", by="customers-are-told-once")
def test_a_consumer_killed_in_a_batch_loses_nothing_and_repeats_nothing(
    chaos: Chaos, profile: Profile
) -> None:
    """A record that comes twice is the price of losing none, and the consumer, not its customers, has to pay it."""
    phases = profile.crash
    chaos.run(
        load=Load(operation=PlaceOrder(), rate_per_s=RATE_PER_S),
        faults=[
            Planned(fault=slowed),
            Planned(fault=killed, at_s=0.3 * phases.impact_s),
        ],
        phases=phases,
        claims=(
            *universal(phases, RATE_PER_S),
            Claim(
                id="customers-are-told-once",
                sentence="Customers are told once that their order is confirmed, also of events delivered twice.",
                source=GUIDE,
                check=ToldOnce(orders=ORDERS, told=CONFIRMATIONS.name),
                counts_only_if=(
                    healthy,
                    OffsetsDeliveredTwice(
                        lag=LAG.name,
                        effects=EFFECTS.name,
                        applied=APPLIED_EVENTS.name,
                        topic="order-events",
                        fault=killed.title,
                        at_least=DELIVERED_TWICE_MIN,
                    ),
                    had_its_time(phases),
                ),
                kind=Kind.LIVENESS,
            ),
        ),
        observing=observation(CONFIRMATIONS, watching=(EFFECTS,)),
    )
