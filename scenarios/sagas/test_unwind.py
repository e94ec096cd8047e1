"""Every step of a saga fails in every way it can, under one load, and each order says which it met.

Three steps, five ways: refused, answered with an error, not answered in time, and a crash of the one who asks, before
the effect or after it. What is legal after each differs: a refusal is final; a technical failure is tried again, or
compensated at the saga's limit; after a crash behind the effect both are right, and paying twice never is.

So that orders stand at every step at any moment, the links of the order service are slow, and both ways: of those who
wait at a step half have had its effect already. Then, one after the other, databases are cut off from inventory and
payments (errors; from the consumer of order events, too, whose failures must not be committed), both links fall silent
(time-outs; meanwhile somebody releases reservations by hand, so that orders are refused at their last step), and the
order service is lost with all that it had sent and what was not there yet.
"""

import pytest

from harness.checks import Claim, Kind
from harness.checks.evidence import HealthyBefore
from harness.checks.saga_cases import CRASHES, Crash, EachStepFailed, Failure, Logged, SagaCases
from harness.checks.saga_ends import EndsLegally
from harness.checks.saga_retries import TakenUpAgain
from harness.faults.dead_links import BlackHole, Cut
from harness.faults.moments import DoneByHand, KilledWhen, Moment
from harness.faults.schedule import Planned
from harness.faults.slow_links import AddedLatency
from harness.runner import Chaos, Load
from scenarios.claims import (
    LEDGER,
    ORDERS,
    PLACE_ORDER,
    SAGA_LOG,
    SAGA_UNCERTAIN,
    at_rest,
    bounded,
    universal,
)
from scenarios.profiles import Profile, ShopTimers
from scenarios.readings import EFFECT_TIMES, SAGA_STEPS, SAGAS_IN_HAND, observation
from scenarios.shop import GOOD_CARD, SOLD_OUT_SKU, PlaceOrder

# At each step some five orders wait then, half of them for their effect. Fewer than twenty sagas are worked on at once.
RATE_PER_S = 10.0
SLOW_MS = 500
SOLD_OUT_SHARE = 0.05
GUIDE = "Saga Pattern Failures"
# A step of the slow shop takes this long; who stands at one for longer is in a silence.
STUCK_S = 2 * SLOW_MS / 1000
RELEASED_BY_HAND = 2
# Between two looks of the shop at what is due, in every profile; and how much later a look may find a slot.
LOOK_S, SLACK_S = 1.0, 2.0
# Of some sixteen orders that meet an error at their first step, and of as many that a process has in its hands.
HELD_UP_MIN = 3

