from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks import CannotSay, Kind
from harness.checks.judging import judge
from harness.checks.rest import AllWorkEnds, AtRest, HadItsTime
from harness.errors import ConfigError
from harness.recording.records import Verdict
from scenarios.claims import universal
from scenarios.profiles import CI
from tests.checks import crimes
from tests.checks.crimes import Tables, row_of
from tests.histories import Drill, innocent_drill, innocent_tables

REST = AtRest(open_work=("open_work", "unread_events"), quiet_s=5)
TIME = HadItsTime(open_work=("open_work", "unread_events"), quiet_s=5, patience_s=15)
ENDED = AllWorkEnds(open_work=("open_work", "unread_events"))
SAGA = {"order_id": "o010"}
EVENT = {"topic": "order-events", "partition": 0, "unread": 3}


def left(
    run_dir: Path,
    *rows: dict[str, Any],
    unread: tuple[dict[str, Any], ...] = (),
    at_s: float = 84,
    stall_at_s: float = -1,
    late_ms: float = 0,
) -> Drill:
    """A run whose load ended at 65 s, with this much on its way when somebody looked."""
    drill = Drill(run_dir).operation("o010", 64).heartbeat(stall_at_s=stall_at_s, late_ms=late_ms)
    return drill.reading("open_work", list(rows), at_s).reading("unread_events", list(unread), at_s + 0.1)


@pytest.mark.parametrize(
    ("record", "rest", "time"),
    [
        (left, True, True),
        (lambda folder: left(folder, SAGA), False, True),
        (lambda folder: left(folder, unread=(EVENT,)), False, True),
        (lambda folder: left(folder, SAGA, at_s=79), False, False),
        (lambda folder: left(folder, at_s=71), True, True),
        (lambda folder: left(folder, at_s=69), False, False),
        (lambda folder: left(folder, at_s=71, stall_at_s=68, late_ms=900), True, True),
        (lambda folder: left(folder, at_s=71, stall_at_s=68, late_ms=1_100), False, False),
        (lambda folder: left(folder, SAGA, at_s=81, stall_at_s=68, late_ms=1_100), False, False),
        (lambda folder: left(folder, SAGA, at_s=81, stall_at_s=60, late_ms=1_100), False, True),
        (lambda folder: left(folder, at_s=71).operation("slow", 64, took_ms=4_000), False, False),
        (lambda folder: left(folder, SAGA, at_s=81).operation("slow", 64, took_ms=4_000), False, False),
    ],
    ids=[
        "nothing is left",
        "a saga is left",
        "an event is left",
        "a saga is left early",
        "early, and nothing is left",
        "so early that a request may be on its way",
        "the machine stood still for a part of the time that was to spare",
        "the machine stood still for longer",
        "the machine stood still while a saga was given its time",
        "the machine stood still before that",
        "a client waited for long",
        "a client waited, a saga is left",
    ],
)
def test_rest_is_seen_and_time_is_counted_from_the_last_answer(
    record: Callable[[Path], Drill], rest: bool, time: bool, tmp_path: Path
) -> None:
    history = record(tmp_path).ended()
    assert REST.seen(history).ok is rest
    assert TIME.seen(history).ok is time


@pytest.mark.parametrize("value", [None, {}, "none"], ids=repr)
def test_what_does_not_list_the_work_tells_nothing_of_it(value: Any, tmp_path: Path) -> None:
    history = Drill(tmp_path).reading("open_work", [], 84).reading("unread_events", value, 84).ended()
    for look in (REST.seen, TIME.seen, ENDED.check):
        with pytest.raises(CannotSay, match="'unread_events'"):
            look(history)


def test_what_is_left_is_named(tmp_path: Path) -> None:
    conclusion = ENDED.check(left(tmp_path, SAGA).ended())
    assert (conclusion.verdict, conclusion.examples) == (Verdict.FAIL, ("o010",))
    assert conclusion.because == "1 pieces of work were on their way 19.0 s after the last answer to a client"
    assert ENDED.check(left(tmp_path / "none").ended()).verdict is Verdict.PASS


@pytest.mark.parametrize(("open_work", "seconds"), [((), 5), (("open_work",), 0)])
def test_a_rest_that_is_always_there_is_refused(open_work: tuple[str, ...], seconds: float) -> None:
    with pytest.raises(ConfigError, match="any target would be at rest"):
        AtRest(open_work=open_work, quiet_s=seconds)
    with pytest.raises(ConfigError, match="any target would be at rest"):
        HadItsTime(open_work=open_work, quiet_s=seconds, patience_s=15)


