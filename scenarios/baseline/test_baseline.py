"""The shop with nothing broken."""

import pytest

from harness.recording.records import Phase
from harness.runner import Chaos, Load
from scenarios.claims import universal
from scenarios.profiles import Profile
from scenarios.readings import observation
from scenarios.shop import PlaceOrder

RATE_PER_S = 10.0


@pytest.mark.scenario("baseline", guide="Monitoring and Alerting", gate=True)
@pytest.mark.detects("compensation-stops-half-way", by="reservations-match-orders")
@pytest.mark.detects("release-puts-back-one", by="stock-is-conserved")
def test_a_shop_with_nothing_broken_keeps_every_promise(chaos: Chaos, profile: Profile) -> None:
    """Without a fault every claim must hold: a claim that fails here would blame any fault for nothing."""
    chaos.run(
        load=Load(operation=PlaceOrder(), rate_per_s=RATE_PER_S),
        faults=[],
        phases=profile.steady,
        claims=universal(profile.steady, RATE_PER_S, calm=(Phase.STEADY, Phase.IMPACT, Phase.HEAL)),
        observing=observation(),
    )
