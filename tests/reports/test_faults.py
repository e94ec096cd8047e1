"""A fault is drawn and told as certain only for as long as anybody knows that it was there."""

from pathlib import Path

import pytest

from harness.recording.records import FaultNoted, FaultStage, Stream
from reports.axis import axis_of
from reports.faults import CERTAIN, DOUBT, FaultShown, faults_shown, faults_told
from tests.histories import Drill, at

GONE = "the toxic was no longer there"


def shown(drill: Drill) -> tuple[FaultShown, ...]:
    history = drill.ended()
    return faults_shown(history, axis_of(history))


def told(drill: Drill) -> list[str]:
    history = drill.ended()
    return list(faults_told(history, axis_of(history)))


def parts(fault: FaultShown) -> list[tuple[str, float, float]]:
    return [(part.kind, part.start_s, part.end_s) for part in fault.stretches]


def test_a_fault_is_certain_until_the_order_to_heal_it(tmp_path: Path) -> None:
    [fault] = shown(Drill(tmp_path).fault())
    assert parts(fault) == [(CERTAIN, 26, 45), (DOUBT, 45, 45.5)]
    assert fault.told == "provider killed: from 26.0 s to 45.0 s; seen to be healed at 45.5 s"
    assert [fault.boxes[0].start, fault.boxes[0].width] == pytest.approx([30.588, 22.353])


def test_a_fault_that_was_found_gone_is_certain_at_no_time(tmp_path: Path) -> None:
    [fault] = shown(Drill(tmp_path / "a").fault(lapsed=GONE))
    assert parts(fault) == [(DOUBT, 26, 45.5)]
    assert f"found gone at 45.0 s, nobody knows since when ({GONE})" in fault.told
    assert fault.stretches[0].name == "provider killed (may have been gone)"
    plan = {"faults": [{"title": "provider killed", "at_s": 0, "seconds": 20}]}
    [sentence] = told(Drill(tmp_path / "b", promised=plan).fault(lapsed=GONE))
    assert sentence.endswith("Planned were 20 s, nobody knows how many it had.")


def test_a_healing_that_was_not_verified_leaves_it_open_to_the_end(tmp_path: Path) -> None:
    [fault] = shown(Drill(tmp_path / "a").fault(verified=False))
    assert parts(fault) == [(CERTAIN, 26, 45), (DOUBT, 45, 85)]
    assert fault.told.endswith("mended at 45.5 s, which was not verified (1 of 5 connections answered)")
    [fault] = shown(Drill(tmp_path / "b").fault(healed=False))
    assert parts(fault) == [(CERTAIN, 26, 45), (DOUBT, 45, 85)]
    assert fault.told.endswith("never seen to be healed")


def test_a_fault_that_nobody_looked_for_again_is_certain_at_no_time(tmp_path: Path) -> None:
    drill = Drill(tmp_path)
    noted = FaultNoted(number=0, stage=FaultStage.ACTIVE, at_ns=at(30), title="t", fault={}, seen=True)
    drill.recorder.note(Stream.FAULTS, noted)
    [fault] = shown(drill)
    assert parts(fault) == [(DOUBT, 30, 85)]
    assert "nobody looked for it again" in fault.told


def test_a_fault_that_never_bit_is_not_drawn_and_told(tmp_path: Path) -> None:
    assert shown(Drill(tmp_path / "a").fault(bit=False)) == ()
    [sentence] = told(Drill(tmp_path / "b").fault(bit=False))
    assert sentence == "provider killed: was not seen to have its effect. it still answers."


def test_a_fault_is_told_beside_what_was_planned(tmp_path: Path) -> None:
    plan = [{"title": "provider killed", "at_s": 0, "seconds": 20}, {"title": "b", "at_s": 3, "seconds": 7}]
    first, second = told(Drill(tmp_path / "a", promised={"faults": plan}).fault())
    assert first.endswith("Measured: 5 of 5 connections refused. Planned were 20 s, it had 19 s.")
    assert second == "b: was planned for 7 s from 3 s into impact, and never begun."
    [alone] = told(Drill(tmp_path / "b").fault())
    assert "lanned" not in alone
    other = [plan[1]]
    [renamed] = told(Drill(tmp_path / "c", promised={"faults": other}).fault())
    assert "Planned were 7 s of “b”" in renamed