healthy = HealthyBefore(operation=PLACE_ORDER)
TO_INVENTORY, TO_PAYMENTS = "orders->inventory", "orders->payments"
slow = [AddedLatency(link=link, latency_ms=SLOW_MS, both_ways=True) for link in (TO_INVENTORY, TO_PAYMENTS)]
no_database = [Cut(link=f"{service}->postgres") for service in ("inventory", "payments", "order-consumer")]
silent_inventory, silent_payments = BlackHole(link=TO_INVENTORY), BlackHole(link=TO_PAYMENTS)
STANDING = (
    "from saga_state where status = 'RUNNING' and lease_owner is not null "
    f"and updated_at < now() - interval '{STUCK_S} s'"
)
# Who has waited in the queue before may reach its limit before its last step, and a declined card never gets there.
NEVER_QUEUED = "not exists (select 1 from payment_queue where payment_queue.saga_id = saga_state.saga_id)"
ITS_CARD = "(select card from orders where orders.order_id = saga_state.order_id)"
ITS_ITEMS = "(select items::text from orders where orders.order_id = saga_state.order_id)"
released = DoneByHand(
    service="inventory",
    path="/api/v1/inventory/reservations/{key}/release",
    moment=Moment(
        what="sagas wait for a payment that does not answer",
        database="orders",
        query=f"select order_id {STANDING} and current_step = 'process-payment' "
        f"and {NEVER_QUEUED} and {ITS_CARD} = '{GOOD_CARD}' order by created_at desc limit {RELEASED_BY_HAND}",
        rows=RELEASED_BY_HAND,
    ),
    says="reservations released by hand",
)
# Half of the time at a step is over when it has its effect, if it can have one: a crash before an effect that could
# never come is none. Margins keep what is seen true until the kill.
CAN_HAVE_IT = f"{ITS_CARD} = '{GOOD_CARD}' and position('{SOLD_OUT_SKU}' in {ITS_ITEMS}) = 0"
IN_HAND = (
    "from (select current_step, extract(epoch from clock_timestamp() - updated_at) as age, "  # noqa: S608 - all ours
    f"{CAN_HAVE_IT} as fit from saga_state where status = 'RUNNING' and lease_owner is not null) as in_hand where fit"
)
BEFORE_S, AFTER_S, ANSWERED_S = (share * SLOW_MS / 1000 for share in (0.35, 0.55, 0.95))
killed = KilledWhen(
    service="orders",
    moment=Moment(
        what="sagas wait at every step, before its effect and after it",
        database="orders",
        query=f"select current_step, age < {BEFORE_S} as before {IN_HAND} "
        f"and (age < {BEFORE_S} or age between {AFTER_S} and {ANSWERED_S}) group by 1, 2",
        rows=2 * len(SAGA_STEPS),
    ),
    cut=(TO_INVENTORY, TO_PAYMENTS),
)
cases = SagaCases(
    log=SAGA_LOG,
    steps=SAGA_STEPS,
    logged=(
        Logged(failure=Failure.REFUSED, statuses=("FAILED",), error=r"^4\d\d: "),
        Logged(failure=Failure.ERROR, statuses=("RETRYING", "QUEUED", "FAILED"), error=r"^status 5\d\d: "),
        Logged(
            failure=Failure.TIME_OUT,
            statuses=("RETRYING", "QUEUED", "FAILED"),
            error=r"^(inventory|payments): no answer within ",
        ),
    ),
    crash=Crash(
        fault=killed.title,
        in_hand=SAGAS_IN_HAND.name,
        effects=EFFECT_TIMES.name,
        ledger=LEDGER,
        charging_step="process-payment",
    ),
)


def plan(timers: ShopTimers) -> list[Planned]:
    """The faults in their order, and between them time for the breaker to close and for its queue to drain."""
    # Longer than two tries and their pause: so many have failed by then that the breaker opens.
    errors_at_s, errors_for_s = 1.0, 1.6
    # It takes a second to see how slow a link is before it falls silent, and more than one to see the silence.
    silence_at_s = errors_at_s + errors_for_s + timers.breaker_wait_s + 1.1
    inventory_silent_s = timers.inventory_timeout_s - 0.8
    payments_silent_s = timers.payment_timeout_s + 0.5
    crash_at_s = silence_at_s + 2.7 + payments_silent_s + timers.breaker_wait_s
    return [
        *(Planned(fault=fault) for fault in slow),
        *(Planned(fault=fault, at_s=errors_at_s, for_s=errors_for_s) for fault in no_database),
        Planned(fault=silent_inventory, at_s=silence_at_s, for_s=inventory_silent_s),
        Planned(fault=silent_payments, at_s=silence_at_s, for_s=payments_silent_s),
        # It waits for its moment, which comes in the silence of payments and long before the end of it.
        Planned(fault=released, at_s=silence_at_s + 2.0, for_s=0.1),
        # So does this one, for some seconds if need be.
        Planned(fault=killed, at_s=crash_at_s, for_s=1.1),
    ]


