"""Orders whose saga failed at a step: which met what, and which of the ways they ended in is legal."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Conclusion, from_record, to_record
from harness.checks.saga_cases import Crash, EachStepFailed, Failure, Logged, SagaCases
from harness.checks.saga_ends import EndsLegally
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.histories import LEDGER, ORDERS, SAGA_LOG, Drill, wall_ms

RESERVE, PAY, CONFIRM = STEPS = ("reserve-inventory", "process-payment", "confirm-order")
KILLED = "orders killed"
CASES = SagaCases(
    log=SAGA_LOG,
    steps=STEPS,
    logged=(
        Logged(failure=Failure.REFUSED, statuses=("FAILED",), error=r"^4\d\d: "),
        Logged(failure=Failure.ERROR, statuses=("RETRYING", "QUEUED"), error=r"^status 5\d\d: "),
        Logged(failure=Failure.TIME_OUT, statuses=("RETRYING", "QUEUED"), error="no answer within"),
    ),
    crash=Crash(
        fault=KILLED, in_hand="in_hand", effects="effects", ledger=LEDGER, charging_step="process-payment"
    ),
)
# What a saga's log has of a step: its status, or its status and what went wrong.
Row = tuple[str, str] | tuple[str, str, str]
DONE: list[Row] = [(RESERVE, "COMPLETED"), (PAY, "COMPLETED"), (CONFIRM, "COMPLETED")]
UNPAID: list[Row] = [(PAY, "COMPENSATED"), (RESERVE, "COMPENSATED")]


def drill(tmp_path: Path, logs: Mapping[str, Iterable[Row]], **states: str) -> Drill:
    """Orders by their sagas' logs; each ended as told, or confirmed, and was charged if its payment is completed."""
    recorded = Drill(tmp_path).heartbeat()
    rows: list[dict[str, Any]] = []
    orders, ledger = [], []
    for order, log in logs.items():
        state = states.get(order, "CONFIRMED")
        orders.append({"order_id": order, "status": state, "total_cents": 500})
        moved = []
        for step, status, *error in log:
            row = {"saga_id": f"s-{order}", "order_id": order, "step_name": step, "status": status}
            rows.append({**row, "seq": len(rows), "error_message": error[0] if error else ""})
            if step == PAY and status in {"COMPLETED", "COMPENSATED"}:
                moved.append("charge" if status == "COMPLETED" else "refund")
        for kind in moved:
            entry = {"order_id": order, "kind": kind, "amount_cents": 500, "at_ms": round(wall_ms(30))}
            ledger.append({**entry, "requests": 1})
    return recorded.tables({"orders": orders, "saga_log": rows, "ledger": ledger})


def judged(history: History, failure: Failure) -> Conclusion:
    check = EndsLegally(
        cases=CASES, failure=failure, orders=ORDERS, ledger=LEDGER, uncertain=("STARTED", "QUEUED")
    )
    assert from_record(to_record(check)) == check, "it survives its way through the recording"
    return check.check(history)


def met(history: History, failure: Failure) -> set[tuple[str, str]]:
    return {(order, step) for order, step in CASES.met(history, failure).iter_rows()}


FAILED: dict[str, list[Row]] = {
    "plain": DONE,
    "sold-out": [(RESERVE, "STARTED"), (RESERVE, "FAILED", "409: not enough stock")],
    "silent": [(RESERVE, "RETRYING", "inventory: no answer within 2 s"), *DONE],
    "ill": [(RESERVE, "RETRYING", "status 503: away"), *DONE],
    "queued": [(RESERVE, "COMPLETED"), (PAY, "QUEUED", "status 503: away; then breaker is open"), *DONE[1:]],
    "refused": [*DONE[:2], (CONFIRM, "FAILED", "409: RELEASED"), *UNPAID],
    "unwinding": [*DONE[:2], (CONFIRM, "FAILED", "409: RELEASED"), *UNPAID],
    "too-late": [(RESERVE, "COMPLETED"), (PAY, "FAILED", "saga timeout: its limit is reached"), UNPAID[1]],
    "not-tried": [(RESERVE, "COMPLETED"), (PAY, "QUEUED", "breaker is open"), *DONE[1:]],
}
CANCELLED = dict.fromkeys(("sold-out", "refused", "unwinding", "too-late"), "CANCELLED")


def test_each_order_says_in_its_log_what_it_met(tmp_path: Path) -> None:
    history = drill(tmp_path, FAILED, **CANCELLED).ended()
    assert met(history, Failure.REFUSED) == {
        ("sold-out", RESERVE),
        ("refused", CONFIRM),
        ("unwinding", CONFIRM),
    }
    assert met(history, Failure.ERROR) == {("ill", RESERVE), ("queued", PAY)}
    assert met(history, Failure.TIME_OUT) == {("silent", RESERVE)}


