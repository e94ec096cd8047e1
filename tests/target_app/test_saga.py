"""The saga's driver against steps that refuse, fail and come back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_app.orders.saga import LeaseLost, Refused, Retries, Saga, SagaDriver, Status, Step, Unsettled
from target_app.variants import Variant
from tests.target_app.fakes import QUICK, REFUSED, SILENT, FakeClock, FakeSagas, FakeSteps, saga


def drive(
    start: Saga, steps: FakeSteps, sagas: FakeSagas, *variants: Variant, clock: FakeClock | None = None
) -> Saga | None:
    clock = clock or FakeClock()
    retries = Retries(attempts=3, backoff=QUICK, sleep=clock.sleep, now=clock.monotonic)
    driver = SagaDriver(sagas, steps, sagas, sagas, retries, variants=frozenset(variants))
    return asyncio.run(driver.drive(start))


def test_a_saga_without_trouble_goes_through_its_steps_in_order_and_completes() -> None:
    steps, sagas = FakeSteps(), FakeSagas()
    drive(saga(), steps, sagas)
    assert steps.done == ["reserve", "pay", "confirm"]
    assert sagas.facts == [("done", "reserve-inventory"), ("done", "process-payment"), ("completed",)]
    assert sagas.ended == [Status.COMPLETED]


def test_a_declined_card_releases_the_stock_and_refunds_nothing() -> None:
    steps, sagas = FakeSteps({"pay": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas)
    assert steps.done == ["reserve", "release"]
    assert sagas.facts[-2:] == [("undone", "reserve-inventory"), ("cancelled",)]
    assert sagas.ended == [Status.COMPENSATED]


def test_a_refused_reservation_has_nothing_to_undo() -> None:
    steps, sagas = FakeSteps({"reserve": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas)
    assert steps.done == []
    assert sagas.facts == [("failed", "reserve-inventory"), ("cancelled",)]


def test_a_refused_confirmation_gives_back_money_and_then_stock() -> None:
    steps, sagas = FakeSteps({"confirm": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas)
    assert steps.done == ["reserve", "pay", "refund", "release"]


def test_a_payment_without_an_answer_is_queued_and_not_tried_again_at_once() -> None:
    steps, sagas = FakeSteps({"pay": [SILENT]}), FakeSagas()
    assert drive(saga(), steps, sagas) is None
    assert steps.asked["pay"] == 1
    assert sagas.facts[-1] == ("queued",)
    assert sagas.ended == []


def test_a_queued_payment_is_resumed_where_it_stopped() -> None:
    steps, sagas = FakeSteps(), FakeSagas()
    drive(saga(current_step=Step.PROCESS_PAYMENT), steps, sagas)
    assert steps.done == ["pay", "confirm"]


def test_a_technical_failure_of_inventory_is_tried_again_with_growing_pauses() -> None:
    clock = FakeClock()
    steps, sagas = FakeSteps({"reserve": [SILENT, SILENT]}), FakeSagas()
    drive(saga(), steps, sagas, clock=clock)
    assert steps.asked["reserve"] == 3
    assert 0.15 <= clock.now <= 0.3  # 0.1 s and 0.2 s, of each the half by chance
    assert sagas.ended == [Status.COMPLETED]


def test_inventory_that_stays_away_parks_the_saga() -> None:
    steps, sagas = FakeSteps({"reserve": [SILENT] * 3}), FakeSagas()
    assert drive(saga(), steps, sagas) is None
    assert sagas.facts == [("parked",)]


@pytest.mark.parametrize(
    ("step", "undone"),
    [
        (Step.RESERVE_INVENTORY, ["release"]),
        (Step.PROCESS_PAYMENT, ["refund", "release"]),
        (Step.CONFIRM_ORDER, ["refund", "release"]),
    ],
)
def test_at_its_limit_a_saga_undoes_whatever_may_have_happened(step: Step, undone: list[str]) -> None:
    steps, sagas = FakeSteps(), FakeSagas()
    drive(saga(current_step=step, expires_at=-1.0), steps, sagas)
    assert steps.done == undone
    assert sagas.ended == [Status.COMPENSATED]


def test_a_compensation_that_fails_is_parked_and_resumed_at_the_same_step() -> None:
    steps, sagas = FakeSteps({"refund": [SILENT] * 3}), FakeSagas()
    undoing = saga(status=Status.COMPENSATING, compensating_step=Step.PROCESS_PAYMENT)
    assert drive(undoing, steps, sagas) is None
    assert sagas.facts == [("parked",)]
    drive(undoing, steps, sagas)
    assert steps.done == ["refund", "release"]
    assert sagas.facts[1:] == [
        ("undone", "process-payment"),
        ("undone", "reserve-inventory"),
        ("cancelled",),
    ]


def test_a_saga_whose_lease_is_lost_is_left_alone() -> None:
    steps, sagas = FakeSteps(), FakeSagas(lease="somebody-else")
    with pytest.raises(LeaseLost):
        drive(saga(), steps, sagas)
    assert sagas.diary == []


def test_every_attempt_to_pay_has_the_same_key() -> None:
    assert saga(attempts=0).payment_key == saga(attempts=7).payment_key == "saga-1:process-payment"


def test_the_variant_stops_half_way_and_leaves_the_stock_reserved() -> None:
    steps, sagas = FakeSteps({"pay": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas, Variant.COMPENSATION_STOPS_HALF_WAY)
    assert steps.done == ["reserve"]
    assert sagas.ended == [Status.COMPENSATED]


FAILURE = st.sampled_from(["none", "refused", "silent"])


@given(reserve=FAILURE, pay=FAILURE, confirm=FAILURE, refund=st.integers(0, 2), release=st.integers(0, 2))
def test_a_saga_that_is_cancelled_has_undone_exactly_what_it_did_in_reverse(
    reserve: str, pay: str, confirm: str, refund: int, release: int
) -> None:
    def failures(kind: str) -> list[Exception]:
        if kind == "refused":
            return [Refused("no")]
        return [Unsettled("?"), Unsettled("?")] if kind == "silent" else []

    script = {"reserve": failures(reserve), "pay": failures(pay)[:1], "confirm": failures(confirm)}
    script |= {"refund": [Unsettled("?")] * refund, "release": [Unsettled("?")] * release}
    steps, sagas = FakeSteps(script), FakeSagas()
    ended = drive(saga(), steps, sagas)
    if ended is None:
        assert pay == "silent"
    elif ended.status is Status.COMPENSATED:
        did = [name for name in steps.done if name in {"reserve", "pay"}]
        undid = [name for name in steps.done if name in {"refund", "release"}]
        assert undid == [{"reserve": "release", "pay": "refund"}[name] for name in reversed(did)]
    else:
        assert steps.done == ["reserve", "pay", "confirm"]
