"""A broker that leads is lost while customers order: one cut off from everybody and alive, then another killed.

Replication promises that what was acknowledged by the in-sync replicas survives one of them. What a leader acknowledges
alone does not, and neither does an event that was never written down before it was sent.
"""

import pytest

from harness.checks import Claim, Kind
from harness.checks.brokers import LeaderChangesWithin, LeavesAndRejoinsIsr
from harness.checks.evidence import HealthyBefore
from harness.checks.publishing import EveryChangeIsTold, OnlyFromOutbox, PublishedIsKept, UnacknowledgedAtLoss
from harness.faults.brokers import LeaderCutOff, LeaderKilled
from harness.faults.schedule import Planned
from harness.phases import Phases
from harness.runner import Chaos, Load
from scenarios.claims import PLACE_ORDER, at_rest, bounded, universal
from scenarios.kafka import LEADERS, LOG, ORDER_EVENTS, OUTBOX, observation_with_kafka
from scenarios.profiles import Profile
from scenarios.shop import PlaceOrder

RATE_PER_S = 10.0
GUIDE = "Event-Driven Architecture Issues"
# The controller waits for a broker's heartbeat for three seconds (ours, `broker.session.timeout.ms`), looks twice a
# second, and tells the others at once. Taken from when the broker was lost, which may be just after a heartbeat.
ELECTED_WITHIN_S = 5.0
# Of ten orders a second a third is written to one of three partitions, for some three seconds without a leader.
UNACKNOWLEDGED_MIN = 3

healthy = HealthyBefore(operation=PLACE_ORDER)
killed = LeaderKilled(topic=ORDER_EVENTS)
cut_off = LeaderCutOff(topic=ORDER_EVENTS)


@pytest.mark.scenario("broker-leader-lost", guide=GUIDE, gate=True)
@pytest.mark.detects("publish-without-waiting", by="what-kafka-acknowledged-is-kept")
@pytest.mark.detects("publish-outside-transaction", by="every-change-of-an-order-is-told")
def test_no_event_is_lost_with_the_leader_that_took_it(chaos: Chaos, profile: Profile) -> None:
    """A broker that dies takes along what it alone had, and one that is cut off goes on taking more.

    A kill by itself would catch a producer that waits for the leader alone only by luck: a record is on its replicas a
    millisecond later, and the kill would have to hit just that. So the first leader loses its replicas and the
    controller first, and keeps its clients until another leads: for three seconds all that it acknowledges is lost.
    Both leave events waiting that nobody has acknowledged, for longer than a publisher without an outbox will wait.
    """
    phases = profile.leader_lost
    chaos.run(
        load=Load(operation=PlaceOrder(), rate_per_s=RATE_PER_S),
        faults=[
            # From when its clients are cut off, too; its peers have been for half of the time by then.
            Planned(fault=cut_off, for_s=profile.leader_away_s / 2),
            # The first one is back by then; if it is late, this one waits for it, since two at once are another drill.
            # Last, because a broker takes long to start on a busy machine, and nothing waits for this one.
            Planned(fault=killed, at_s=phases.impact_s / 2, for_s=profile.leader_away_s),
        ],
        phases=phases,
        claims=(
            *universal(phases, RATE_PER_S),
            *after_loss_of(cut_off, "cut-off", phases),
            *after_loss_of(killed, "killed", phases),
            *of_the_log(phases),
        ),
        observing=observation_with_kafka(),
    )


def after_loss_of(fault: LeaderKilled | LeaderCutOff, how: str, phases: Phases) -> tuple[Claim, ...]:
    """What Kafka does about a lost leader, while events are waiting for one."""
    waiting = events_waiting_for(fault)
    return (
        Claim(
            id=f"another-leads-after-{how}",
            sentence=f"When a leader was {how.replace('-', ' ')}, another leads within {ELECTED_WITHIN_S:g} s.",
            source=GUIDE,
            check=LeaderChangesWithin(reading=LEADERS.name, fault=fault.title, within_s=ELECTED_WITHIN_S),
            counts_only_if=(healthy, waiting, *bounded(phases, RATE_PER_S)),
            kind=Kind.RATE,
        ),
        Claim(
            id=f"replicas-are-whole-after-{how}",
            sentence=f"A leader that was {how.replace('-', ' ')} leaves the in-sync replicas and comes back to them.",
            source=GUIDE,
            check=LeavesAndRejoinsIsr(reading=LEADERS.name, fault=fault.title, within_s=ELECTED_WITHIN_S),
            counts_only_if=(healthy, waiting, *bounded(phases, RATE_PER_S)),
            kind=Kind.RATE,
        ),
    )


def of_the_log(phases: Phases) -> tuple[Claim, ...]:
    """What must be true of events, whatever became of those that took them."""
    hazards = (healthy, events_waiting_for(killed), events_waiting_for(cut_off))
    return (
        Claim(
            id="what-kafka-acknowledged-is-kept",
            sentence="Every event that Kafka has acknowledged to the shop is in its topic.",
            source=GUIDE,
            check=PublishedIsKept(outbox=OUTBOX, log=LOG),
            counts_only_if=hazards,
            kind=Kind.SAFETY,
        ),
        Claim(
            id="events-come-from-the-outbox",
            sentence="No event is in a topic that was not committed together with what it tells.",
            source=GUIDE,
            check=OnlyFromOutbox(outbox=OUTBOX, log=LOG),
            counts_only_if=hazards,
            kind=Kind.SAFETY,
        ),
        Claim(
            id="every-change-of-an-order-is-told",
            sentence="Every change of every order is in the topic of its events.",
            source=GUIDE,
            check=EveryChangeIsTold(changed="orders", log=LOG),
            counts_only_if=(*hazards, at_rest(phases)),
            kind=Kind.LIVENESS,
        ),
    )


def events_waiting_for(fault: LeaderKilled | LeaderCutOff) -> UnacknowledgedAtLoss:
    """That events were on their way to the leader when it was lost."""
    return UnacknowledgedAtLoss(
        operation=PLACE_ORDER, log=LOG, leaders=LEADERS.name, fault=fault.title, at_least=UNACKNOWLEDGED_MIN
    )
