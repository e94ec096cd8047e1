"""Checks that compare final tables: each with an innocent shop, then with the shop guilty in one point."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Check
from harness.checks.events import AppliedInOrder, EveryEventApplied, ViewAgrees
from harness.checks.liveness import EveryOrderSettles, OrdersAreConfirmed, PendingSettlesAfterHeal
from harness.checks.money import ChargedAtMostOnce, LedgersAgree, MoneyConserved
from harness.checks.safety import NothingAcknowledgedIsLost, NothingUnaskedHappened
from harness.checks.saga import UndoneExactly, UndoneInReverse
from harness.checks.stock import ReservationsMatchOrders, StockConserved
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import NOT_SENT, Phase, Verdict
from tests.checks import crimes
from tests.checks.crimes import Tables, row_of
from tests.histories import LEDGER, ORDERS, RESERVATIONS, SAGA_LOG, Drill, innocent_drill, innocent_tables

LOST = NothingAcknowledgedIsLost(
    operation="place_order",
    reading="orders",
    column="order_id",
    kept={"cents": "total_cents"},
    kept_words={"contents": "contents"},
)
UNASKED = NothingUnaskedHappened(operation="place_order", reading="orders", column="order_id")
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
    limit_s=60,
    fault="provider killed",
    expect_not={"expect": "declined"},
)
EVENTS = AppliedInOrder(reading="applied_events")
UNWOUND = UndoneExactly(log=SAGA_LOG, orders=ORDERS)
REVERSED = UndoneInReverse(log=SAGA_LOG, sagas_min=3)
APPLIED = EveryEventApplied(
    orders="orders",
    applied="applied_events",
    last_event={"CONFIRMED": "OrderConfirmed", "CANCELLED": "OrderCancelled"},
)
SHOWN = ViewAgrees(orders="orders", view="order_view", numbers=("version", "total_cents"))
ALL: list[Check] = [
    LOST,
    UNASKED,
    SHOWN,
    TWICE,
    MONEY,
    BOOKS,
    STOCK,
    HELD,
    SETTLED,
    SHARE,
    HEALED,
    EVENTS,
    APPLIED,
    UNWOUND,
    REVERSED,
]


@pytest.mark.parametrize("check", ALL, ids=lambda check: type(check).__name__)
def test_an_innocent_shop_passes(check: Check, tmp_path: Path) -> None:
    history = innocent_drill(tmp_path).tables(innocent_tables()).ended()
    conclusion = check.check(history)
    assert conclusion.verdict is Verdict.PASS, conclusion.because
    assert conclusion.examples == ()


@pytest.mark.parametrize(
    ("check", "crime", "example"),
    [
        (LOST, crimes.lose_an_order, "o010"),
        (LOST, crimes.change_what_was_ordered, "o010"),
        (LOST, crimes.swap_what_was_ordered, "o010"),
        (UNASKED, crimes.make_up_an_order, "o999"),
        (TWICE, crimes.charge_again, "o010"),
        (TWICE, crimes.charge_again_and_refund, "o010"),
        (MONEY, crimes.charge_a_cancelled_order, "o001"),
        (MONEY, crimes.charge_an_order_nobody_knows, "o999"),
        (MONEY, crimes.charge_too_little, "o010"),
        (MONEY, crimes.forget_to_charge, "o010"),
        (BOOKS, crimes.charge_a_cancelled_order, "o001"),
        (BOOKS, crimes.charge_an_order_nobody_knows, "o999"),
        (BOOKS, crimes.charge_too_little, "o010"),
        (STOCK, crimes.lose_a_mug, "mug"),
        (STOCK, crimes.oversell, "mug"),
        (STOCK, crimes.keep_the_goods_of_a_cancelled_order, "mug"),
        (HELD, crimes.keep_the_goods_of_a_cancelled_order, "o001"),
        (HELD, crimes.reserve_too_few, "o010"),
        (HELD, crimes.reserve_for_nobody, "o999"),
        (HELD, crimes.forget_what_was_ordered, "o010"),
        (SETTLED, crimes.leave_an_order_pending, "o010"),
        (SETTLED, crimes.invent_a_status, "o010"),
        (SETTLED, crimes.keep_the_goods_of_a_cancelled_order, "o001"),
        (SETTLED, crimes.charge_a_cancelled_order, "o001"),
        (SHARE, crimes.cancel_what_was_to_be_confirmed, "o010"),
        (SHARE, crimes.lose_an_order, "o010"),
        (HEALED, crimes.confirm_late, "o010"),
        (HEALED, crimes.never_confirm, "o010"),
        (EVENTS, crimes.apply_twice, "o019"),
        (EVENTS, crimes.apply_backwards, "o010"),
        (EVENTS, crimes.skip_an_event, "o010"),
        (APPLIED, crimes.stop_before_the_last_event, "o010"),
        (APPLIED, crimes.never_hear_of_an_order, "o010"),
        (APPLIED, crimes.apply_an_event_of_nobody, "o999"),
        (APPLIED, crimes.never_count_versions_up, "o010"),
        (APPLIED, crimes.tell_the_wrong_end, "o010"),
        (SHOWN, crimes.show_what_was, "o010"),
        (SHOWN, crimes.show_another_price, "o010"),
        (SHOWN, crimes.show_nothing, "o010"),
        (SHOWN, crimes.show_what_is_not_there, "o999"),
        (UNWOUND, crimes.compensate_half_way, "s-o001"),
        (UNWOUND, crimes.never_compensate, "s-o001"),
        (UNWOUND, crimes.cancel_without_a_word_in_the_log, "o001"),
        (REVERSED, crimes.compensate_forwards, "s-o001"),
        (UNWOUND, crimes.compensate_twice, "s-o001"),
        (UNWOUND, crimes.do_again_what_was_undone, "s-o001"),
        (UNWOUND, crimes.compensate_what_was_never_done, "s-o001"),
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
    crimes.stop_before_the_last_event(tables)
    assert EVENTS.check(innocent_drill(tmp_path).tables(tables).ended()).verdict is Verdict.PASS


@pytest.mark.parametrize(("margin_s", "verdict"), [(0, Verdict.FAIL), (2, Verdict.PASS)])
def test_an_order_that_the_fault_caught_on_its_way_need_not_be_confirmed(
    margin_s: float, verdict: Verdict, tmp_path: Path
) -> None:
    """o018 left at 44 s, a second before the phase of interest ended."""
    tables = innocent_tables()
    row_of(tables, "orders", order_id="o018")["status"] = "CANCELLED"
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


def test_a_shop_that_turns_nearly_everybody_away_does_not_confirm_nearly_everything(tmp_path: Path) -> None:
    drill = Drill(tmp_path).fault()
    for number in range(20):
        drill.operation(f"o{number:03}", 26 + number, "ok" if number == 4 else "rejected")
    tables = {
        name: [row for row in rows if row.get("order_id") == "o004"]
        for name, rows in innocent_tables().items()
    }
    conclusion = replace(SHARE, phases=(Phase.IMPACT,)).check(drill.tables(tables).ended())
    assert conclusion.verdict is Verdict.FAIL
    assert "1 of 19 orders sent in impact were confirmed" in conclusion.because
    assert "of the others 18 were refused and 0 never answered" in conclusion.because


def test_an_order_whose_answer_was_lost_counts_as_what_became_of_it(tmp_path: Path) -> None:
    drill = Drill(tmp_path).fault()
    for number in range(4, 20):
        drill.operation(f"o{number:03}", 26 + number, "unknown")
    conclusion = replace(SHARE, phases=(Phase.IMPACT,)).check(drill.tables(innocent_tables()).ended())
    assert conclusion.verdict is Verdict.PASS


def test_an_operation_recorded_without_what_was_ordered_cannot_be_compared(tmp_path: Path) -> None:
    history = Drill(tmp_path).operation("o010", 26).tables(innocent_tables()).ended()
    with pytest.raises(CannotSay, match="without their 'cents'"):
        LOST.check(history)


def test_a_price_with_half_cents_is_refused_and_not_rounded(tmp_path: Path) -> None:
    tables = innocent_tables()
    tables["ledger"][0]["amount_cents"] = 500.5
    with pytest.raises(CannotSay, match=r"whole numbers, got 500\.5"):
        MONEY.check(innocent_drill(tmp_path).tables(tables).ended())


def test_money_in_an_open_order_is_neither_right_nor_wrong_yet(tmp_path: Path) -> None:
    tables = innocent_tables()
    crimes.leave_an_order_pending(tables)
    with pytest.raises(CannotSay, match="1 orders are paid and still open"):
        MONEY.check(innocent_drill(tmp_path).tables(tables).ended())


def test_a_second_charge_is_one_too_many_even_once_the_first_was_refunded(tmp_path: Path) -> None:
    tables = innocent_tables()
    crimes.charge_again_and_refund(tables)
    conclusion = ChargedAtMostOnce(ledger=LEDGER).check(innocent_drill(tmp_path).tables(tables).ended())
    assert conclusion.verdict is Verdict.FAIL
    assert "0 of them with no refund" in conclusion.because


def test_a_step_that_timed_out_may_be_compensated_and_need_not_be(tmp_path: Path) -> None:
    tables = innocent_tables()
    payment = row_of(tables, "saga_log", order_id="o001", step_name="process-payment")
    payment["status"] = "TIMED_OUT"
    tables["saga_log"].append({**payment, "status": "COMPENSATED", "seq": 12.0})
    for place, row in enumerate(row for row in tables["saga_log"] if row["order_id"] == "o001"):
        row["seq"] = {0: 10, 1: 11, 2: 12, 3: 14, 4: 15, 5: 13}[place]
    history = innocent_drill(tmp_path).tables(tables).ended()
    lenient = UndoneExactly(log=SAGA_LOG, orders=ORDERS, uncertain=("TIMED_OUT",))
    assert lenient.check(history).verdict is Verdict.PASS
    assert UNWOUND.check(history).verdict is Verdict.FAIL


@pytest.mark.parametrize("by_s", [-12, 12])
def test_a_wall_clock_that_was_set_during_the_run_convicts_nobody(by_s: float, tmp_path: Path) -> None:
    tables = innocent_tables()
    for row in tables["saga_log"]:
        row["executed_at"] += by_s * 1_000
    history = _beside_a_wall_clock_set(tmp_path, by_s).tables(tables).ended()
    with pytest.raises(CannotSay, match=r"was set by 12\.000 s during the run"):
        HEALED.check(history)


def test_a_wall_clock_that_is_disciplined_excuses_nobody(tmp_path: Path) -> None:
    tables = innocent_tables()
    crimes.confirm_late(tables)
    history = _beside_a_wall_clock_set(tmp_path, 0.05).tables(tables).ended()
    assert HEALED.check(history).verdict is Verdict.FAIL


def _beside_a_wall_clock_set(run_dir: Path, by_s: float) -> Drill:
    drill = Drill(run_dir)
    for number in range(20):
        drill.operation(f"o{number:03}", 26 + number, expect="declined" if number < 4 else "confirmed")
    return drill.fault().heartbeat(set_by_s=by_s)


def test_an_order_finished_before_it_was_sent_means_that_the_wall_clock_was_set(tmp_path: Path) -> None:
    tables = innocent_tables()
    for row in tables["saga_log"]:
        row["executed_at"] -= 3_600_000
    with pytest.raises(CannotSay, match="wall clock"):
        HEALED.check(innocent_drill(tmp_path).tables(tables).ended())


def test_orders_in_a_table_that_is_empty_were_asked_for_by_nobody_who_could_be_named(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="no rows"):
        UNASKED.check(innocent_drill(tmp_path).reading("orders", []).ended())


def test_an_order_that_the_generator_could_not_send_was_not_asked_for(tmp_path: Path) -> None:
    drill = Drill(tmp_path).operation("o1", 26, "rejected", error=f"{NOT_SENT}no ports")
    conclusion = UNASKED.check(drill.reading("orders", [{"order_id": "o1"}]).ended())
    assert conclusion.examples == ("o1",)


def test_a_line_that_was_lost_makes_nobody_guilty(tmp_path: Path) -> None:
    drill = innocent_drill(tmp_path).tables(innocent_tables())
    drill.ended()
    lines = (tmp_path / "operations.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "operations.jsonl").write_text("".join(lines[:-2]))
    with pytest.raises(
        CannotSay, match="what clients sent is not known for certain: operations: 2 of 40 lines"
    ):
        UNASKED.check(History.load(tmp_path))


def test_a_phase_in_which_nobody_ordered_says_nothing_of_what_is_confirmed(tmp_path: Path) -> None:
    """Of two phases that are pooled the one with orders must not speak for the other."""
    check = replace(SHARE, phases=(Phase.STEADY, Phase.IMPACT))
    with pytest.raises(CannotSay, match="no place_order was sent in steady"):
        check.check(innocent_drill(tmp_path).tables(innocent_tables()).ended())


def test_books_in_which_no_money_lies_do_not_agree_on_anything(tmp_path: Path) -> None:
    tables = innocent_tables()
    tables["ledger"].clear()
    for payment in tables["payments"]:
        payment["status"] = "FAILED"
    with pytest.raises(CannotSay, match="kept any money"):
        BOOKS.check(innocent_drill(tmp_path).tables(tables).ended())


def test_orders_that_all_are_open_hold_their_goods_or_not(tmp_path: Path) -> None:
    tables = innocent_tables()
    tables["reservations"].clear()
    for order in tables["orders"]:
        order["status"] = "PENDING"
    with pytest.raises(CannotSay, match="none of 20 orders has ended"):
        HELD.check(innocent_drill(tmp_path).tables(tables).ended())


def test_an_item_that_is_none_is_not_left_out(tmp_path: Path) -> None:
    tables = innocent_tables()
    row_of(tables, "orders", order_id="o010")["items"].append(None)
    with pytest.raises(CannotSay, match="items of 'orders' lack"):
        HELD.check(innocent_drill(tmp_path).tables(tables).ended())


def test_sagas_that_had_done_nothing_show_nothing_of_undoing(tmp_path: Path) -> None:
    tables = innocent_tables()
    tables["saga_log"] = [
        {**row, "status": "FAILED", "step_name": "reserve-inventory"}
        for row in tables["saga_log"]
        if row["status"] == "FAILED"
    ]
    with pytest.raises(CannotSay, match="nothing to undo"):
        UNWOUND.check(innocent_drill(tmp_path).tables(tables).ended())


def test_a_wall_clock_that_nobody_watched_to_the_end_proves_nothing(tmp_path: Path) -> None:
    """One beat at the beginning says nothing of what was set later."""
    drill = Drill(tmp_path).fault().heartbeat(until_s=60)
    for number in range(20):
        drill.operation(
            f"o{number:03}", 26 + number, expect="declined" if number < 4 else "confirmed", cents=500
        )
    with pytest.raises(CannotSay, match="nobody watched the wall clock for 25"):
        HEALED.check(drill.tables(innocent_tables()).ended())


def test_an_order_that_reached_its_limit_meanwhile_may_rightly_be_cancelled(tmp_path: Path) -> None:
    """However long healing took: o016 and later had time left when it was verified at 45.5 s, and 5 s more."""
    tables = innocent_tables()
    for number in range(4, 16):
        crimes.never_confirm(tables, f"o{number:03}")
    history = innocent_drill(tmp_path).tables(tables).ended()
    assert HEALED.check(history).verdict is Verdict.FAIL
    assert replace(HEALED, limit_s=9).check(history).verdict is Verdict.PASS
    with pytest.raises(CannotSay, match="had time left"):
        replace(HEALED, limit_s=5.1).check(history)


@pytest.mark.parametrize(("within_s", "limit_s"), [(0, 20), (20, 20), (5, 0)])
def test_bounds_of_pending_orders_that_nobody_can_keep_are_refused(within_s: float, limit_s: float) -> None:
    with pytest.raises(ConfigError, match="could rightly have been cancelled"):
        replace(HEALED, within_s=within_s, limit_s=limit_s)
