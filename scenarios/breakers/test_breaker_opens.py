"""The payment provider fails for some customers, and the breaker before it opens, probes and closes.

The guide gives its settings (a window of 10 calls, at least 5, 50 % of failures, 3 probes) and teams copy them without
ever seeing on which call it opens. A reference model of resilience4j's rules says on which it has to.
"""

import pytest

from harness.checks import Claim, Kind
from harness.checks.breaker import BreakerAsModelled, BreakerCountsEveryCall
from harness.checks.breaker_log import BreakerLog, KeptCalling
from harness.checks.counters import EachCounted
from harness.checks.evidence import HealthyBefore
from harness.faults.replies import Replies
from harness.faults.schedule import Planned
from harness.models.breaker import BreakerConfig
from harness.runner import Chaos, Load
from scenarios.claims import PLACE_ORDER, at_rest, universal
from scenarios.profiles import Profile
from scenarios.readings import BREAKER_EVENTS, PAYMENTS_DONE, PAYMENTS_FAILED, PAYMENTS_REFUSED, observation
from scenarios.shop import BREAKER_EVENTS_KEPT, PlaceOrder

RATE_PER_S = 10.0
GUIDE = "Circuit Breaker Issues"
# More than half, so that it opens again and again, and not all, so that windows and rounds of probes are mixed.
FAILING_SHARE = 0.65
# One opening by five failures, and a round of probes of which two fail.
FAILED_MIN = 7

log = BreakerLog(reading=BREAKER_EVENTS.name, kept_max=BREAKER_EVENTS_KEPT)
healthy = HealthyBefore(operation=PLACE_ORDER)
failing = Replies(
    service="provider",
    body={"mode": "error", "share": FAILING_SHARE, "seed": 4},
    says=f"provider fails for {FAILING_SHARE:.0%} of the payments",
)


@pytest.mark.scenario("breaker-opens", guide=GUIDE, gate=True)
@pytest.mark.detects("breaker-counts-declines", by="breaker-counts-what-happened")
@pytest.mark.detects("breaker-opens-above-its-threshold", by="breaker-opens-as-documented")
def test_the_breaker_opens_on_the_call_that_its_settings_say(chaos: Chaos, profile: Profile) -> None:
    """One that opens late lets a sick dependency be beaten; one that counts what is no failure takes a well one away.

    Which payments fail is decided by their key: a queued one fails again on every try, until the provider is well.
    """
    phases = profile.flapping
    config = BreakerConfig(
        wait_duration_in_open_state_s=profile.timers.breaker_wait_s,
        slow_call_duration_threshold_s=profile.timers.breaker_slow_call_s,
    )
    # By the payment service's own count: what the breaker says of itself is on trial.
    failures = EachCounted(readings=(PAYMENTS_FAILED.name,), at_least=FAILED_MIN)
    # Each new order asks for its payment, so that in one wait alone as many are held back.
    kept_calling = KeptCalling(log=log, at_least=round(RATE_PER_S * profile.timers.breaker_wait_s))
    hazard = (healthy, failures, kept_calling)
    chaos.run(
        load=Load(operation=PlaceOrder(), rate_per_s=RATE_PER_S),
        faults=[Planned(fault=failing)],
        phases=phases,
        claims=(
            *universal(phases, RATE_PER_S),
            Claim(
                id="breaker-opens-as-documented",
                sentence="The breaker opens, probes and closes on the calls on which its settings say so.",
                source=GUIDE,
                check=BreakerAsModelled(log=log, config=config, interleaved_s=0.0),
                counts_only_if=hazard,
                kind=Kind.SAFETY,
            ),
            Claim(
                id="breaker-counts-what-happened",
                sentence="What the breaker counts is what the payment service answered, and no call goes past it.",
                source=GUIDE,
                check=BreakerCountsEveryCall(
                    log=log,
                    answered=PAYMENTS_DONE.name,
                    failed=PAYMENTS_FAILED.name,
                    refused=PAYMENTS_REFUSED.name,
                    unanswered=("no answer within", "no connection", "the connection broke"),
                    unmade=("BulkheadFull",),
                ),
                counts_only_if=(*hazard, at_rest(phases)),
                kind=Kind.LIVENESS,
            ),
        ),
        observing=observation(BREAKER_EVENTS, PAYMENTS_DONE, PAYMENTS_REFUSED, PAYMENTS_FAILED),
    )