def test_a_failure_counts_only_if_each_step_met_it(tmp_path: Path) -> None:
    history = drill(tmp_path, FAILED, **CANCELLED).ended()
    seen = EachStepFailed(cases=CASES, failure=Failure.REFUSED).seen(history)
    assert not seen.ok
    assert (
        "1 orders at reserve-inventory, 0 orders at process-payment, 2 orders at confirm-order"
        in seen.sentence
    )
    only = replace(CASES, steps=(RESERVE, CONFIRM))
    assert EachStepFailed(cases=only, failure=Failure.REFUSED).seen(history).ok
    assert not EachStepFailed(cases=only, failure=Failure.REFUSED, at_least=2).seen(history).ok


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.ERROR, Failure.TIME_OUT])
def test_orders_that_were_finished_or_unwound_are_innocent(tmp_path: Path, failure: Failure) -> None:
    found = judged(drill(tmp_path, FAILED, **CANCELLED).ended(), failure)
    assert found.verdict is Verdict.PASS
    assert f"{failure.value}: {RESERVE}: 1 (" in found.because


def test_what_nobody_met_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotSay, match="no order met this: error"):
        judged(drill(tmp_path, {"plain": DONE}).ended(), Failure.ERROR)


REFUSED_LAST: Row = (CONFIRM, "FAILED", "409: RELEASED")
SILENT_FIRST: Row = (RESERVE, "RETRYING", "inventory: no answer within 2 s")


@pytest.mark.parametrize(
    ("log", "state", "failure", "crime"),
    [
        ([*DONE[:2], REFUSED_LAST, UNPAID[1]], "CANCELLED", Failure.REFUSED, "a step left standing"),
        ([*DONE[:2], REFUSED_LAST, UNPAID[1]], "CANCELLED", Failure.REFUSED, "cost or gained money"),
        ([*DONE[:2], REFUSED_LAST, *UNPAID[::-1]], "CANCELLED", Failure.REFUSED, "in another order"),
        ([*DONE[:2], REFUSED_LAST, *UNPAID, UNPAID[1]], "CANCELLED", Failure.REFUSED, "undone twice"),
        ([*DONE[:2], REFUSED_LAST, *UNPAID], "PENDING", Failure.REFUSED, "have not ended"),
        ([*DONE[:2], REFUSED_LAST, *DONE[2:]], "CONFIRMED", Failure.REFUSED, "in spite of a refusal"),
        (
            [DONE[0], (PAY, "STARTED"), (PAY, "FAILED", "402: declined"), *UNPAID],
            "CANCELLED",
            Failure.REFUSED,
            "that was never done",
        ),
        ([SILENT_FIRST, *DONE, UNPAID[1]], "CONFIRMED", Failure.TIME_OUT, "with a step undone"),
        ([SILENT_FIRST, *DONE[:2]], "CONFIRMED", Failure.TIME_OUT, "or never done"),
        ([SILENT_FIRST, DONE[0], *DONE[2:]], "CONFIRMED", Failure.TIME_OUT, "confirmed unpaid"),
        ([SILENT_FIRST, *DONE, DONE[1]], "CONFIRMED", Failure.TIME_OUT, "charged more than once"),
        ([SILENT_FIRST, DONE[0]], "CANCELLED", Failure.TIME_OUT, "a step left standing"),
    ],
)
def test_every_other_end_is_a_crime_by_name(
    tmp_path: Path, log: list[Row], state: str, failure: Failure, crime: str
) -> None:
    found = judged(drill(tmp_path, {"plain": DONE, "guilty": log}, guilty=state).ended(), failure)
    assert (found.verdict, found.examples) == (Verdict.FAIL, ("guilty",))
    assert crime in found.because


def test_a_step_whose_outcome_is_unknown_may_be_undone_and_need_not(tmp_path: Path) -> None:
    perhaps = [SILENT_FIRST, (RESERVE, "STARTED"), (RESERVE, "FAILED", "saga timeout")]
    logs = {"kept": perhaps, "undone": [*perhaps, UNPAID[1]]}
    found = judged(drill(tmp_path, logs, kept="CANCELLED", undone="CANCELLED").ended(), Failure.TIME_OUT)
    assert found.verdict is Verdict.PASS


