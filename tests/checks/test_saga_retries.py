"""Orders that met a technical failure: tried again, given up, or left lying until their limit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Conclusion, from_record, to_record
from harness.checks.saga_cases import CRASHES, Failure
from harness.checks.saga_ends import EndsLegally
from harness.checks.saga_retries import TakenUpAgain
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Verdict
from tests.checks.test_saga_cases import CASES, KILLED
from tests.histories import LEDGER, ORDERS, Drill, wall_ms

RESERVE, PAY, CONFIRM = STEPS = CASES.steps
LIMIT_S = 14.0
AGAIN = TakenUpAgain(
    cases=CASES,
    failures=(Failure.ERROR, Failure.TIME_OUT),
    operation="place_order",
    within_s=5,
    limit_s=LIMIT_S,
    untold=("QUEUED",),
)
RESUMED = replace(AGAIN, failures=CRASHES, within_s=4)
# When, at which step, what, and what went wrong.
Line = tuple[float, str, str, str]
ERROR, SILENCE = "status 503: away", "inventory: no answer within 2 s"
PAST_LIMIT = "saga timeout: its limit is reached"


def done_from(at_s: float) -> list[Line]:
    return [(at_s + place / 10, step, "COMPLETED", "") for place, step in enumerate(STEPS)]


def given_up_at(at_s: float, why: str = PAST_LIMIT) -> list[Line]:
    return [(at_s, RESERVE, "FAILED", why), (at_s + 0.2, "cancel-order", "CANCELLED", "")]


def recorded(run_dir: Path, *, in_hand: str = "", **orders: tuple[float, list[Line]]) -> History:
    """Orders as they were sent, with their logs, which say who was cancelled. The process was away from 26 to 45 s."""
    drill = Drill(run_dir).heartbeat().fault(KILLED)
    rows: list[dict[str, Any]] = []
    states, ledger = [], []
    for order, (sent_s, lines) in orders.items():
        drill.operation(order, sent_s)
        cancelled = any(status == "CANCELLED" for _, _, status, _ in lines)
        states.append(
            {"order_id": order, "status": "CANCELLED" if cancelled else "CONFIRMED", "total_cents": 500}
        )
        for at_s, step, status, error in lines:
            row = {"saga_id": f"s-{order}", "order_id": order, "step_name": step, "status": status}
            rows.append(
                {**row, "seq": len(rows), "error_message": error, "executed_at": round(wall_ms(at_s))}
            )
        if not cancelled:
            charge = {"order_id": order, "kind": "charge", "amount_cents": 500, "requests": 1}
            ledger.append({**charge, "at_ms": round(wall_ms(50))})
    held = [{"order_id": order, "step": RESERVE} for order in in_hand]
    drill.reading("in_hand", held, 35, final=False).reading("effects", [])
    return drill.tables({"orders": states, "saga_log": rows, "ledger": ledger}).ended()


def ends(history: History, failure: Failure = Failure.ERROR, limit_s: float | None = LIMIT_S) -> Conclusion:
    told = tuple(replace(one, statuses=(*one.statuses, "FAILED")) for one in CASES.logged)
    check = EndsLegally(
        cases=replace(CASES, logged=told),
        failure=failure,
        orders=ORDERS,
        ledger=LEDGER,
        operation="place_order",
        limit_s=limit_s,
    )
    assert from_record(to_record(check)) == check, "it survives its way through the recording"
    return check.check(history)


def test_an_order_that_is_tried_again_or_undone_at_its_limit_is_innocent(tmp_path: Path) -> None:
    history = recorded(
        tmp_path,
        again=(6, [(6.5, RESERVE, "RETRYING", ERROR), *done_from(8)]),
        late=(7, [(7.5, RESERVE, "RETRYING", ERROR), (20, RESERVE, "RETRYING", ERROR), *given_up_at(21.1)]),
    )
    assert ends(history).verdict is Verdict.PASS


@pytest.mark.parametrize(("failure", "why"), [(Failure.ERROR, ERROR), (Failure.TIME_OUT, SILENCE)])
@pytest.mark.parametrize("tried", [True, False])
def test_a_shop_that_gives_up_with_time_left_is_convicted(
    tmp_path: Path, failure: Failure, why: str, tried: bool
) -> None:
    """It cancels at the first error: whether its log calls that a failed try, or at once a failed saga."""
    lines = [(6.5, RESERVE, "RETRYING", why)] if tried else []
    history = recorded(tmp_path, guilty=(6, [*lines, *given_up_at(7, why)]))
    found = ends(history, failure)
    assert (found.verdict, found.examples) == (Verdict.FAIL, ("guilty",))
    assert "1 were given up with time left" in found.because
    assert ends(history, failure, limit_s=None).verdict is Verdict.PASS, (
        "a recording that does not know the limit"
    )


def test_who_gives_up_after_a_crash_with_time_left_is_convicted(tmp_path: Path) -> None:
    history = recorded(tmp_path, in_hand="a", a=(25.5, [(25.8, RESERVE, "STARTED", ""), *given_up_at(39)]))
    assert ends(history, Failure.CRASH_BEFORE).verdict is Verdict.FAIL
    late = recorded(
        tmp_path / "late", in_hand="a", a=(25.5, [(25.8, RESERVE, "STARTED", ""), *given_up_at(46)])
    )
    assert ends(late, Failure.CRASH_BEFORE).verdict is Verdict.PASS


def test_an_error_that_a_refusal_follows_is_no_reason_to_wait(tmp_path: Path) -> None:
    refused = given_up_at(8, "409: not enough stock")
    history = recorded(tmp_path, refused=(6, [(6.5, RESERVE, "RETRYING", ERROR), *refused]))
    assert ends(history).verdict is Verdict.PASS


def test_a_step_that_is_tried_again_in_time_is_told_with_how_many_were_judged(tmp_path: Path) -> None:
    assert from_record(to_record(AGAIN)) == AGAIN, "it survives its way through the recording"
    history = recorded(
        tmp_path,
        again=(6, [(6.5, RESERVE, "RETRYING", ERROR), (9, RESERVE, "RETRYING", SILENCE), *done_from(11)]),
        near_its_limit=(6, [(16.5, RESERVE, "RETRYING", ERROR), *given_up_at(20.2)]),
    )
    found = AGAIN.check(history)
    assert found.verdict is Verdict.PASS
    assert "of 2 orders that met error or time-out, 1 had 5 s left before their limit" in found.because


@pytest.mark.parametrize("then", [given_up_at(20.2), done_from(13), []])
def test_a_step_that_is_left_lying_is_convicted(tmp_path: Path, then: list[Line]) -> None:
    history = recorded(tmp_path, guilty=(6, [(6.5, RESERVE, "RETRYING", ERROR), *then]))
    found = AGAIN.check(history)
    assert (found.verdict, found.examples) == (Verdict.FAIL, ("guilty",))


def test_a_payment_in_the_queue_is_tried_without_a_word(tmp_path: Path) -> None:
    history = recorded(tmp_path, queued=(6, [(6.5, PAY, "QUEUED", ERROR), *given_up_at(20.2)]))
    with pytest.raises(CannotSay, match="0 orders met error or time-out and had 5 s left"):
        AGAIN.check(history)


def test_who_waited_while_the_process_was_away_has_its_time_again(tmp_path: Path) -> None:
    """It was seen to be back at 45.5 s. An order that was sent before 36.5 s may have reached its limit by 50.5 s."""
    lines = [(24.0, RESERVE, "RETRYING", ERROR), *done_from(50)]
    with pytest.raises(CannotSay, match="0 orders met"):
        AGAIN.check(recorded(tmp_path / "limit", waited=(23, lines)))
    patient = replace(AGAIN, limit_s=60)
    assert patient.check(recorded(tmp_path / "a", waited=(23, lines))).verdict is Verdict.PASS
    late = recorded(tmp_path / "b", waited=(23, [lines[0], *done_from(51)]))
    assert patient.check(late).verdict is Verdict.FAIL


def test_what_a_process_had_in_hand_is_taken_up_in_time_or_convicts(tmp_path: Path) -> None:
    patient = replace(RESUMED, limit_s=40)
    begun: Line = (25.0, RESERVE, "STARTED", "")
    resumed = recorded(
        tmp_path / "a", in_hand="a", a=(24, [begun, (48, RESERVE, "RESUMED", ""), *done_from(49)])
    )
    assert patient.check(resumed).verdict is Verdict.PASS
    forgotten = recorded(tmp_path / "b", in_hand="b", b=(24, [begun, *given_up_at(64.1)]))
    found = patient.check(forgotten)
    assert (found.verdict, found.examples) == (Verdict.FAIL, ("b",))
    with pytest.raises(CannotSay, match="wanted 1"):
        RESUMED.check(forgotten)


def test_as_many_as_were_wanted(tmp_path: Path) -> None:
    history = recorded(tmp_path, again=(6, [(6.5, RESERVE, "RETRYING", ERROR), *done_from(8)]))
    with pytest.raises(CannotSay, match=r"1 orders met error or time-out .* wanted 2"):
        replace(AGAIN, at_least=2).check(history)


@pytest.mark.parametrize("change", [{"failures": ()}, {"at_least": 0}, {"within_s": 0}, {"limit_s": 5}])
def test_what_would_judge_nobody_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no order would be judged"):
        replace(AGAIN, **change)
