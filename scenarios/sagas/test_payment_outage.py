"""The payment provider is lost while customers order, and comes back: too late for some, in time for others.

A refusal is final and compensates. An outage is not: the order waits with its payment queued, and either settles when
the provider is back or is compensated at the saga's limit. Which of the two is decided by the clock alone, and never
may both happen.
"""

import pytest

from harness.checks import Claim, Kind
from harness.checks.evidence import HealthyBefore
from harness.checks.hazards import SomeRows, Then, UnheardCharges
from harness.checks.limits import CancelledPastLimit
from harness.checks.liveness import PendingSettlesAfterHeal
from harness.checks.saga import UndoneInReverse
from harness.faults.dead_links import BlackHole
from harness.faults.processes import Killed
from harness.faults.schedule import Planned
from harness.faults.toxic_fault import Lost
from harness.recording.records import Phase
from harness.runner import Chaos, Load
from scenarios.claims import (
    BACKLOG_S,
    LEDGER,
    NOT_DECLINED,
    ORDERS,
    PLACE_ORDER,
    SAGA_LOG,
    SAGA_UNCERTAIN,
    at_rest,
    bounded,
    had_its_time,
    universal,
)
from scenarios.profiles import Profile
from scenarios.readings import observation
from scenarios.shop import PlaceOrder

RATE_PER_S = 10.0
GUIDE = "Saga Pattern Failures"
PENDING_MIN = round(BACKLOG_S * RATE_PER_S)
# Orders with two steps to undo: the goods that were set aside, and a payment of which nobody knows.
TWO_STEPS_MIN = 5

healthy = HealthyBefore(operation=PLACE_ORDER)
silent = BlackHole(link="payments->provider", lost=Lost.ANSWERS)
killed = Killed(service="provider")
waiting_orders = SomeRows(
    reading="pending_orders", what="pending orders", at_least=PENDING_MIN, moment=Phase.IMPACT
)


def unheard_charges(profile: Profile, then: Then) -> UnheardCharges:
    """Money that was taken without a word: what a retry without its key takes again, and a refund must bring back.

    A breaker that opens after five failures lets ten to fifteen of them through, at ten orders a second.
    """
    return UnheardCharges(
        ledger=LEDGER, fault=silent.title, patience_s=profile.timers.provider_timeout_s, then=then, at_least=5
    )


@pytest.mark.scenario("saga-payment-outage", guide=GUIDE, gate=True)
@pytest.mark.detects("fallback-queue-in-memory", by="pending-orders-are-settled")
@pytest.mark.detects("payment-key-per-attempt", by="no-order-is-charged-twice")
@pytest.mark.detects("unheard-payment-is-kept", by="orders-past-the-limit-are-compensated")
@pytest.mark.detects("refund-by-order", by="orders-past-the-limit-are-compensated")
def test_orders_wait_for_a_lost_provider_until_it_is_back_or_their_limit_has_passed(
    chaos: Chaos, profile: Profile
) -> None:
    """A queue that forgets leaves customers with "processing" for ever, a retry without a key charges them twice.

    The provider's answers are lost twice, so that charges are made of which the shop never hears. The first time, in
    which the provider even dies and is started again, is longer than the limit: those charges must be given back. The
    second is shorter, and hits a shop that is busy with what the first one left: those must be found again.
    """
    phases = profile.outage
    long_s, short_s = profile.outages_s
    chaos.run(
        load=Load(operation=PlaceOrder(), rate_per_s=RATE_PER_S),
        faults=[
            Planned(fault=silent, for_s=long_s),
            Planned(fault=killed, at_s=0.4 * long_s, for_s=0.2 * long_s),
            Planned(fault=silent, at_s=phases.impact_s - short_s),
        ],
        phases=phases,
        claims=(
            *universal(phases, RATE_PER_S, double_charge_risk=(unheard_charges(profile, Then.ASKED_AGAIN),)),
            Claim(
                id="pending-orders-are-settled",
                sentence="Orders left pending by the outage are confirmed once the provider is back.",
                source=GUIDE,
                check=PendingSettlesAfterHeal(
                    operation=PLACE_ORDER,
                    log=SAGA_LOG,
                    last_step="confirm-order",
                    within_s=profile.settle_after_heal_s,
                    limit_s=profile.timers.saga_timeout_s,
                    fault=silent.title,
                    expect_not=NOT_DECLINED,
                ),
                counts_only_if=(healthy, waiting_orders, *bounded(phases, RATE_PER_S)),
                kind=Kind.RATE,
            ),
            Claim(
                id="orders-past-the-limit-are-compensated",
                sentence="Orders unpaid at the saga's limit are cancelled, and money taken for them is back.",
                source=GUIDE,
                check=CancelledPastLimit(
                    operation=PLACE_ORDER,
                    orders=ORDERS,
                    ledger=LEDGER,
                    limit_s=profile.timers.saga_timeout_s,
                    slack_s=profile.limit_slack_s,
                    fault=silent.title,
                    expect_not=NOT_DECLINED,
                ),
                counts_only_if=(
                    healthy,
                    waiting_orders,
                    unheard_charges(profile, Then.GIVEN_BACK),
                    had_its_time(phases),
                ),
                kind=Kind.LIVENESS,
            ),
            Claim(
                id="compensation-runs-in-reverse",
                sentence="Of an order past the limit the step that was done last is undone first.",
                source=GUIDE,
                check=UndoneInReverse(log=SAGA_LOG, sagas_min=TWO_STEPS_MIN, uncertain=SAGA_UNCERTAIN),
                counts_only_if=(healthy, waiting_orders, at_rest(phases)),
                kind=Kind.LIVENESS,
            ),
        ),
        observing=observation(),
    )