def caught_on_its_way(tables: Tables) -> None:
    """A correct shop, looked at while o010 is charged and nobody has heard of it, and o001 is half unwound."""
    row_of(tables, "orders", order_id="o010").update(status="PENDING", version=1)
    row_of(tables, "order_view", order_id="o010").update(status="PENDING", version=1)
    row_of(tables, "payments", order_id="o010")["status"] = "PENDING"
    row_of(tables, "reservations", order_id="o010")["status"] = "RESERVED"
    tables["saga_log"].remove(row_of(tables, "saga_log", order_id="o010", step_name="confirm-order"))
    crimes.stop_before_the_last_event(tables)
    row_of(tables, "orders", order_id="o001").update(status="PENDING", version=1)
    row_of(tables, "order_view", order_id="o001").update(status="PENDING", version=1)
    row_of(tables, "reservations", order_id="o001")["status"] = "RESERVED"
    tables["saga_log"].remove(
        row_of(tables, "saga_log", order_id="o001", step_name="reserve-inventory", status="COMPENSATED")
    )
    tables["applied_events"].remove(row_of(tables, "applied_events", order_id="o001", version=2))
    tables["stock"][0].update(reserved=4, sold=tables["stock"][0]["sold"] - 2)
    tables["stock"][0]["available"] -= 2


# Those whose tables the recordings made by hand have.
CLAIMS = [
    claim
    for claim in universal(CI.steady, 10.0)
    if claim.kind is not Kind.RATE and "operation" not in claim.check.__dataclass_fields__  # type: ignore[attr-defined]
]


def _judged(run_dir: Path, tables: Tables, *open_orders: dict[str, str], ended: str) -> dict[str, Verdict]:
    drill = innocent_drill(run_dir, steady=10).tables(tables)
    drill.reading("open_work", list(open_orders), 75).reading("unread_events", [], 75)
    drill.reading("ended by itself", [])
    return {finding.claim: finding.verdict for finding in judge(drill.ended(ended), CLAIMS)}


@pytest.mark.parametrize("ended", ["completed", "aborted: toxiproxy ended by itself"])
def test_a_correct_shop_that_was_caught_on_its_way_is_never_convicted(ended: str, tmp_path: Path) -> None:
    tables = innocent_tables()
    caught_on_its_way(tables)
    judged = _judged(tmp_path, tables, SAGA, {"order_id": "o001"}, ended=ended)
    assert Verdict.FAIL not in judged.values(), judged
    assert judged["books-agree"] is judged["compensation-is-complete"] is Verdict.INCONCLUSIVE


def test_the_same_books_at_rest_are_wrong(tmp_path: Path) -> None:
    """Nothing was on its way any more, by the shop's own lists: then an order may not be half done."""
    tables = innocent_tables()
    caught_on_its_way(tables)
    judged = _judged(tmp_path, tables, ended="completed")
    wrong = {name for name, verdict in judged.items() if verdict is Verdict.FAIL}
    assert {"books-agree", "compensation-is-complete", "every-order-settles"} <= wrong


def test_an_innocent_shop_at_rest_keeps_every_promise(tmp_path: Path) -> None:
    judged = _judged(tmp_path, innocent_tables(), ended="completed")
    assert set(judged.values()) == {Verdict.PASS}, judged


def test_what_is_wrong_of_books_at_rest_is_wrong_however_the_shop_felt_before(tmp_path: Path) -> None:
    tables = innocent_tables()
    crimes.charge_a_cancelled_order(tables)
    claim = next(one for one in CLAIMS if one.id == "money-is-conserved")
    drill = Drill(tmp_path).heartbeat().tables(tables).operation("o000", 26)  # nobody was served in steady
    drill.reading("open_work", [], 75).reading("unread_events", [], 75)
    assert judge(drill.ended(), [claim])[0].verdict is Verdict.FAIL


def test_no_claim_about_books_forgets_that_they_must_be_at_rest() -> None:
    """Whatever compares two readings of different stores is excused by what was on its way."""
    for claim in universal(CI.steady, 10.0):
        waits = any(isinstance(one, AtRest | HadItsTime) for one in claim.counts_only_if)
        assert waits is (claim.kind is Kind.LIVENESS), claim.id
