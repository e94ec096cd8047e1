"""Leaders that were lost: when another was seen, who left the in-sync replicas, and what was on its way meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay
from harness.checks.brokers import LeaderChangesWithin, LeavesAndRejoinsIsr
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.histories import Drill

# The fault is requested at 25 s, and healing begins at 45 s.
KILLED = "leader of events-0 killed"
RECORD = {"type": "x:LeaderKilled", "fields": {"topic": "events", "partition": 0}}
MEASURED = {"broker": 1.0, "epoch": 4.0, "lost_after_s": 0.2}
CHANGES = LeaderChangesWithin(reading="leaders", fault=KILLED, within_s=5)
ISR = LeavesAndRejoinsIsr(reading="leaders", fault=KILLED, within_s=5)
ALL = [1, 2, 3]


def row(leader: int = 1, epoch: int = 4, isr: list[int] = ALL, number: int = 0) -> dict[str, Any]:
    place = {"topic": "events", "partition": number}
    return {**place, "leader": leader, "epoch": epoch, "isr": isr, "replicas": ALL, "told_by": [2, 3]}


OLD, NEW = row(), row(2, 5, [2, 3])
WHOLE = row(2, 5)


def lost(run_dir: Path, *readings: tuple[float, list[dict[str, Any]]], **fault: Any) -> History:
    noted: dict[str, Any] = {"measured": MEASURED, "record": RECORD} | fault
    drill = Drill(run_dir).fault(KILLED, **noted)
    for at_s, rows in readings:
        drill.reading("leaders", rows, at_s, final=False)
    return drill.reading("leaders", [WHOLE]).ended()


def test_the_next_leader_is_timed_as_precisely_as_the_readings_lie_apart(tmp_path: Path) -> None:
    conclusion = CHANGES.check(lost(tmp_path, (24, [OLD]), (27, [OLD]), (28, [NEW]), (29, [NEW])))
    assert conclusion.verdict is Verdict.PASS
    assert "kafka-2 led 1.8 to 3.0 s after the loss" in conclusion.because
    assert "± 0.60 s" in conclusion.precision


@pytest.mark.parametrize(
    "readings",
    [
        [(27, [OLD]), (31, [OLD]), (32, [NEW])],
        [(27, [OLD]), (31, [OLD]), (44, [OLD])],
        [
            (27, [OLD]),
            (31, [row(-1, 5, [])]),
            (44, [row(-1, 5, [])]),
        ],  # nobody leads: that is no other leader
        [(27, [OLD]), (31, [row(1, 6)]), (44, [row(1, 6)])],  # the lost one again
    ],
)
def test_a_leader_who_comes_late_or_never_is_convicted(readings: Any, tmp_path: Path) -> None:
    conclusion = CHANGES.check(lost(tmp_path, *readings))
    assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("events-0",))


@pytest.mark.parametrize(
    ("readings", "why"),
    [
        ([(27, [OLD]), (33, [NEW])], "lie too far apart"),
        ([(27, [OLD]), (29, [OLD])], "nobody looked any more"),
        ([(24, [OLD]), (45, [NEW])], "nobody looked at 'leaders' while kafka-1 was away"),
        ([(27, [row(number=1)])], "does not tell of events-0"),
        ([(27, [{"topic": "events"}])], "does not tell epoch"),
        ([(27, [])], "does not tell epoch"),
    ],
)
def test_what_lies_on_both_sides_of_the_bound_or_was_not_looked_at_cannot_be_said(
    readings: Any, why: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotSay, match=why):
        CHANGES.check(lost(tmp_path, *readings))


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"measured": {}}, "broker, epoch, lost_after_s was not measured"),
        ({"record": {}}, "whose leader"),
        ({"lapsed": "it was there again"}, "was not seen to begin and to last"),
        ({"bit": False}, "was not seen to begin"),
    ],
)
def test_a_fault_that_does_not_say_whom_it_hurt_proves_nothing(fault: Any, why: str, tmp_path: Path) -> None:
    history = lost(tmp_path, (27, [OLD]), (28, [NEW]), **fault)
    for check in (CHANGES, ISR):
        with pytest.raises(CannotSay, match=why):
            check.check(history)


def test_two_losses_under_one_title_are_not_told_apart(tmp_path: Path) -> None:
    drill = Drill(tmp_path).fault(KILLED, measured=MEASURED, record=RECORD)
    history = drill.fault(KILLED, measured=MEASURED, record=RECORD).reading("leaders", [WHOLE]).ended()
    with pytest.raises(CannotSay, match="injected 2 times"):
        CHANGES.check(history)


def test_a_broker_that_left_the_replicas_and_came_back_is_innocent(tmp_path: Path) -> None:
    other = row(3, 2, number=1)  # led by another; its epoch does not change
    conclusion = ISR.check(lost(tmp_path, (27, [OLD]), (30, [NEW, {**other, "isr": [2, 3]}]), (44, [NEW])))
    assert conclusion.verdict is Verdict.FAIL, "the end does not tell of events-1"
    assert conclusion.examples == ("events-1",)
    conclusion = ISR.check(two_partitions(tmp_path / "told", before=[OLD, other]))
    assert conclusion.verdict is Verdict.PASS
    assert "all 2 partitions that had it in sync before, of its 2" in conclusion.because


def two_partitions(run_dir: Path, before: list[dict[str, Any]]) -> History:
    other = row(3, 2, number=1)
    drill = Drill(run_dir).fault(KILLED, measured=MEASURED, record=RECORD)
    if before:
        drill.reading("leaders", before, 24, final=False)
    drill.reading("leaders", [NEW, {**other, "isr": [2, 3]}], 30, final=False)
    return drill.reading("leaders", [WHOLE, other]).ended()


def test_a_broker_that_was_out_of_sync_before_its_loss_left_nothing(tmp_path: Path) -> None:
    behind = {**row(3, 2, number=1), "isr": [2, 3]}
    conclusion = ISR.check(two_partitions(tmp_path / "of one", before=[OLD, behind]))
    assert conclusion.verdict is Verdict.PASS
    assert "all 1 partitions that had it in sync before, of its 2" in conclusion.because
    for number, before in enumerate([[row(isr=[2, 3]), behind], []]):
        with pytest.raises(CannotSay, match="nobody saw kafka-1 in sync before it was lost"):
            ISR.check(two_partitions(tmp_path / str(number), before=before))


def test_a_replica_that_is_counted_on_though_it_is_away_convicts(tmp_path: Path) -> None:
    conclusion = ISR.check(lost(tmp_path, (27, [OLD]), (30, [row(2, 5, ALL)]), (44, [row(2, 5, ALL)])))
    assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("events-0",))


def test_a_replica_that_was_not_missed_yet_convicts_nobody(tmp_path: Path) -> None:
    """Its session is not over while it is looked at for the last time."""
    with pytest.raises(
        CannotSay, match="events-0 was not seen without kafka-1, and nobody looked later than 5 s"
    ):
        ISR.check(lost(tmp_path, (24, [OLD]), (27, [OLD]), (30, [OLD])))


def test_a_replica_that_is_counted_on_again_while_it_is_away_convicts(tmp_path: Path) -> None:
    conclusion = ISR.check(lost(tmp_path, (30, [NEW]), (44, [row(2, 5, ALL)])))
    assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("events-0",))


def test_a_replica_that_never_came_back_convicts(tmp_path: Path) -> None:
    drill = Drill(tmp_path).fault(KILLED, measured=MEASURED, record=RECORD)
    history = drill.reading("leaders", [NEW], 30, final=False).reading("leaders", [NEW]).ended()
    conclusion = ISR.check(history)
    assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("events-0",))


def test_nobody_comes_back_unseen(tmp_path: Path) -> None:
    drill = Drill(tmp_path).fault(KILLED, measured=MEASURED, record=RECORD)
    with pytest.raises(CannotSay, match="not at the end"):
        ISR.check(drill.reading("leaders", [NEW], 30, final=False).ended())


def test_a_bound_that_nobody_can_keep_is_refused() -> None:
    with pytest.raises(ConfigError, match="within_s must be above 0"):
        LeaderChangesWithin(reading="leaders", fault=KILLED, within_s=0)
    with pytest.raises(ConfigError, match="within_s must be above 0"):
        LeavesAndRejoinsIsr(reading="leaders", fault=KILLED, within_s=0)