@pytest.mark.scenario("saga-unwind", guide=GUIDE, gate=True)
@pytest.mark.detects("confirm-refusal-keeps-payment", by="a-refusal-is-final-and-compensated")
@pytest.mark.detects("compensation-in-wrong-order", by="a-refusal-is-final-and-compensated")
@pytest.mark.detects("crash-resumes-with-a-new-payment-key", by="after-a-crash-no-effect-is-repeated")
@pytest.mark.detects("error-taken-for-refusal", by="an-error-is-retried-or-compensated")
@pytest.mark.detects("expired-leases-are-left", by="after-a-crash-sagas-are-taken-up-in-time")
@pytest.mark.detects("commit-on-failure", by="events-take-effect-in-order")
def test_whatever_way_a_step_fails_its_order_ends_legally(chaos: Chaos, profile: Profile) -> None:
    """Compensation is tested where it is easy, at a declined card; customers meet it where it is hard."""
    phases, timers = profile.unwind, profile.timers
    chaos.run(
        load=Load(operation=PlaceOrder(sold_out_share=SOLD_OUT_SHARE), rate_per_s=RATE_PER_S),
        faults=plan(timers),
        phases=phases,
        claims=(
            *universal(phases, RATE_PER_S),
            ends_legally(
                "a-refusal-is-final-and-compensated",
                "An order that is refused at a step is cancelled; exactly the steps before are undone, in reverse.",
                Failure.REFUSED,
                profile,
            ),
            ends_legally(
                "an-error-is-retried-or-compensated",
                "A step that meets an error is tried again until it is done, or all is undone at the saga's limit.",
                Failure.ERROR,
                profile,
            ),
            ends_legally(
                "a-time-out-is-retried-or-compensated",
                "A step that is not answered in time is tried again until it is done, or all is undone at the limit.",
                Failure.TIME_OUT,
                profile,
            ),
            ends_legally(
                "after-a-crash-sagas-are-resumed",
                "A saga whose process dies before a step's effect is resumed, or undone at its limit; it ends whole.",
                Failure.CRASH_BEFORE,
                profile,
            ),
            ends_legally(
                "after-a-crash-no-effect-is-repeated",
                "A saga whose process dies after a step's effect is resumed, and the effect is there once or undone.",
                Failure.CRASH_AFTER,
                profile,
            ),
            goes_on(
                "a-failed-step-is-tried-again-in-time",
                "A step that met an error or no answer is tried again soon, and not left lying until the saga's limit.",
                (Failure.ERROR, Failure.TIME_OUT),
                # The longest pause, a look at what is due, and a try that may find no answer, either.
                timers.saga_retry_most_s + LOOK_S + timers.inventory_timeout_s + SLACK_S,
                profile,
            ),
            goes_on(
                "after-a-crash-sagas-are-taken-up-in-time",
                "What a process had in its hands when it died is taken up within the saga's lease once it is back.",
                CRASHES,
                timers.saga_lease_s + LOOK_S + SLACK_S,
                profile,
            ),
        ),
        observing=observation(EFFECT_TIMES, watching=(SAGAS_IN_HAND,)),
    )


def ends_legally(name: str, sentence: str, failure: Failure, profile: Profile) -> Claim:
    """What must have become of the orders that met a failure; it counts only if each step met it."""
    return Claim(
        id=name,
        sentence=sentence,
        source=GUIDE,
        check=EndsLegally(
            cases=cases,
            failure=failure,
            orders=ORDERS,
            ledger=LEDGER,
            uncertain=SAGA_UNCERTAIN,
            operation=PLACE_ORDER,
            limit_s=profile.timers.saga_timeout_s,
        ),
        counts_only_if=(healthy, EachStepFailed(cases=cases, failure=failure), at_rest(profile.unwind)),
        kind=Kind.LIVENESS,
    )


def goes_on(
    name: str, sentence: str, failures: tuple[Failure, ...], within_s: float, profile: Profile
) -> Claim:
    """That orders which were held up are worked on again. A payment that waits in its queue is tried without a word."""
    return Claim(
        id=name,
        sentence=sentence,
        source=GUIDE,
        check=TakenUpAgain(
            cases=cases,
            failures=failures,
            operation=PLACE_ORDER,
            within_s=within_s,
            limit_s=profile.timers.saga_timeout_s,
            untold=("QUEUED",),
            at_least=HELD_UP_MIN,
        ),
        counts_only_if=(healthy, *bounded(profile.unwind, RATE_PER_S)),
        kind=Kind.RATE,
    )
