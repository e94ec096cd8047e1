from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.checks import CannotSay, Claim, Evidence, Kind
from harness.checks.evidence import FaultBit, FaultHealed, HealthyBefore
from harness.checks.hazards import SomeRows
from harness.checks.judging import judge
from harness.checks.load import GeneratorOnTime, KeptUp, LoadReached, UnderLoad
from harness.checks.machine import DiskCalm, MachineCalm, MachineUncrowded
from harness.checks.money import ChargedAtMostOnce
from harness.recording.history import History
from harness.recording.records import NOT_SENT, Phase, Verdict
from tests.histories import LEDGER, STARTS_S, Drill, innocent_drill, innocent_tables

LOAD = LoadReached(phase=Phase.STEADY, rate_per_s=5)
CALM = MachineCalm(phases=(Phase.STEADY, Phase.IMPACT), max_stall_ms=100)
PENDING = SomeRows(
    reading="order_statuses",
    what="pending orders",
    where={"status": "PENDING"},
    at_least=3,
    moment=Phase.IMPACT,
)
LOADED = UnderLoad()
DISK = DiskCalm(phases=(Phase.STEADY, Phase.IMPACT), stalled_share_max=0.02)
ON_TIME = GeneratorOnTime(phases=(Phase.STEADY,))
UNCROWDED = MachineUncrowded(phases=(Phase.STEADY, Phase.IMPACT))
KEPT_UP = KeptUp(reading="pending", rows_max=2)


def faults(*titles: str, for_s: float = 20) -> dict[str, object]:
    return {"faults": [{"title": title, "seconds": for_s} for title in titles]}


def _seen(evidence: Evidence, history: History) -> bool:
    try:
        return evidence.seen(history).ok
    except CannotSay:
        return False


def _steady(drill: Drill, *, every_s: float = 0.2, late_ms: float = 0, outcome: str = "ok") -> Drill:
    for number in range(int(20 / every_s)):
        drill.operation(f"o{number}", 5 + number * every_s, outcome, late_ms=late_ms)
    return drill


def _statuses(drill: Drill, at_s: float, pending: int) -> Drill:
    rows = [{"status": "PENDING"}] * pending + [{"status": "CONFIRMED"}] * 5
    return drill.reading("order_statuses", rows, at_s, final=False)


def _cpu(drill: Drill, *, busy_s: float, ours_s: float, late_s: float = 0) -> Drill:
    """Two cores: 40 s of each phase, of which in impact so much was used; steady is half idle and all ours."""
    used = {5.0: (0.0, 0.0), 25.0: (20.0, 20.0), 45.0 + late_s: (20.0 + busy_s, 20.0 + ours_s)}
    for at_s, (busy, ours) in used.items():
        value = {"all_s": 2.0 * at_s, "busy_s": 100 + busy, "ours_s": ours}
        drill.reading("machine_cpu", value, at_s, final=False)
    return drill


def _pending(drill: Drill, *counts: int, from_s: float = 6) -> Drill:
    for place, count in enumerate(counts):
        drill.reading("pending", [{"order_id": "o"}] * count, from_s + place, final=False)
    return drill