def crashed(
    tmp_path: Path,
    *,
    effect_s: float,
    read_at_s: float = 35,
    in_hand: Any = None,
    charged: str = "abc",
    logs: Mapping[str, list[Row]] | None = None,
    states: Mapping[str, str] | None = None,
    **fault: Any,
) -> History:
    """The process was dead from 26 s to 45 s, with one saga of each step in its hands."""
    all_done: Mapping[str, list[Row]] = {"a": DONE, "b": DONE, "c": DONE}
    recorded = drill(tmp_path, logs or all_done, **(states or {})).fault(KILLED, **fault)
    held = [{"order_id": order, "step": step} for order, step in zip("abc", STEPS, strict=True)]
    recorded.reading("in_hand", held if in_hand is None else in_hand, read_at_s, final=False)
    charge = {"kind": "charge", "amount_cents": 500, "at_ms": round(wall_ms(effect_s)), "requests": 1}
    ledger = [{"order_id": order, **charge} for order in charged]
    effects = [
        {"order_id": order, "step": step, "at_ms": round(wall_ms(effect_s))}
        for order, step in (("a", RESERVE), ("a", CONFIRM), ("c", CONFIRM))
        if logs is None or order in charged
    ]
    return recorded.tables({"effects": effects, "ledger": ledger}).ended()


HELD = {("a", RESERVE), ("b", PAY), ("c", CONFIRM)}


@pytest.mark.parametrize(
    ("effect_s", "before", "after"),
    [(20, set(), HELD), (25.9, set(), HELD), (30, set(), set()), (44.9, set(), set()), (46, HELD, set())],
)
def test_a_crash_is_before_or_after_an_effect_by_the_books_of_others(
    tmp_path: Path, effect_s: float, before: set[Any], after: set[Any]
) -> None:
    """One that arrived while the process was dead was neither there when it died nor missing when it came back."""
    history = crashed(tmp_path, effect_s=effect_s)
    assert met(history, Failure.CRASH_BEFORE) == before
    assert met(history, Failure.CRASH_AFTER) == after


def test_a_crash_before_an_effect_that_never_came_is_one_before_it(tmp_path: Path) -> None:
    history = crashed(tmp_path, effect_s=20, charged="ac")
    assert met(history, Failure.CRASH_BEFORE) == {("b", PAY)}
    assert met(history, Failure.CRASH_AFTER) == HELD - {("b", PAY)}


def test_an_effect_that_could_never_come_met_no_crash_before_it(tmp_path: Path) -> None:
    """Of a sold-out order and of a declined one nothing can be told: their steps would have had none in any case."""
    logs: dict[str, list[Row]] = {
        "a": [(RESERVE, "FAILED", "409: not enough stock")],
        "b": [(RESERVE, "COMPLETED"), (PAY, "FAILED", "402: card declined"), UNPAID[1]],
        "c": DONE,
    }
    history = crashed(
        tmp_path, effect_s=46, logs=logs, states={"a": "CANCELLED", "b": "CANCELLED"}, charged="c"
    )
    assert met(history, Failure.CRASH_BEFORE) == {("c", CONFIRM)}


def test_a_second_charge_after_a_crash_is_a_crime(tmp_path: Path) -> None:
    assert judged(crashed(tmp_path / "once", effect_s=20), Failure.CRASH_AFTER).verdict is Verdict.PASS
    found = judged(crashed(tmp_path / "twice", effect_s=20, charged="abbc"), Failure.CRASH_AFTER)
    assert (found.verdict, found.examples) == (Verdict.FAIL, ("b",))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"read_at_s": 20}, "was not read while the process was dead"),
        ({"read_at_s": 60}, "was not read while the process was dead"),
        ({"in_hand": {"order_id": "a"}}, "no rows with order_id, step"),
        ({"in_hand": [{"order_id": "a"}]}, "no rows with order_id, step"),
        ({"bit": False}, "was seen to begin"),
        ({"lapsed": "somebody started it"}, "nobody knows since when"),
    ],
)
def test_a_crash_that_was_not_watched_says_nothing(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(CannotSay, match=why):
        met(crashed(tmp_path, effect_s=20, **changes), Failure.CRASH_AFTER)


def test_cases_that_any_order_would_meet_are_refused() -> None:
    with pytest.raises(ConfigError, match="who crashed writes nothing"):
        Logged(failure=Failure.CRASH_AFTER, statuses=("FAILED",), error="x")
    with pytest.raises(ConfigError, match="any row would do"):
        Logged(failure=Failure.ERROR, statuses=("FAILED",), error="")
    with pytest.raises(ConfigError, match="meets no failure"):
        replace(CASES, steps=())
    with pytest.raises(ConfigError, match="would hold without any"):
        EachStepFailed(cases=CASES, failure=Failure.ERROR, at_least=0)
