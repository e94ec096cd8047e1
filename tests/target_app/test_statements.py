"""The statements that carry the shop's promises, on a real PostgreSQL: leases, due dates, limits, attempts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from scenarios.sagas.test_unwind import killed, released
from target_app.orders.order_store import Line, NewOrder, OrderTables
from target_app.orders.payment_queue import DurablePaymentQueue
from target_app.orders.saga import LeaseLost, Saga, Step
from target_app.orders.saga_store import SagaTables
from target_app.payments.store import PaymentTable
from target_app.service.configuration import DatabaseSettings
from target_app.service.database import Database
from target_app.service.metrics import Metrics
from target_app.variants import Variant
from tests.target_app import real_postgres

pytestmark = pytest.mark.stack

LIMIT_S = 600.0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with real_postgres.running() as where:
        yield where


class Bench:
    """The order service's tables in a database of their own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.woken = 0
        self.sagas = SagaTables(database, lease_s=10.0, timeout_s=LIMIT_S, wrote_events=self._wake)
        self.queue = DurablePaymentQueue(database, self.sagas, retry_interval_s=0.0)
        self.orders = OrderTables(database)

    def _wake(self) -> None:
        self.woken += 1

    async def place(self, number: int = 1) -> list[str]:
        """Sagas of new orders."""
        placed = []
        for _ in range(number):
            order = await self.orders.create(
                NewOrder(
                    order_id=str(uuid4()),
                    customer_id="c",
                    lines=(Line(sku="s", quantity=1),),
                    amount_cents=5,
                    card="k",
                ),
                "",
            )
            assert order is not None
            placed.append(order.saga_id)
        return placed

    async def change(self, saga_id: str, change: str) -> None:
        await self.database.execute(f"UPDATE saga_state SET {change} WHERE saga_id = $1", saga_id)  # noqa: S608 - ours

    async def row(self, saga_id: str) -> dict[str, Any]:
        found = await self.database.fetchrow(
            "SELECT saga.status, orders.status AS order_status, orders.version, lease_owner, lease_until, attempts,"
            " next_attempt_at > now() AS later FROM saga_state AS saga JOIN orders USING (order_id)"
            " WHERE saga_id = $1",
            saga_id,
        )
        return dict(found)

    async def running(self) -> Saga:
        (saga_id,) = await self.place()
        (taken,) = await self.sagas.take_new(saga_id)
        return taken


@pytest.fixture
def bench(address: str) -> Callable[[Callable[[Bench], Awaitable[None]]], None]:
    def with_tables(talk: Callable[[Bench], Awaitable[None]]) -> None:
        async def session() -> None:
            url = await real_postgres.migrated(address, "orders", f"orders_{uuid4().hex[:12]}")
            database = Database(DatabaseSettings(database_url=url), Metrics())
            await database.start()
            try:
                await talk(Bench(database))
            finally:
                await database.stop()

        asyncio.run(session())

    return with_tables


def ids(sagas: list[Saga]) -> set[str]:
    return {saga.saga_id for saga in sagas}