@pytest.mark.parametrize(
    ("evidence", "record", "there"),
    [
        (FaultBit(), lambda drill: drill.fault(), True),
        (FaultBit(), lambda drill: drill, False),
        (FaultBit(), lambda drill: drill.fault().fault("other", bit=False), False),
        (FaultBit(), lambda drill: drill.fault(lapsed="it was there again"), False),
        (FaultHealed(), lambda drill: drill.fault(lapsed="it was there again"), True),
        (FaultHealed(), lambda drill: drill.fault(), True),
        (FaultHealed(), lambda drill: drill.fault(healed=False), False),
        (FaultHealed(), lambda drill: drill, False),
        (HealthyBefore(operation="place_order"), _steady, True),
        (HealthyBefore(operation="place_order"), lambda drill: _steady(drill, outcome="unknown"), False),
        (HealthyBefore(operation="place_order"), lambda drill: drill, False),
        (
            HealthyBefore(operation="place_order"),
            lambda drill: (
                _steady(drill)
                .operation("n", 12, "rejected", error=f"{NOT_SENT}no ports")
                .operation("m", 13, "rejected", error=f"{NOT_SENT}no ports")
            ),
            True,
        ),
        (LOAD, _steady, True),
        (LOAD, lambda drill: _steady(drill, every_s=0.25), False),
        (LOAD, lambda drill: _steady(drill, late_ms=150), True),
        (LOAD, lambda drill: _steady(drill, late_ms=15_000), False),
        (LOAD, lambda drill: drill, False),
        (ON_TIME, _steady, True),
        (ON_TIME, lambda drill: _steady(drill, late_ms=150), False),
        (ON_TIME, lambda drill: drill, False),
        (CALM, lambda drill: drill.heartbeat(), True),
        (CALM, lambda drill: drill.heartbeat(stall_at_s=30, late_ms=150), False),
        (CALM, lambda drill: drill.heartbeat(stall_at_s=30, late_ms=90), True),
        (CALM, lambda drill: drill.heartbeat(stall_at_s=60, late_ms=900), True),
        (CALM, lambda drill: drill.heartbeat(until_s=40), False),
        (CALM, lambda drill: drill, False),
        (DISK, lambda drill: drill.disk(), True),
        (DISK, lambda drill: drill.disk(stalled_from_s=30, late_ms=390), True),
        (DISK, lambda drill: drill.disk(stalled_from_s=30, late_ms=410), False),
        (DISK, lambda drill: drill.disk(stalled_from_s=44.7, late_ms=690), True),
        (DISK, lambda drill: drill.disk(stalled_from_s=60, late_ms=900), True),
        (DISK, lambda drill: drill.disk(until_s=40), False),
        (DISK, lambda drill: drill.heartbeat(), False),
        (UNCROWDED, lambda drill: _cpu(drill, busy_s=39, ours_s=38), True),
        (UNCROWDED, lambda drill: _cpu(drill, busy_s=39, ours_s=20), False),
        (UNCROWDED, lambda drill: _cpu(drill, busy_s=30, ours_s=10), True),
        (UNCROWDED, lambda drill: _cpu(drill, busy_s=39, ours_s=38, late_s=3), False),
        (UNCROWDED, lambda drill: drill, False),
        (KEPT_UP, lambda drill: _pending(drill, 1, 2, 40), True),
        (KEPT_UP, lambda drill: _pending(drill, 1, 3, 5), False),
        (KEPT_UP, lambda drill: _pending(drill, 0, 0, from_s=30), False),
        (KEPT_UP, lambda drill: drill, False),
        (PENDING, lambda drill: _statuses(_statuses(drill, 30, 1), 31, 3), True),
        (PENDING, lambda drill: _statuses(drill, 30, 2), False),
        (PENDING, lambda drill: _statuses(drill, 50, 9), False),
        (PENDING, lambda drill: drill, False),
    ],
)
def test_evidence_is_seen_where_it_is_and_nowhere_else(
    evidence: Evidence, record: Callable[[Drill], Drill], there: bool, tmp_path: Path
) -> None:
    assert _seen(evidence, record(Drill(tmp_path)).ended()) is there


def test_a_planned_fault_that_was_never_injected_did_not_bite(tmp_path: Path) -> None:
    """The machine stood still until its time was over: no line tells of it, only the plan does."""
    history = innocent_drill(tmp_path, promised=faults("provider killed", "orders paused")).ended()
    seen = FaultBit().seen(history)
    assert not seen.ok
    assert seen.sentence == "orders paused: planned and never injected"


def test_a_plan_of_which_nothing_was_injected_is_told_by_name(tmp_path: Path) -> None:
    history = Drill(tmp_path, promised=faults("orders paused")).ended()
    assert FaultBit().seen(history).sentence == "orders paused: planned and never injected"


def test_a_fault_of_an_instant_hurt_nobody(tmp_path: Path) -> None:
    """It was there for 19 s."""
    assert (
        FaultBit()
        .seen(innocent_drill(tmp_path / "half", promised=faults("provider killed", for_s=38)).ended())
        .ok
    )
    seen = FaultBit().seen(
        innocent_drill(tmp_path / "less", promised=faults("provider killed", for_s=39)).ended()
    )
    assert not seen.ok
    assert seen.sentence == "provider killed was there for 19.000 of the 39 s that were planned (wanted 50%)"


