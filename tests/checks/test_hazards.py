"""Charges that nobody heard of: seen in the ledger of the one who made them, at times the fault itself proves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay
from harness.checks.hazards import Then, UnheardCharges
from harness.errors import ConfigError
from tests.histories import LEDGER, Drill, wall_ms

# The fault is noted as active at 26 s, of which it was waited for 1 s, and healing begins at 45 s.
SILENT = "answers lost"
HAZARD = UnheardCharges(ledger=LEDGER, fault=SILENT, patience_s=1.5, then=Then.ASKED_AGAIN, at_least=1)


def charge(at_s: float, *, requests: int = 1, key: str = "k") -> dict[str, Any]:
    row = {"order_id": "o1", "key": key, "kind": "charge", "amount_cents": 500}
    return {**row, "at_ms": round(wall_ms(at_s)), "requests": requests}


def refund(at_s: float) -> dict[str, Any]:
    return {**charge(at_s), "kind": "refund", "key": "r"}


def drill(run_dir: Path, *rows: dict[str, Any], **measured: float) -> Drill:
    silent = Drill(run_dir).heartbeat().fault(SILENT, measured={"waited_s": 1.0} | measured)
    return silent.reading("ledger", list(rows))


@pytest.mark.parametrize(
    ("rows", "there"),
    [
        ([charge(30, requests=2)], True),
        ([charge(30), refund(60)], False),  # given back, and never asked for again
        ([charge(30), charge(50, key="another")], True),
        ([charge(30)], False),  # nobody ever came back for it
        ([charge(25.1, requests=2)], True),  # the silence was being waited in
        ([charge(24.9, requests=2)], False),  # it may have been answered before the silence
        ([charge(43.4, requests=2)], True),
        ([charge(43.6, requests=2)], False),  # its asker may still have been there when it was healed
        ([charge(50, requests=2), refund(60)], False),
        ([refund(30)], False),
        ([], False),
    ],
)
def test_a_charge_counts_if_its_answer_was_lost_and_its_order_came_back(
    rows: list[dict[str, Any]], there: bool, tmp_path: Path
) -> None:
    assert HAZARD.seen(drill(tmp_path, *rows).ended()).ok is there


@pytest.mark.parametrize(
    ("rows", "there"),
    [
        ([charge(30), refund(60)], True),
        ([charge(30, requests=2)], False),
        ([charge(50), refund(60)], False),
        ([refund(30)], False),
    ],
)
def test_a_charge_that_was_given_back_is_a_hazard_of_its_own(
    rows: list[dict[str, Any]], there: bool, tmp_path: Path
) -> None:
    given_back = replace(HAZARD, then=Then.GIVEN_BACK)
    assert given_back.seen(drill(tmp_path, *rows).ended()).ok is there


def test_orders_are_counted_and_not_charges(tmp_path: Path) -> None:
    two = replace(HAZARD, at_least=2)
    rows = [charge(30, requests=5), charge(31, requests=5, key="another")]
    seen = two.seen(drill(tmp_path, *rows).ended())
    assert not seen.ok
    assert seen.sentence.startswith("1 orders were charged while nobody could hear of it; for 1 of them")


def test_a_silence_on_several_links_is_certain_only_once_it_was_seen_on_all(tmp_path: Path) -> None:
    history = drill(tmp_path, charge(25.5, requests=2), links=2).ended()
    assert not HAZARD.seen(history).ok


def test_a_ledger_that_does_not_count_requests_proves_nothing(tmp_path: Path) -> None:
    row = charge(30, requests=2)
    del row["requests"]
    with pytest.raises(CannotSay, match="'requests'"):
        HAZARD.seen(drill(tmp_path, row).ended())


def test_a_fault_that_never_bit_lost_no_answers(tmp_path: Path) -> None:
    history = Drill(tmp_path).fault(SILENT, bit=False).reading("ledger", [charge(30, requests=2)]).ended()
    with pytest.raises(CannotSay, match="was not seen to begin"):
        HAZARD.seen(history)
    with pytest.raises(CannotSay, match="no fault 'other' was requested"):
        replace(HAZARD, fault="other").seen(history)


def test_no_charge_at_all_is_never_enough() -> None:
    with pytest.raises(ConfigError, match="would be enough"):
        UnheardCharges(ledger=LEDGER, fault=SILENT, patience_s=1, then=Then.ASKED_AGAIN, at_least=0)
