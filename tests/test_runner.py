"""A drill from its first phase to its verdict, on paper: what the runner does in which order, whatever goes wrong."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.checks import Claim, Evidence, Kind
from harness.checks.evidence import FaultBit
from harness.checks.safety import NothingAcknowledgedIsLost
from harness.errors import ConfigError, ExitCode, RecordingError, RecordingLostError, StackError
from harness.faults.schedule import Planned
from harness.judgement import Judgement, NotPassed
from harness.load.operations import Answer, Request
from harness.narration import Silence
from harness.phases import Phases
from harness.recording.history import History
from harness.recording.records import Outcome, Phase, Verdict
from harness.runner import NOTHING_CONFIGURED, Chaos, Load, Observation
from harness.settings import Settings
from harness.stack.drillable import Configured, Loss
from tests.fake_drill import FakeStack, Mishap, Rows, Settled

PHASES = Phases(warm_up_s=0.2, steady_s=0.3, impact_s=0.3, heal_s=0.2, converge_s=1.0, quiet_s=0.0)


@dataclass(frozen=True, kw_only=True)
class PlaceOrder:
    """Only its name matters here: the load is on paper."""

    name: str = "place_order"

    def request(self, number: int, rng: random.Random) -> Request:
        raise NotImplementedError

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        raise NotImplementedError


def claim(*evidence: Evidence) -> Claim:
    return Claim(
        id="kept",
        sentence="Every acknowledged order exists.",
        source="universal",
        check=NothingAcknowledgedIsLost(operation="place_order", reading="orders", column="order_id"),
        counts_only_if=evidence,
        kind=Kind.SAFETY,
    )


class Held:
    """One scenario's `chaos`, on a fake stack."""

    def __init__(self, tmp_path: Path, on_load: Callable[[], None] = lambda: None, **settings: Any) -> None:
        self.stack = FakeStack(tmp_path / "runs", on_load)
        self.judgements: list[Judgement] = []
        self.chaos = Chaos(
            stack=self.stack,
            settings=Settings(**settings),
            narrator=Silence(),
            scenario="on-paper",
            title="A drill on paper",
            judgements=self.judgements,
        )

    def run(
        self,
        *evidence: Evidence,
        faults: tuple[Planned, ...] = (),
        missing: int = 0,
        configured: Configured = NOTHING_CONFIGURED,
    ) -> History:
        return self.chaos.run(
            load=Load(operation=PlaceOrder(), rate_per_s=100, timeout_s=1),
            faults=faults,
            phases=PHASES,
            claims=(claim(*evidence),),
            observing=Observation(watched=(), final=(Rows("orders", missing),), open_work=(Settled(),)),
            configured=configured,
        )


def test_a_drill_whose_claims_hold_passes_and_its_recording_tells_all(tmp_path: Path) -> None:
    held = Held(tmp_path, seed=7)
    history = held.run(FaultBit(), faults=(Planned(fault=Mishap()),))
    assert [judgement.verdict for judgement in held.judgements] == [Verdict.PASS]
    assert history.run.ended == "completed"
    assert history.run.seed == 7
    assert "--seed 7" in history.run.replay
    starts = [span.start_ns for phase in Phase if (span := history.phase(phase)) is not None]
    assert len(starts) == len(Phase)
    assert starts == sorted(starts)


def test_every_attempt_is_held_with_services_as_the_scenario_configures_them(tmp_path: Path) -> None:
    held = Held(tmp_path, retry_inconclusive=1)
    few = {"orders": {"SERVER_TOMCAT_THREADS_MAX": "2"}}
    with pytest.raises(NotPassed, match="INCONCLUSIVE"):
        held.run(FaultBit(), configured=few)
    assert held.stack.configured == [few, few]


