"""The saga's way forward and back, against steps that refuse, fail and come back."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_app.orders.compensation import OrderSagaCompensation
from target_app.orders.orchestrator import OrderSagaOrchestrator
from target_app.orders.saga import LeaseLost, Refused, Saga, Status, Step, Unsettled
from target_app.variants import Variant
from tests.target_app.fakes import QUICK, REFUSED, SILENT, FakeClock, FakeSagas, FakeSteps, saga


def drive(
    start: Saga, steps: FakeSteps, sagas: FakeSagas, *variants: Variant, clock: FakeClock | None = None
) -> Saga | None:
    """One round of work: forward and, if it turns round, back."""
    clock = clock or FakeClock()
    compensation = OrderSagaCompensation(sagas, steps, sagas, QUICK, variants=frozenset(variants))
    orchestrator = OrderSagaOrchestrator(
        sagas,
        steps,
        sagas,
        compensation,
        sagas,
        QUICK,
        variants=frozenset(variants),
        now=clock.monotonic,
    )

    async def there_and_back() -> Saga | None:
        after = start if start.status is Status.COMPENSATING else await orchestrator.advance(start)
        if after is not None and after.status is Status.COMPENSATING:
            return await compensation.unwind(after)
        return after

    return asyncio.run(there_and_back())


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


@pytest.mark.parametrize(("failed_before", "pause_s"), [(0, 0.1), (1, 0.2), (2, 0.4), (9, 1.0)])
def test_a_technical_failure_of_inventory_parks_the_saga_for_longer_each_time(
    failed_before: int, pause_s: float
) -> None:
    steps, sagas = FakeSteps({"reserve": [SILENT]}), FakeSagas()
    assert drive(saga(attempts=failed_before), steps, sagas) is None
    assert (steps.asked["reserve"], sagas.facts) == (1, [("parked",)])
    assert pause_s / 2 <= sagas.parked_s[0] <= pause_s  # the half of it is by chance


def test_a_parked_saga_goes_on_with_the_step_that_failed() -> None:
    steps, sagas = FakeSteps({"reserve": [SILENT]}), FakeSagas()
    drive(saga(), steps, sagas)
    drive(saga(attempts=1), steps, sagas)
    assert steps.done == ["reserve", "pay", "confirm"]


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


def test_a_compensation_that_fails_is_parked_at_once_and_resumed_at_the_same_step() -> None:
    steps, sagas = FakeSteps({"refund": [SILENT]}), FakeSagas()
    undoing = saga(status=Status.COMPENSATING, compensating_step=Step.PROCESS_PAYMENT, attempts=1)
    assert drive(undoing, steps, sagas) is None
    assert (steps.asked["refund"], sagas.facts) == (1, [("parked",)])
    assert 0.1 <= sagas.parked_s[0] <= 0.2
    drive(undoing, steps, sagas)
    assert steps.done == ["refund", "release"]
    assert sagas.facts[1:] == [
        ("undone", "process-payment"),
        ("undone", "reserve-inventory"),
        ("cancelled",),
    ]


def test_a_saga_found_past_its_limit_turns_round_without_another_step_forward() -> None:
    steps, sagas = FakeSteps(), FakeSagas()
    found = saga(current_step=Step.PROCESS_PAYMENT)
    ended = asyncio.run(OrderSagaCompensation(sagas, steps, sagas, QUICK).unwind(found))
    assert (ended and ended.status, steps.done) == (Status.COMPENSATED, ["refund", "release"])
    assert sagas.facts[0] == ("failed", "process-payment")


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


def test_the_variant_asks_at_the_limit_for_nothing_back_of_which_it_never_heard() -> None:
    steps, sagas = FakeSteps({}), FakeSagas()
    late = saga(current_step=Step.PROCESS_PAYMENT, expires_at=0.0)
    drive(late, steps, sagas, Variant.UNHEARD_PAYMENT_IS_KEPT)
    assert steps.done == ["release"]
    assert sagas.ended == [Status.COMPENSATED]


def test_the_variant_forgets_after_a_refused_confirmation_that_the_order_was_paid() -> None:
    steps, sagas = FakeSteps({"confirm": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas, Variant.CONFIRM_REFUSAL_KEEPS_PAYMENT)
    assert steps.done == ["reserve", "pay", "release"]
    assert sagas.ended == [Status.COMPENSATED]


def test_the_variant_undoes_a_refused_confirmation_from_the_first_step_to_the_last() -> None:
    steps, sagas = FakeSteps({"confirm": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas, Variant.COMPENSATION_IN_WRONG_ORDER)
    assert steps.done == ["reserve", "pay", "release", "refund"]
    assert sagas.ended == [Status.COMPENSATED]


def test_the_variant_gives_up_at_the_first_error_and_undoes_what_it_may_have_done() -> None:
    steps, sagas = FakeSteps({"pay": [SILENT]}), FakeSagas()
    drive(saga(), steps, sagas, Variant.ERROR_TAKEN_FOR_REFUSAL)
    assert steps.done == ["reserve", "refund", "release"]
    assert sagas.ended == [Status.COMPENSATED]


@pytest.mark.parametrize(
    "variant", [Variant.CONFIRM_REFUSAL_KEEPS_PAYMENT, Variant.COMPENSATION_IN_WRONG_ORDER]
)
def test_both_variants_unwind_a_declined_card_as_they_should(variant: Variant) -> None:
    steps, sagas = FakeSteps({"pay": [REFUSED]}), FakeSagas()
    drive(saga(), steps, sagas, variant)
    assert steps.done == ["reserve", "release"]


FAILURE = st.sampled_from(["none", "refused", "silent"])


@given(reserve=FAILURE, pay=FAILURE, confirm=FAILURE, refund=st.integers(0, 2), release=st.integers(0, 2))
def test_a_saga_that_is_cancelled_has_undone_exactly_what_it_did_in_reverse(
    reserve: str, pay: str, confirm: str, refund: int, release: int
) -> None:
    failures: dict[str, list[Exception]] = {
        "none": [],
        "refused": [Refused("no")],
        "silent": [Unsettled("?")],
    }
    script = {"reserve": [*failures[reserve]], "pay": [*failures[pay]], "confirm": [*failures[confirm]]}
    script |= {"refund": [Unsettled("?")] * refund, "release": [Unsettled("?")] * release}
    steps, sagas = FakeSteps(script), RememberingSagas()
    sagas.saga = saga()
    while sagas.saga.status not in {Status.COMPLETED, Status.COMPENSATED}:
        drive(sagas.saga, steps, sagas)
    if sagas.saga.status is Status.COMPLETED:
        assert steps.done == ["reserve", "pay", "confirm"]
    else:
        did = [name for name in steps.done if name in {"reserve", "pay"}]
        undid = [name for name in steps.done if name in {"refund", "release"}]
        assert undid == [{"reserve": "release", "pay": "refund"}[name] for name in reversed(did)]


class RememberingSagas(FakeSagas):
    """A store that keeps the saga's row, so that it can be taken up again where it was put away."""

    saga: Saga = saga()

    async def step_done(self, saga: Saga, done: Step, begun: Step) -> None:
        self.saga = replace(self.saga, current_step=begun, attempts=0)

    async def complete(self, saga: Saga) -> None:
        self.saga = replace(self.saga, status=Status.COMPLETED)

    async def begin_compensation(self, saga: Saga, first: Step | None, error: str) -> None:
        self.saga = replace(self.saga, status=Status.COMPENSATING, compensating_step=first, attempts=0)

    async def step_undone(self, saga: Saga, undone: Step, then: Step | None) -> None:
        self.saga = replace(self.saga, compensating_step=then, attempts=0)

    async def cancel(self, saga: Saga) -> None:
        self.saga = replace(self.saga, status=Status.COMPENSATED)

    async def park(self, saga: Saga, delay_s: float, error: str) -> None:
        self.saga = replace(self.saga, attempts=self.saga.attempts + 1)
