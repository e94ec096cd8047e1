"""The drill that `tests/stack/embedded/sigkill.py` kills at random moments."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from harness.checks import Claim, Kind
from harness.checks.steady import SteadyAgain
from harness.faults.network import AddedLatency, Cut
from harness.faults.processes import Killed, Paused
from harness.faults.schedule import Planned
from harness.load.operations import Answer, Request
from harness.phases import Phases
from harness.probes.sql import SqlTable
from harness.recording.records import Outcome
from harness.runner import Chaos, Load, Observation

PHASES = Phases(warm_up_s=0.5, steady_s=1.5, impact_s=4, heal_s=2, converge_s=1, quiet_s=0.5)
NOTHING_OPEN = SqlTable(name="open_work", database="things", query="select id from things where id < 0")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A client asks the service something."""

    name: str = "ask"

    def request(self, number: int, rng: random.Random) -> Request:
        del rng
        return Request(method="GET", path="/", key=str(number))

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        return (Outcome.OK if answer.status == 200 else Outcome.UNKNOWN), {}


@pytest.mark.scenario("short", guide="none")
def test_a_short_drill_with_every_kind_of_fault(chaos: Chaos) -> None:
    """It need not pass; it is there to be killed."""
    chaos.run(
        load=Load(operation=Ask(), rate_per_s=60, timeout_s=2),
        faults=[
            Planned(fault=AddedLatency(link="taker->maker", latency_ms=100)),
            Planned(fault=Cut(link="taker->redis")),
            Planned(fault=Paused(service="kafka-1"), for_s=1.5),
            Planned(fault=Killed(service="postgres"), at_s=2.0, for_s=1.0),
        ],
        phases=PHASES,
        claims=(
            Claim(
                id="steady-again",
                sentence="It answers as before.",
                source="none",
                check=SteadyAgain(operation="ask"),
                counts_only_if=(),
                kind=Kind.RATE,
            ),
        ),
        observing=Observation(watched=(NOTHING_OPEN,), final=(), open_work=(NOTHING_OPEN,)),
    )