def test_two_who_take_at_the_same_time_never_take_the_same_saga(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        placed = await here.place(30)
        for saga_id in placed:
            await here.change(saga_id, "status = 'RUNNING'")
        taken = await asyncio.gather(*(here.sagas.take_due(8) for _ in range(8)))
        assert sorted(saga.saga_id for each in taken for saga in each) == sorted(placed)

    bench(talk)


def test_a_lease_that_ran_out_is_lost_to_whoever_comes_next(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        first = await here.running()
        assert await here.sagas.take_due(5) == []
        await here.change(first.saga_id, "lease_until = now() - interval '1 ms'")
        (second,) = await here.sagas.take_due(5)
        with pytest.raises(LeaseLost):
            await here.sagas.step_done(first, Step.RESERVE_INVENTORY, Step.PROCESS_PAYMENT)
        await here.sagas.step_done(second, Step.RESERVE_INVENTORY, Step.PROCESS_PAYMENT)

    bench(talk)


def test_the_variant_leaves_a_lease_that_ran_out_until_the_limit(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        sagas = SagaTables(
            here.database,
            lease_s=10.0,
            timeout_s=LIMIT_S,
            wrote_events=lambda: None,
            variants=frozenset({Variant.EXPIRED_LEASES_ARE_LEFT}),
        )
        held = await here.running()
        await here.change(held.saga_id, "lease_until = now() - interval '1 ms'")
        assert await sagas.take_due(5) == []
        assert ids(await here.sagas.take_due(5)) == {held.saga_id}

    bench(talk)


def test_a_lease_that_was_given_up_is_not_revived_by_a_late_renewal(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        held = await here.running()
        await here.sagas.release([(held.saga_id, held.lease)])
        await here.sagas.renew([(held.saga_id, held.lease)])
        assert ids(await here.sagas.take_due(5)) == {held.saga_id}

    bench(talk)


def test_a_saga_past_its_limit_is_only_taken_to_be_undone(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        placed = await here.place(6)
        states = ("STARTED", "RUNNING", "PAYMENT_PENDING", "COMPENSATING", "COMPLETED", "COMPENSATED")
        for saga_id, status in zip(placed, states, strict=True):
            await here.change(saga_id, f"status = '{status}', created_at = now() - interval '601 s'")
        assert await here.sagas.take_due(9) == []
        assert ids(await here.sagas.take_to_undo(9)) == set(placed[:4])

    bench(talk)


def test_before_its_limit_only_a_saga_that_turned_round_is_taken_to_be_undone(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        saga = await here.running()
        await here.sagas.begin_compensation(saga, Step.RESERVE_INVENTORY, "declined")
        await here.sagas.park(saga, 60.0, "away")
        assert await here.sagas.take_to_undo(9) == []
        assert (await here.row(saga.saga_id))["attempts"] == 1
        await here.change(saga.saga_id, "next_attempt_at = now()")
        assert await here.sagas.take_due(9) == []
        assert ids(await here.sagas.take_to_undo(9)) == {saga.saga_id}

    bench(talk)


def test_every_failed_try_is_in_the_log_of_its_step(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        saga = await here.running()
        await here.sagas.park(saga, 0.0, "no answer")
        (again,) = await here.sagas.take_due(9)
        await here.sagas.begin_compensation(again, Step.RESERVE_INVENTORY, "409: none")
        await here.sagas.park(again, 0.0, "away")
        rows = await here.database.fetch(
            "SELECT step_name, status, error_message FROM saga_execution_log WHERE saga_id = $1 ORDER BY id",
            saga.saga_id,
        )
        assert [tuple(row) for row in rows] == [
            ("reserve-inventory", "STARTED", None),
            ("reserve-inventory", "RETRYING", "no answer"),
            ("reserve-inventory", "FAILED", "409: none"),
            ("reserve-inventory", "COMPENSATION_RETRYING", "away"),
        ]

    bench(talk)


def test_only_in_the_planted_defect_a_crash_changes_the_key_of_a_payment(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        crashed, parked = await here.running(), await here.running()
        await here.change(crashed.saga_id, "lease_until = now() - interval '1 ms'")
        await here.sagas.park(parked, 0.0, "away")
        for variants, changed in (
            (frozenset[Variant](), set()),
            (frozenset({Variant.CRASH_RESUMES_WITH_A_NEW_PAYMENT_KEY}), {crashed.saga_id}),
        ):
            sagas = SagaTables(
                here.database, lease_s=0.0, timeout_s=LIMIT_S, wrote_events=lambda: None, variants=variants
            )
            taken = await sagas.take_due(9)
            assert ids(taken) == {crashed.saga_id, parked.saga_id}
            before = {saga.saga_id: saga.payment_key for saga in (crashed, parked)}
            assert {saga.saga_id for saga in taken if saga.payment_key != before[saga.saga_id]} == changed
            await here.change(parked.saga_id, "lease_owner = NULL, lease_until = NULL")

    bench(talk)


def test_what_failed_goes_to_the_end_of_the_line_whatever_its_age(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        old, young = await here.place(2)
        await here.change(old, "status = 'RUNNING', next_attempt_at = now() - interval '1 s'")
        await here.change(young, "status = 'RUNNING', next_attempt_at = now() - interval '9 s'")
        assert ids(await here.sagas.take_due(1)) == {young}

    bench(talk)


def test_a_queued_payment_is_taken_when_due_and_leaves_the_queue_with_its_saga(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        saga = await here.running()
        await here.sagas.step_done(saga, Step.RESERVE_INVENTORY, Step.PROCESS_PAYMENT)
        await here.queue.put(replace(saga, current_step=Step.PROCESS_PAYMENT), "away")
        assert await here.sagas.take_due(9) == []
        (again,) = await here.queue.take_due(9)
        assert await here.queue.take_due(9) == []
        await here.sagas.step_done(again, Step.PROCESS_PAYMENT, Step.CONFIRM_ORDER)
        await here.sagas.complete(again)
        row = await here.row(saga.saga_id)
        assert (row["status"], row["order_status"], row["version"]) == ("COMPLETED", "CONFIRMED", 2)
        assert await here.database.fetchval("SELECT count(*) FROM payment_queue") == 0
        assert await here.database.fetchval("SELECT count(*) FROM outbox WHERE version = 2") == 1
        assert here.woken == 1

    bench(talk)


def test_attempts_count_requests_and_a_refund_wins_over_a_late_answer(address: str) -> None:
    async def talk() -> None:
        url = await real_postgres.migrated(address, "payments", f"payments_{uuid4().hex[:12]}")
        database = Database(DatabaseSettings(database_url=url), Metrics())
        await database.start()
        table = PaymentTable(database)
        payment = await table.begin(key="k", order_id="o", amount_cents=5, card="c")
        assert await table.begin(key="k", order_id="o", amount_cents=5, card="c") == payment
        assert await database.fetchval("SELECT attempts FROM payment") == 0
        await table.unanswered(payment)
        assert (await table.begin_refund(reference="k", order_id="o")).status == "REFUNDING"
        late = await table.settle(payment, "COMPLETED")
        assert late.status == "REFUNDING"
        assert await database.fetchval("SELECT attempts FROM payment") == 2
        await database.stop()

    asyncio.run(talk())


def test_an_order_has_its_first_event_in_the_outbox_unless_it_is_told_of_beside(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        await here.place(2)
        assert await here.database.fetchval("SELECT count(*) FROM outbox WHERE version = 1") == 2
        here.orders = OrderTables(here.database, with_event=False)
        await here.place(1)
        assert await here.database.fetchval("SELECT count(*) FROM saga_state") == 3
        assert await here.database.fetchval("SELECT count(*) FROM outbox") == 2

    bench(talk)


def test_what_a_drill_does_by_hand_is_for_sagas_that_can_still_be_paid(bench: Any) -> None:
    """Of those that wait for their payment: not one that was queued before, nor one that has only just begun."""

    async def talk(here: Bench) -> None:
        waiting, queued, fresh = [await here.running() for _ in range(3)]
        await here.database.execute("UPDATE orders SET card = 'tok_visa'")
        declined = await here.running()
        for saga in (waiting, queued, fresh, declined):
            await here.sagas.step_done(saga, Step.RESERVE_INVENTORY, Step.PROCESS_PAYMENT)
        await here.queue.put(replace(queued, current_step=Step.PROCESS_PAYMENT), "away")
        assert ids(await here.queue.take_due(9)) == {queued.saga_id}
        for saga in (waiting, queued, declined):
            await here.change(saga.saga_id, "updated_at = now() - interval '1 minute'")
        found = await here.database.fetch(released.moment.query)
        assert [row["order_id"] for row in found] == [waiting.order_id]

    bench(talk)


def test_a_drill_sees_who_has_just_begun_a_step_and_is_still_in_hand(bench: Any) -> None:
    async def talk(here: Bench) -> None:
        fresh, old, away = [await here.running() for _ in range(3)]
        await here.database.execute("UPDATE orders SET card = 'tok_visa'")
        declined = await here.running()
        await here.sagas.step_done(declined, Step.RESERVE_INVENTORY, Step.PROCESS_PAYMENT)
        ages_s = ((fresh, -60), (old, 60), (away, -60), (declined, -60))  # however slow this machine is
        for saga, age_s in ages_s:
            await here.change(saga.saga_id, f"updated_at = clock_timestamp() - interval '{age_s} s'")
        await here.sagas.step_done(old, Step.RESERVE_INVENTORY, Step.PROCESS_PAYMENT)
        await here.change(old.saga_id, "updated_at = clock_timestamp() - interval '60 s'")
        await here.change(away.saga_id, "lease_owner = NULL, current_step = 'confirm-order'")
        found = {tuple(row) for row in await here.database.fetch(killed.moment.query)}
        assert found == {("reserve-inventory", True)}

    bench(talk)
