"""Past its limit an order is cancelled and has cost nothing; orders that could still end either way are not judged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay
from harness.checks.limits import CancelledPastLimit
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.histories import LEDGER, ORDERS, Drill

# The fault is active from 26 s to 45 s: orders sent until 33 s pass their limit of 10 + 2 s before healing begins.
CHECK = CancelledPastLimit(
    operation="place_order",
    orders=ORDERS,
    ledger=LEDGER,
    limit_s=10,
    slack_s=2,
    fault="provider killed",
    expect_not={"expect": "declined"},
)


def history(
    run_dir: Path, *, early: str, late: str = "CONFIRMED", kept_cents: int = 0, sent_s: float = 30
) -> History:
    """Two orders, one past its limit before healing began and one not."""
    drill = Drill(run_dir).fault().operation("early", sent_s).operation("late", 40)
    drill.reading(
        "orders",
        [
            {"order_id": "early", "status": early, "total_cents": 500, "items": []},
            {"order_id": "late", "status": late, "total_cents": 500, "items": []},
        ],
    )
    charge = {"order_id": "early", "kind": "charge", "amount_cents": 500}
    refund = {"order_id": "early", "kind": "refund", "amount_cents": 500 - kept_cents}
    return drill.reading("ledger", [charge, refund]).ended()


def test_an_order_past_its_limit_that_was_cancelled_and_paid_back_passes(tmp_path: Path) -> None:
    concluded = CHECK.check(history(tmp_path / "r", early="CANCELLED"))
    assert concluded.verdict is Verdict.PASS
    assert "1 orders passed their limit" in concluded.because


@pytest.mark.parametrize("status", ["CONFIRMED", "PENDING"])
def test_an_order_past_its_limit_that_was_not_cancelled_fails_by_name(tmp_path: Path, status: str) -> None:
    concluded = CHECK.check(history(tmp_path / "r", early=status))
    assert concluded.verdict is Verdict.FAIL
    assert concluded.examples == ("early",)


def test_money_that_stayed_with_the_provider_fails_a_cancelled_order(tmp_path: Path) -> None:
    concluded = CHECK.check(history(tmp_path / "r", early="CANCELLED", kept_cents=1))
    assert concluded.verdict is Verdict.FAIL
    assert "1 have money left" in concluded.because


@pytest.mark.parametrize("late", ["CONFIRMED", "CANCELLED"])
def test_an_order_whose_limit_came_after_healing_may_end_either_way(tmp_path: Path, late: str) -> None:
    assert CHECK.check(history(tmp_path / "r", early="CANCELLED", late=late)).verdict is Verdict.PASS


def test_an_order_counts_from_when_it_was_acknowledged(tmp_path: Path) -> None:
    """Sent at 32.5 s and acknowledged at 33.5 s: its limit may have begun as late as that, so it is not judged."""
    drill = Drill(tmp_path / "r").fault().operation("slow", 32.5, took_ms=1_000).operation("early", 30)
    orders = [
        {"order_id": "slow", "status": "CONFIRMED", "total_cents": 500, "items": []},
        {"order_id": "early", "status": "CANCELLED", "total_cents": 500, "items": []},
    ]
    concluded = CHECK.check(drill.reading("orders", orders).reading("ledger", []).ended())
    assert concluded.verdict is Verdict.PASS
    assert "1 orders passed their limit" in concluded.because


def test_an_order_that_came_while_the_silence_was_being_measured_is_judged(tmp_path: Path) -> None:
    """These are the orders that were charged without a word, before the breaker opened."""
    drill = Drill(tmp_path / "r").fault(measured={"waited_s": 1.0}).operation("early", 25.2)
    orders = [{"order_id": "early", "status": "CANCELLED", "total_cents": 500, "items": []}]
    charged = [{"order_id": "early", "kind": "charge", "amount_cents": 500}]
    concluded = CHECK.check(drill.reading("orders", orders).reading("ledger", charged).ended())
    assert concluded.verdict is Verdict.FAIL


def test_nothing_is_said_when_no_order_was_sent_early_enough(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="no order was accepted early enough"):
        CHECK.check(history(tmp_path / "r", early="CANCELLED", sent_s=39))


def test_nothing_is_said_when_fewer_orders_passed_their_limit_than_were_wanted(tmp_path: Path) -> None:
    wanted = replace(CHECK, at_least=2)
    with pytest.raises(CannotSay, match="1 orders passed their limit during the fault, wanted 2"):
        wanted.check(history(tmp_path / "few", early="CANCELLED"))
    guilty = history(tmp_path / "guilty", early="CONFIRMED")
    assert wanted.check(guilty).verdict is Verdict.FAIL, "one is enough to convict"
    with pytest.raises(ConfigError, match="no order at all would be enough"):
        replace(CHECK, at_least=0)


def test_nothing_is_said_without_a_fault_that_bit(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="no fault was seen"):
        CHECK.check(Drill(tmp_path / "r").operation("early", 30).fault(bit=False).ended())


@pytest.mark.parametrize("how", [{"lapsed": "it answers"}, {"bit": False}])
def test_a_fault_that_was_not_there_all_along_excuses_nobody_and_convicts_nobody(
    how: dict[str, Any], tmp_path: Path
) -> None:
    """The provider may have answered: then an order was rightly confirmed."""
    drill = Drill(tmp_path).fault(**how).operation("early", 30)
    order = {"order_id": "early", "status": "CONFIRMED", "total_cents": 500, "items": []}
    history = drill.reading("orders", [order]).reading("ledger", []).ended()
    with pytest.raises(CannotSay):
        CHECK.check(history)


@pytest.mark.parametrize(("limit_s", "slack_s"), [(0, 2), (-1, 2), (10, -1)])
def test_a_limit_that_is_none_is_refused(limit_s: float, slack_s: float) -> None:
    with pytest.raises(ConfigError, match="limit_s must be above 0"):
        replace(CHECK, limit_s=limit_s, slack_s=slack_s)
