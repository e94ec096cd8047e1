"""The drill that `tests/stack/embedded/test_bad_days.py` spoils. Left alone it passes."""

import pytest

from harness.checks import Claim, Kind
from harness.checks.evidence import FaultBit, FaultHealed
from harness.checks.steady import SteadyAgain
from harness.faults.network import AddedLatency
from harness.faults.schedule import Planned
from harness.phases import Phases
from harness.runner import Chaos, Load, Observation
from tests.stack.embedded.short.test_short import Ask

PHASES = Phases(warm_up_s=0.2, steady_s=0.8, impact_s=1.2, heal_s=0.8, converge_s=0.3, quiet_s=0.1)


def hold(chaos: Chaos) -> None:
    chaos.run(
        load=Load(operation=Ask(), rate_per_s=100, timeout_s=2),
        faults=[Planned(fault=AddedLatency(link="taker->maker", latency_ms=50))],
        phases=PHASES,
        claims=(
            Claim(
                id="steady-again",
                sentence="It answers as before.",
                source="none",
                check=SteadyAgain(operation="ask", last_share=1.0),
                counts_only_if=(FaultBit(), FaultHealed()),
                kind=Kind.RATE,
            ),
        ),
        observing=Observation(watched=(), final=(), open_work=()),
    )


@pytest.mark.scenario("first", guide="none")
def test_a_first_drill(chaos: Chaos) -> None:
    """Something is slow that nobody waits for."""
    hold(chaos)


@pytest.mark.scenario("second", guide="none")
def test_a_second_drill_on_the_same_stack(chaos: Chaos) -> None:
    """The same again, after a reset."""
    hold(chaos)