def test_the_promise_to_undo_comes_before_the_damage_and_is_kept(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.run(faults=(Planned(fault=Mishap()),))
    assert held.stack.happened == ["fresh", "load", "promised", "inject", "heal", "undone", "load ended"]


def test_a_contradicted_claim_fails_and_is_never_tried_again(tmp_path: Path) -> None:
    held = Held(tmp_path, retry_inconclusive=1)
    with pytest.raises(NotPassed, match="FAIL"):
        held.run(missing=1)
    assert [judgement.verdict for judgement in held.judgements] == [Verdict.FAIL]


def test_an_inconclusive_drill_is_held_once_more_with_its_own_seed_on_a_fresh_stack(tmp_path: Path) -> None:
    held = Held(tmp_path, retry_inconclusive=1)
    with pytest.raises(NotPassed, match="INCONCLUSIVE"):
        held.run(FaultBit())  # no fault was planned, so none can have bitten
    first, second = held.judgements
    assert (first.superseded, second.superseded) == (True, False)
    assert first.run_dir != second.run_dir
    assert History.load(first.run_dir).run.seed == History.load(second.run_dir).run.seed
    assert held.stack.happened.count("fresh") == 2


def test_a_fault_that_does_not_bite_makes_a_drill_inconclusive_and_is_healed(tmp_path: Path) -> None:
    held = Held(tmp_path, retry_inconclusive=0)
    with pytest.raises(NotPassed, match="INCONCLUSIVE"):
        held.run(faults=(Planned(fault=Mishap(bites=False)),))
    assert History.load(held.judgements[0].run_dir).run.ended.startswith("aborted: mishap did not bite")
    assert "heal" in held.stack.happened


def test_ctrl_c_is_recorded_and_ends_the_load(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    held = Held(tmp_path, interrupt)
    with pytest.raises(KeyboardInterrupt):
        held.run()
    assert History.load(held.stack.recordings / "on-paper").run.ended == "interrupted"
    assert held.stack.happened[-1] == "load ended"


def test_a_lost_stack_is_told_as_such_and_not_judged(tmp_path: Path) -> None:
    def lose() -> None:
        held.stack.lost = True
        raise StackError("the supervisor is gone")

    held = Held(tmp_path, lose)
    with pytest.raises(StackError, match="supervisor is gone"):
        held.run()
    assert held.judgements == []


def test_faults_without_an_impact_phase_are_refused_before_anything_is_hurt(tmp_path: Path) -> None:
    held = Held(tmp_path)
    with pytest.raises(ConfigError, match="impact_s is 0"):
        held.chaos.run(
            load=Load(operation=PlaceOrder(), rate_per_s=100),
            faults=(Planned(fault=Mishap()),),
            phases=Phases(warm_up_s=0, steady_s=1, impact_s=0, heal_s=0, converge_s=1, quiet_s=0),
            claims=(claim(),),
            observing=Observation(watched=(), final=(), open_work=(Settled(),)),
        )
    assert held.stack.happened == []


def test_a_ctrl_c_is_heard_even_if_something_breaks_on_the_way_out(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    held = Held(tmp_path, interrupt)

    def fail() -> None:
        raise StackError("the load generator cannot be ended")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held.stack, "end_load", fail)
        with pytest.raises(KeyboardInterrupt):
            held.run()
    assert History.load(held.stack.recordings / "on-paper").run.ended == "interrupted"


def test_a_server_that_died_by_itself_takes_the_blame_from_what_held(tmp_path: Path) -> None:
    held = Held(tmp_path, retry_inconclusive=0)
    held.stack.lost_services = [Loss(service="kafka-1", exit_code=-9, of_target=False)]
    with pytest.raises(NotPassed, match="INCONCLUSIVE"):
        held.run()
    history = History.load(held.judgements[0].run_dir)
    assert history.run.ended.startswith("aborted: kafka-1 ended by itself with exit code -9")
    assert history.final_reading("ended by itself") == [
        {"service": "kafka-1", "exit_code": -9, "of_target": False}
    ]
    assert "phases: the last phase has no end" not in history.damage  # it was held to its end


def test_a_promise_seen_broken_still_counts_when_a_server_died(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.stack.lost_services = [Loss(service="kafka-1", exit_code=-9, of_target=False)]
    with pytest.raises(NotPassed, match="FAIL"):
        held.run(missing=1)
    assert [judgement.verdict for judgement in held.judgements] == [Verdict.FAIL]


def test_a_service_of_the_target_that_died_is_recorded_and_left_to_the_claims(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.stack.lost_services = [Loss(service="orders", exit_code=1, of_target=True)]
    history = held.run()
    assert history.completed
    assert history.final_reading("ended by itself") == [
        {"service": "orders", "exit_code": 1, "of_target": True}
    ]


def test_that_nothing_died_is_recorded_too(tmp_path: Path) -> None:
    assert Held(tmp_path).run().final_reading("ended by itself") == []


def test_a_recording_that_is_lost_is_told_and_says_by_itself_that_it_was_cut_off(tmp_path: Path) -> None:
    def lose() -> None:
        # Moved in one step: emptying a folder that is being written to may find it full again.
        (held.stack.recordings / "on-paper").rename(tmp_path / "elsewhere")

    held = Held(tmp_path, lose)
    with pytest.raises(RecordingLostError, match="What is not recorded cannot be judged") as told:
        held.run()
    assert told.value.exit_code is ExitCode.INCONCLUSIVE
    assert held.judgements == []


def test_two_claims_of_one_id_are_refused_before_anything_is_held(tmp_path: Path) -> None:
    held = Held(tmp_path)
    with pytest.raises(ConfigError, match="occur twice"):
        held.chaos.run(
            load=Load(operation=PlaceOrder(), rate_per_s=100, timeout_s=1),
            faults=(),
            phases=PHASES,
            claims=(claim(), claim()),
            observing=Observation(watched=(), final=(), open_work=(Settled(),)),
        )
    assert held.stack.happened == []


def test_a_second_drill_in_one_scenario_is_refused_before_it_is_held(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.run()
    happened = list(held.stack.happened)
    with pytest.raises(ConfigError, match=r"calls chaos\.run a second time"):
        held.run()
    assert held.stack.happened == happened


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_per_s": 0},
        {"rate_per_s": float("nan")},
        {"impact_rate_per_s": 0},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
    ],
    ids=str,
)
def test_a_load_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be a number above 0"):
        Load(operation=PlaceOrder(), **{"rate_per_s": 10.0, **wrong})


def test_load_may_be_another_during_impact_and_is_as_before_after_it() -> None:
    shape = Load(operation=PlaceOrder(), rate_per_s=10, impact_rate_per_s=100).shape(PHASES)
    calm_s, until_s = PHASES.warm_up_s + PHASES.steady_s, PHASES.load_s - PHASES.heal_s
    assert shape.promised(0, calm_s) == (5, 5)
    assert shape.promised(calm_s, until_s) == (30, 30)
    assert shape.promised(until_s, PHASES.load_s) == (2, 2)


def test_what_was_to_be_offered_during_impact_is_in_the_recording(tmp_path: Path) -> None:
    assert Held(tmp_path).run().run.promised["impact_rate_per_s"] == 100


def test_a_gauge_of_a_probe_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ConfigError, match="the gauge 'lag' is of no watched probe"):
        Observation(watched=(), final=(), open_work=(), gauges=(("lag", "lag"),))


def test_a_verdict_is_not_lost_where_its_findings_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(run_dir: Path, findings: object) -> None:
        raise RecordingError(f"no room in {run_dir}") from OSError("No space left on device")

    monkeypatch.setattr("harness.drill.write_findings", no_room)
    held = Held(tmp_path)
    with pytest.raises(NotPassed, match="FAIL"):
        held.run(missing=1)
    assert [judgement.verdict for judgement in held.judgements] == [Verdict.FAIL]