@pytest.mark.parametrize(
    "promised",
    [
        {"faults": 3},
        {"faults": ["provider killed"]},
        {"faults": [{"title": 3, "seconds": 20}]},
        {"faults": [{"title": "provider killed"}]},
        {"faults": [{"title": "provider killed", "seconds": "long"}]},
        {"faults": [{"title": "provider killed", "seconds": -1}]},
        {"rate_per_s": "much"},
        {"rate_per_s": -5},
        {"impact_rate_per_s": "more"},
        {"rate_per_s": 5, "phases": None},
        {"rate_per_s": 5, "phases": {"steady": "soon"}},
        {"rate_per_s": 5, "load_s": 45},
        {"rate_per_s": 5, "load_s": float("inf")},
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_read_keeps_a_claim_from_being_green(
    promised: dict[str, object], tmp_path: Path
) -> None:
    drill = innocent_drill(tmp_path, promised={"rate_per_s": 1, **promised}).tables(innocent_tables())
    once = Claim(
        id="once",
        sentence="Nobody is charged twice.",
        source="universal",
        check=ChargedAtMostOnce(ledger=LEDGER),
        counts_only_if=(),
        kind=Kind.SAFETY,
    )
    [finding] = judge(drill.ended(), [once])
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "run does not say what it planned" in finding.because


def test_a_phase_that_was_cut_short_was_not_full_of_load(tmp_path: Path) -> None:
    """Healing took nearly all of heal: what was left of it had all the load of its own length."""
    brief = STARTS_S | {"heal": 60}
    drill = Drill(tmp_path, phases=brief)
    for number in range(5):
        drill.operation(f"o{number}", 60 + number)
    seen = LoadReached(phase=Phase.HEAL, rate_per_s=1).seen(drill.ended())
    assert not seen.ok
    assert seen.sentence == "heal lasted 5.0 of 20 s (wanted 50%)"


def _loaded(tmp_path: Path, until_s: float, every_s: float = 0.2) -> History:
    drill = Drill(tmp_path, promised={"rate_per_s": 5})
    for number in range(int((until_s - 5) / every_s)):
        drill.operation(f"o{number}", 5 + number * every_s)
    return drill.ended()


def test_load_was_there_in_every_phase_that_planned_some(tmp_path: Path) -> None:
    assert LOADED.seen(_loaded(tmp_path / "whole", 65)).ok
    assert LOADED.seen(_loaded(tmp_path / "thin", 65, every_s=0.38)).ok
    assert not LOADED.seen(_loaded(tmp_path / "thinner", 65, every_s=0.42)).ok
    ended = LOADED.seen(_loaded(tmp_path / "ended", 26))
    assert not ended.ok
    assert ended.sentence == "0% of the planned load was sent in heal (wanted 50%)"


def test_a_flood_that_was_planned_and_not_sent_is_no_load(tmp_path: Path) -> None:
    def seen(rate_per_s: float) -> str:
        drill = Drill(tmp_path / f"{rate_per_s:g}", promised={"rate_per_s": 5, "impact_rate_per_s": 50})
        times_s = [5 + number / 5 for number in range(300)]
        times_s += [25 + number / rate_per_s for number in range(round(20 * rate_per_s))]
        for number, at_s in enumerate(times_s):
            drill.operation(f"o{number}", at_s)
        seen = LOADED.seen(drill.ended())
        return f"{seen.ok}: {seen.sentence}"

    assert seen(30).startswith("True: 70% of the planned load was sent in impact")
    assert seen(10) == "False: 30% of the planned load was sent in impact (wanted 50%)"


def test_load_without_a_plan_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotSay):
        LOADED.seen(Drill(tmp_path, promised={"rate_per_s": 5, "phases": {}}).ended())


def test_a_target_that_hangs_does_not_make_the_generator_late(tmp_path: Path) -> None:
    """Nothing is answered, and all of it left in time: the load was there."""
    history = _steady(Drill(tmp_path), outcome="unknown").ended()
    assert LOAD.seen(history).ok
    assert ON_TIME.seen(history).ok
    assert "the target answered none" in ON_TIME.seen(history).sentence


def test_what_the_generator_could_not_send_is_no_load_that_the_target_was_offered(tmp_path: Path) -> None:
    drill = _steady(Drill(tmp_path))
    drill.operation("one more", 12.3, "rejected", error=f"{NOT_SENT}5000 requests are under way")
    seen = LOAD.seen(drill.ended())
    assert not seen.ok
    assert seen.sentence.startswith(
        "100 of 100 operations offered in steady (wanted 90%), 1 could not be sent"
    )


def test_a_request_that_the_target_refused_was_offered(tmp_path: Path) -> None:
    drill = _steady(Drill(tmp_path))
    assert LOAD.seen(drill.operation("refused", 12.3, "rejected", error="ConnectionRefusedError").ended()).ok


def test_a_generator_that_could_send_nothing_offered_nothing(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    for number in range(100):
        drill.operation(f"o{number}", 5 + number / 5, "rejected", error=f"{NOT_SENT}too many open files")
    seen = LOAD.seen(drill.ended())
    assert not seen.ok
    assert "0 of 100 operations offered in steady (wanted 90%), 100 could not be sent" in seen.sentence


def test_what_was_seen_is_told_with_its_figures(tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).ended()
    assert FaultBit().seen(history).sentence == "provider killed: 5 of 5 connections refused"
    assert "at most 0.0 ms in steady, impact" in CALM.seen(history).sentence


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_part_of_a_phase_that_is_none_is_not_calm(share: float, tmp_path: Path) -> None:
    history = Drill(tmp_path).heartbeat(stall_at_s=50, late_ms=900).ended()
    with pytest.raises(CannotSay, match="no part of it"):
        MachineCalm(phases=(Phase.HEAL,), max_stall_ms=100, last_share=share).seen(history)


def test_only_the_last_part_of_a_phase_counts_where_that_is_meant(tmp_path: Path) -> None:
    history = Drill(tmp_path).heartbeat(stall_at_s=50, late_ms=900).ended()
    whole = MachineCalm(phases=(Phase.HEAL,), max_stall_ms=100)
    assert not whole.seen(history).ok
    assert replace(whole, last_share=0.5).seen(history).ok
