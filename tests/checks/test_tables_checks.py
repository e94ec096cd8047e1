"""Checks that compare final tables: each with an innocent shop, then with the shop guilty in one point."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Check
from harness.checks.events import AppliedInOrder, EveryEventApplied
from harness.checks.liveness import EveryOrderSettles, OrdersAreConfirmed, PendingSettlesAfterHeal
from harness.checks.money import ChargedAtMostOnce, LedgersAgree, MoneyConserved
from harness.checks.safety import NothingAcknowledgedIsLost
from harness.checks.saga import UnwoundInReverse
from harness.checks.stock import ReservationsMatchOrders, StockConserved
from harness.recording.records import Phase, Verdict
from tests.histories import LEDGER, ORDERS, RESERVATIONS, SAGA_LOG, innocent_drill, innocent_tables

Tables = dict[str, list[dict[str, Any]]]

LOST = NothingAcknowledgedIsLost(operation="place_order", reading="orders", column="order_id")
TWICE = ChargedAtMostOnce(ledger=LEDGER)
MONEY = MoneyConserved(orders=ORDERS, ledger=LEDGER)
BOOKS = LedgersAgree(payments="payments", ledger=LEDGER)
STOCK = StockConserved(stock="stock", reservations=RESERVATIONS)
HELD = ReservationsMatchOrders(orders=ORDERS, reservations=RESERVATIONS)
SETTLED = EveryOrderSettles(orders=ORDERS, reservations=RESERVATIONS, ledger=LEDGER)
SHARE = OrdersAreConfirmed(
    operation="place_order",
    orders=ORDERS,
    phases=(Phase.IMPACT, Phase.HEAL),
    share_min=0.95,
    expect_not={"expect": "declined"},
)
HEALED = PendingSettlesAfterHeal(
    operation="place_order",
    log=SAGA_LOG,
    last_step="confirm-order",
    within_s=5,
    expect_not={"expect": "declined"},
)
EVENTS = AppliedInOrder(reading="applied_events")
UNWOUND = UnwoundInReverse(log=SAGA_LOG, orders=ORDERS)
APPLIED = EveryEventApplied(orders="orders", applied="applied_events")
ALL: list[Check] = [LOST, TWICE, MONEY, BOOKS, STOCK, HELD, SETTLED, SHARE, HEALED, EVENTS, APPLIED, UNWOUND]


def _row(tables: Tables, name: str, **where: Any) -> dict[str, Any]:
    return next(row for row in tables[name] if all(row[key] == value for key, value in where.items()))


def lose_an_order(tables: Tables) -> None:
    tables["orders"].remove(_row(tables, "orders", order_id="o010"))


def charge_again(tables: Tables) -> None:
    tables["ledger"].append(dict(_row(tables, "ledger", order_id="o010")))


def charge_again_and_refund(tables: Tables) -> None:
    charge_again(tables)
    tables["ledger"].append({**_row(tables, "ledger", order_id="o010"), "kind": "refund"})


def charge_a_cancelled_order(tables: Tables) -> None:
    tables["ledger"].append({**tables["ledger"][0], "order_id": "o001"})


def charge_an_order_nobody_knows(tables: Tables) -> None:
    tables["ledger"].append({**tables["ledger"][0], "order_id": "o999"})


def charge_too_little(tables: Tables) -> None:
    _row(tables, "ledger", order_id="o010")["amount_cents"] = 499


def forget_to_charge(tables: Tables) -> None:
    tables["ledger"].clear()


def lose_a_mug(tables: Tables) -> None:
    tables["stock"][0]["available"] -= 1


def oversell(tables: Tables) -> None:
    tables["stock"][0].update(available=-5, initial=tables["stock"][0]["sold"] - 5)


def keep_the_goods_of_a_cancelled_order(tables: Tables) -> None:
    _row(tables, "reservations", order_id="o001")["status"] = "RESERVED"


def reserve_too_few(tables: Tables) -> None:
    _row(tables, "reservations", order_id="o010")["quantity"] = 1


def reserve_for_nobody(tables: Tables) -> None:
    tables["reservations"].append({**tables["reservations"][-1], "order_id": "o999"})


def leave_an_order_pending(tables: Tables) -> None:
    _row(tables, "orders", order_id="o010")["status"] = "PENDING"


def invent_a_status(tables: Tables) -> None:
    _row(tables, "orders", order_id="o010")["status"] = "LIMBO"


def cancel_what_was_to_be_confirmed(tables: Tables) -> None:
    _row(tables, "orders", order_id="o010")["status"] = "CANCELLED"


def confirm_late(tables: Tables) -> None:
    _row(tables, "saga_log", order_id="o010", step_name="confirm-order")["executed_at"] += 5_000


def never_confirm(tables: Tables) -> None:
    tables["saga_log"].remove(_row(tables, "saga_log", order_id="o010", step_name="confirm-order"))


def apply_twice(tables: Tables) -> None:
    tables["applied_events"].append({**tables["applied_events"][-1], "seq": 1_000})


def apply_backwards(tables: Tables) -> None:
    first = _row(tables, "applied_events", order_id="o010", version=1)
    second = _row(tables, "applied_events", order_id="o010", version=2)
    first["seq"], second["seq"] = second["seq"], first["seq"]


def skip_an_event(tables: Tables) -> None:
    tables["applied_events"].remove(_row(tables, "applied_events", order_id="o010", version=1))


def stop_before_the_last_event(tables: Tables) -> None:
    tables["applied_events"].remove(_row(tables, "applied_events", order_id="o010", version=2))


def never_hear_of_an_order(tables: Tables) -> None:
    tables["applied_events"] = [row for row in tables["applied_events"] if row["order_id"] != "o010"]


def apply_an_event_of_nobody(tables: Tables) -> None:
    tables["applied_events"].append({**tables["applied_events"][-1], "order_id": "o999", "seq": 1_000})


def compensate_half_way(tables: Tables) -> None:
    step = _row(tables, "saga_log", order_id="o001", step_name="reserve-inventory", status="COMPENSATED")
    tables["saga_log"].remove(step)


def never_compensate(tables: Tables) -> None:
    tables["saga_log"] = [
        row for row in tables["saga_log"] if row["order_id"] != "o001" or row["status"] != "COMPENSATED"
    ]


def compensate_forwards(tables: Tables) -> None:
    rows = [row for row in tables["saga_log"] if row["order_id"] == "o001" and row["status"] == "COMPENSATED"]
    rows[0]["seq"], rows[1]["seq"] = rows[1]["seq"], rows[0]["seq"]


def compensate_twice(tables: Tables) -> None:
    step = _row(tables, "saga_log", order_id="o001", step_name="check-fraud", status="COMPENSATED")
    tables["saga_log"].append({**step, "seq": 999})


def compensate_what_was_never_done(tables: Tables) -> None:
    step = _row(tables, "saga_log", order_id="o001", status="COMPENSATED")
    tables["saga_log"].append({**step, "step_name": "ship", "seq": 999})


@pytest.mark.parametrize("check", ALL, ids=lambda check: type(check).__name__)
def test_an_innocent_shop_passes(check: Check, tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).tables(innocent_tables()).ended()
    conclusion = check.check(history)
    assert conclusion.verdict is Verdict.PASS, conclusion.because
    assert conclusion.examples == ()


@pytest.mark.parametrize(
    ("check", "crime", "example"),
    [
        (LOST, lose_an_order, "o010"),
        (TWICE, charge_again, "o010"),
        (TWICE, charge_again_and_refund, "o010"),
        (MONEY, charge_a_cancelled_order, "o001"),
        (MONEY, charge_an_order_nobody_knows, "o999"),
        (MONEY, charge_too_little, "o010"),
        (MONEY, forget_to_charge, "o010"),
        (BOOKS, charge_a_cancelled_order, "o001"),
        (BOOKS, charge_an_order_nobody_knows, "o999"),
        (BOOKS, charge_too_little, "o010"),
        (STOCK, lose_a_mug, "mug"),
        (STOCK, oversell, "mug"),
        (STOCK, keep_the_goods_of_a_cancelled_order, "mug"),
        (HELD, keep_the_goods_of_a_cancelled_order, "o001"),
        (HELD, reserve_too_few, "o010"),
        (HELD, reserve_for_nobody, "o999"),
        (SETTLED, leave_an_order_pending, "o010"),
        (SETTLED, invent_a_status, "o010"),
        (SETTLED, keep_the_goods_of_a_cancelled_order, "o001"),
        (SETTLED, charge_a_cancelled_order, "o001"),
        (SHARE, cancel_what_was_to_be_confirmed, "o010"),
        (HEALED, confirm_late, "o010"),
        (HEALED, never_confirm, "o010"),
        (EVENTS, apply_twice, "o019"),
        (EVENTS, apply_backwards, "o010"),
        (EVENTS, skip_an_event, "o010"),
        (APPLIED, stop_before_the_last_event, "o010"),
        (APPLIED, never_hear_of_an_order, "o010"),
        (APPLIED, apply_an_event_of_nobody, "o999"),
        (UNWOUND, compensate_half_way, "s-o001"),
        (UNWOUND, never_compensate, "s-o001"),
        (UNWOUND, compensate_forwards, "s-o001"),
        (UNWOUND, compensate_twice, "s-o001"),
        (UNWOUND, compensate_what_was_never_done, "s-o001"),
    ],
    ids=lambda part: getattr(part, "__name__", None) or type(part).__name__,
)
def test_a_guilty_shop_fails_and_the_culprit_is_named(
    check: Check, crime: Callable[[Tables], None], example: str, tmp_path: Path
) -> None:
    tables = innocent_tables()
    crime(tables)
    conclusion = check.check(innocent_drill(tmp_path).tables(tables).ended())
    assert conclusion.verdict is Verdict.FAIL, conclusion.because
    assert example in conclusion.examples
    assert len(conclusion.examples) <= 20


@pytest.mark.parametrize("check", ALL, ids=lambda check: type(check).__name__)
@pytest.mark.parametrize("broken", [None, {}, [{}], [1], "text", [{"order_id": None}]], ids=repr)
def test_a_reading_of_another_shape_is_never_judged(check: Check, broken: Any, tmp_path: Path) -> None:
    tables: dict[str, Any] = dict.fromkeys(innocent_tables(), broken)
    with pytest.raises(CannotSay):
        check.check(innocent_drill(tmp_path).tables(tables).ended())


@pytest.mark.parametrize("check", [check for check in ALL if check is not LOST], ids=repr)
def test_empty_tables_prove_nothing(check: Check, tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).tables({name: [] for name in innocent_tables()}).ended()
    with pytest.raises(CannotSay):
        check.check(history)


def test_a_consumer_that_stopped_has_done_nothing_out_of_order(tmp_path: Path) -> None:
    """Which is why it takes a check of its own to find it."""
    tables = innocent_tables()
    stop_before_the_last_event(tables)
    assert EVENTS.check(innocent_drill(tmp_path).tables(tables).ended()).verdict is Verdict.PASS


@pytest.mark.parametrize(("margin_s", "verdict"), [(0, Verdict.FAIL), (2, Verdict.PASS)])
def test_an_order_that_the_fault_caught_on_its_way_need_not_be_confirmed(
    margin_s: float, verdict: Verdict, tmp_path: Path
) -> None:
    """o018 left at 44 s, a second before the phase of interest ended."""
    tables = innocent_tables()
    _row(tables, "orders", order_id="o018")["status"] = "CANCELLED"
    history = innocent_drill(tmp_path).tables(tables).ended()
    share = OrdersAreConfirmed(
        operation="place_order",
        orders=ORDERS,
        phases=(Phase.IMPACT,),
        share_min=1,
        margin_s=margin_s,
        expect_not={"expect": "declined"},
    )
    assert share.check(history).verdict is verdict


def test_a_price_with_half_cents_is_refused_and_not_rounded(tmp_path: Path) -> None:
    tables = innocent_tables()
    tables["ledger"][0]["amount_cents"] = 500.5
    with pytest.raises(CannotSay, match=r"whole numbers, got 500\.5"):
        MONEY.check(innocent_drill(tmp_path).tables(tables).ended())


def test_money_in_an_open_order_is_neither_right_nor_wrong_yet(tmp_path: Path) -> None:
    tables = innocent_tables()
    leave_an_order_pending(tables)
    with pytest.raises(CannotSay, match="1 orders are paid and still open"):
        MONEY.check(innocent_drill(tmp_path).tables(tables).ended())


def test_a_second_charge_may_be_allowed_once_the_first_was_refunded(tmp_path: Path) -> None:
    tables = innocent_tables()
    charge_again_and_refund(tables)
    lenient = ChargedAtMostOnce(ledger=LEDGER, refunded_counts=False)
    assert lenient.check(innocent_drill(tmp_path).tables(tables).ended()).verdict is Verdict.PASS


def test_a_step_that_timed_out_may_be_compensated_and_need_not_be(tmp_path: Path) -> None:
    tables = innocent_tables()
    payment = _row(tables, "saga_log", order_id="o001", step_name="process-payment")
    payment["status"] = "TIMED_OUT"
    tables["saga_log"].append({**payment, "status": "COMPENSATED", "seq": 12.0})
    for place, row in enumerate(row for row in tables["saga_log"] if row["order_id"] == "o001"):
        row["seq"] = {0: 10, 1: 11, 2: 12, 3: 14, 4: 15, 5: 13}[place]
    history = innocent_drill(tmp_path).tables(tables).ended()
    lenient = UnwoundInReverse(log=SAGA_LOG, orders=ORDERS, uncertain=("TIMED_OUT",))
    assert lenient.check(history).verdict is Verdict.PASS
    assert UNWOUND.check(history).verdict is Verdict.FAIL


def test_an_order_finished_before_it_was_sent_means_that_the_wall_clock_was_set(tmp_path: Path) -> None:
    tables = innocent_tables()
    for row in tables["saga_log"]:
        row["executed_at"] -= 3_600_000
    with pytest.raises(CannotSay, match="wall clock"):
        HEALED.check(innocent_drill(tmp_path).tables(tables).ended())
