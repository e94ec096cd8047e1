"""Ten times as many orders as the order service can take, and then as many as ever.

"Service rejecting requests" is a symptom to the guide. It is the cure: who is told at once that there is no room can
go elsewhere, and those who are let in are served. What is deadly is a queue that lets everybody in. "Load shedding for
non-critical requests" is the guide's own advice: half of the flood only looks at orders, and is refused first.

Capacity is set by waiting and not by computing, or a flood would drill the machine instead of the queue: each request
is worked on for so long that so many at once are so many a second. The flood's clients have no rate limit, so that the
queue is what answers.
"""

import pytest

from harness.checks import Check, Claim, Evidence, Kind, Missing
from harness.checks.counters import RefusalsCounted
from harness.checks.evidence import HealthyBefore
from harness.checks.load import LoadReached
from harness.checks.overload import AcceptedInTime, Goodput, QueueWasFull, RefusedAtOnce, ShedFirst
from harness.checks.recovery import RecoversWithin
from harness.recording.records import Phase
from harness.runner import Chaos, Load
from scenarios.claims import NOT_DECLINED, ORDERS, PLACE_ORDER, bounded, universal
from scenarios.limits.clients import READ_ORDER
from scenarios.limits.flooding_clients import FloodingClients
from scenarios.profiles import Profile
from scenarios.readings import QUEUE_REJECTED, QUEUE_REMAINING, observation

GUIDE = "Service Throttling Under Load"
# Small, because even a refusal is some milliseconds of processor time on its way through the gateway: ten times eight
# a second leave a third of two cores free, ten times fifteen do not.
AT_WORK = 6
WAITING = 6
WORK_S = 0.75
CAPACITY_PER_S = AT_WORK / WORK_S
# Three quarters of what it can, so that a queue that is full empties soon.
RATE_PER_S = 6.0
FLOOD_FACTOR = 10
# A little more than wanted, since the clock of a phase is not the generator's.
FLOOD_PER_S = 1.05 * FLOOD_FACTOR * CAPACITY_PER_S
FEW_AT_WORK = {
    "orders": {
        "SERVER_TOMCAT_THREADS_MAX": str(AT_WORK),
        "SERVER_TOMCAT_ACCEPT_COUNT": str(WAITING),
        "REQUEST_SIMULATED_WAIT_S": str(WORK_S),
    }
}
# Nobody is ahead of a refusal: it is a round trip through two proxies, on a machine that is busy.
REFUSED_WITHIN_MS = 500.0
# Who is let in last waits for all that are ahead, and is then worked on; half as long again for everything around it.
SERVED_WITHIN_MS = 1.5 * (WAITING / CAPACITY_PER_S + WORK_S) * 1000
# While the queue is all but empty.
AS_BEFORE_MS = 1.5 * WORK_S * 1000
# The queue, emptied at what the capacity exceeds the load by, takes three seconds.
RECOVERED_WITHIN_S = 6.0
GOODPUT_MIN = 0.8

healthy = HealthyBefore(operation=PLACE_ORDER)
really_sent = LoadReached(
    phase=Phase.IMPACT,
    rate_per_s=FLOOD_FACTOR * CAPACITY_PER_S,
    share=1.0,
    if_missing=Missing.VOIDS,
)
goodput = Goodput(
    operation=PLACE_ORDER,
    orders=ORDERS,
    capacity_per_s=CAPACITY_PER_S,
    share_min=GOODPUT_MIN,
    expect_not=NOT_DECLINED,
)
queue_was_full = QueueWasFull(reading=QUEUE_REMAINING.name)


@pytest.mark.scenario("flood", guide=GUIDE, gate=True)
@pytest.mark.detects("unbounded-request-queue", by="those-let-in-are-served-in-time")
@pytest.mark.detects("reads-are-not-shed", by="reads-are-refused-first")
@pytest.mark.detects("refused-after-the-work", by="nothing-rejected-happened")
def test_a_flooded_shop_does_what_it_can_and_refuses_the_rest_at_once(chaos: Chaos, profile: Profile) -> None:
    """A queue without an end makes everybody wait for nothing, and goes on doing so when the flood is over."""
    phases = profile.flooded
    flood_from = round((phases.warm_up_s + phases.steady_s) * RATE_PER_S)
    clients = FloodingClients(
        flood_from=flood_from, flood_to=flood_from + round(phases.impact_s * FLOOD_PER_S)
    )
    flooded: tuple[Evidence, ...] = (healthy, really_sent, queue_was_full, *bounded(phases, RATE_PER_S))

    def holds(name: str, sentence: str, check: Check) -> Claim:
        return Claim(
            id=name, sentence=sentence, source=GUIDE, check=check, counts_only_if=flooded, kind=Kind.RATE
        )

    chaos.run(
        load=Load(operation=clients, rate_per_s=RATE_PER_S, impact_rate_per_s=FLOOD_PER_S),
        faults=[],
        phases=phases,
        configured=FEW_AT_WORK,
        claims=(
            *universal(phases, RATE_PER_S, calm=(Phase.STEADY,)),
            holds(
                "the-others-are-refused-at-once",
                "Requests for which there is no room are refused clearly and at once.",
                RefusedAtOnce(operation="", within_ms=REFUSED_WITHIN_MS),
            ),
            holds(
                "goodput-holds",
                "Flooded, the shop goes on taking four fifths of the orders that it can, and confirms them.",
                goodput,
            ),
            holds(
                "reads-are-refused-first",
                "Orders are taken rather than looks at them, which can be taken later.",
                ShedFirst(first=READ_ORDER, kept=PLACE_ORDER),
            ),
            holds(
                "those-let-in-are-served-in-time",
                "Who is let in waits no longer than the queue is long.",
                AcceptedInTime(operation="", within_ms=SERVED_WITHIN_MS),
            ),
            holds(
                "the-shop-recovers",
                "Once the flood is over the shop is soon itself again.",
                RecoversWithin(operation=PLACE_ORDER, within_s=RECOVERED_WITHIN_S, as_before_ms=AS_BEFORE_MS),
            ),
            holds(
                "refusals-are-counted",
                "What the shop counts as refused is what clients were refused.",
                RefusalsCounted(reading=QUEUE_REJECTED.name, operation="", status=503),
            ),
        ),
        observing=observation(QUEUE_REJECTED, watching=(QUEUE_REMAINING,)),
    )
