"""Which sagas are taken up, in what number, and what is left when the service ends."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from target_app.orders.coordinator import SagaCoordinator
from target_app.orders.payment_queue import InMemoryPaymentQueue
from target_app.orders.saga import Saga, Status
from target_app.orders.settings import OrdersSettings
from target_app.service.breaker import BreakerSettings, CircuitBreaker
from target_app.service.configuration import read
from target_app.service.consumer import Record
from target_app.service.metrics import Metrics
from tests.target_app.fakes import FakeClock, saga
from tests.target_app.test_configuration import ORDERS
from tests.target_app.test_events import event, record

FORWARD = "BULKHEAD_ORDER_SAGA_MAX_CONCURRENT_CALLS"
BACK = "BULKHEAD_COMPENSATION_MAX_CONCURRENT_CALLS"
QUEUED = "BULKHEAD_PAYMENT_QUEUE_MAX_CONCURRENT_CALLS"


class FakeSagas:
    """A store with sagas to be found; it knows whose leases are out, and how many there were at most."""

    def __init__(self, *new: str, due: int = 0, back: int = 0, queued: int = 0) -> None:
        self.new = {name: saga(saga_id=name) for name in new}
        self.due = [saga(saga_id=f"due-{number}") for number in range(due)]
        self.back = [saga(saga_id=f"back-{number}", status=Status.COMPENSATING) for number in range(back)]
        self.queued = [saga(saga_id=f"queued-{number}") for number in range(queued)]
        self.leased: set[str] = set()
        self.leased_most = 0
        self.released: list[tuple[str, str]] = []

    async def take_new(self, saga_id: str) -> list[Saga]:
        found = self.new.pop(saga_id, None)
        return self._lease([found] if found else [])

    async def take_due(self, limit: int) -> list[Saga]:
        taken, self.due = self.due[:limit], self.due[limit:]
        return self._lease(taken)

    async def take_to_undo(self, limit: int) -> list[Saga]:
        taken, self.back = self.back[:limit], self.back[limit:]
        return self._lease(taken)

    async def release(self, held: Sequence[tuple[str, str]]) -> None:
        self.released += held

    def _lease(self, taken: list[Saga]) -> list[Saga]:
        self.leased |= {found.saga_id for found in taken}
        self.leased_most = max(self.leased_most, len(self.leased))
        return taken


class FakeQueue:
    def __init__(self, sagas: FakeSagas) -> None:
        self._sagas = sagas

    async def put(self, saga: Saga, error: str) -> None:
        raise NotImplementedError

    async def take_due(self, limit: int) -> list[Saga]:
        taken, self._sagas.queued = self._sagas.queued[:limit], self._sagas.queued[limit:]
        return self._sagas._lease(taken)


class Gated:
    """Forward or back: lets sagas end, as what it is told, when its gate opens."""

    def __init__(self, sagas: FakeSagas, ends: Status | None) -> None:
        self.sagas = sagas
        self.ends = ends
        self.gate = asyncio.Event()
        self.gate.set()
        self.worked_on: list[str] = []

    async def advance(self, taken: Saga) -> Saga | None:
        self.worked_on.append(taken.saga_id)
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.ends is not Status.COMPENSATING:
            self.sagas.leased.discard(taken.saga_id)
        return replace(taken, status=self.ends) if self.ends else None

    unwind = advance


class Bench:
    """A coordinator over fakes, and a breaker whose clock stands still."""

    def __init__(
        self,
        sagas: FakeSagas,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        ends: Status | None = Status.COMPLETED,
    ) -> None:
        self.sagas = sagas
        self.forward = Gated(sagas, ends)
        self.back = Gated(sagas, Status.COMPENSATED)
        self.clock = FakeClock()
        self.breaker = CircuitBreaker("paymentService", BreakerSettings(), Metrics(), self.clock)
        configured = read(OrdersSettings, {**ORDERS, **settings})
        store: Any = sagas
        forward: Any = self.forward
        back: Any = self.back
        self.here = SagaCoordinator(
            configured, store, FakeQueue(sagas), self.breaker, forward, back, Metrics()
        )

    async def created(self, *names: str) -> None:
        await self.here.on_events([created(name) for name in names])

    async def turns(self, number: int = 50) -> None:
        """Let everything go on that can."""
        for _ in range(number):
            await asyncio.sleep(0)

    async def open_breaker(self) -> None:
        async def fail() -> None:
            raise OSError("away")

        for _ in range(5):
            with pytest.raises(OSError, match="away"):
                await self.breaker.call(fail)


def created(name: str) -> Record:
    return record(event().encode().replace(b'"s1"', f'"{name}"'.encode()))


def test_a_redelivered_event_does_not_start_its_saga_again() -> None:
    async def twice() -> Bench:
        bench = Bench(FakeSagas("a"))
        await bench.here.on_events([created("a"), created("a"), record(b"poison")])
        await bench.turns()
        return bench

    assert asyncio.run(twice()).forward.worked_on == ["a"]


def test_no_lease_is_taken_before_there_is_a_slot_for_its_saga() -> None:
    names = [f"new-{number}" for number in range(9)]

    async def crowd() -> Bench:
        bench = Bench(FakeSagas(*names, due=9), {FORWARD: "3"})
        bench.forward.gate.clear()
        arriving = [asyncio.create_task(bench.created(*names)), asyncio.create_task(bench.here._recover())]
        await bench.turns()
        assert len(bench.sagas.leased) == len(bench.forward.worked_on) == 3
        bench.forward.gate.set()
        await asyncio.gather(*arriving)
        await bench.turns()
        return bench

    bench = asyncio.run(crowd())
    assert len(set(bench.forward.worked_on)) == 18
    assert bench.sagas.leased_most == 3


def test_compensations_that_hang_do_not_hold_up_new_orders() -> None:
    async def outage() -> Bench:
        bench = Bench(FakeSagas("fresh", back=40), {FORWARD: "2", BACK: "4"})
        bench.back.gate.clear()
        undoing = asyncio.create_task(bench.here._compensate())
        await bench.turns()
        assert len(bench.back.worked_on) == 4
        await bench.created("fresh")
        await bench.turns()
        undoing.cancel()
        return bench

    assert asyncio.run(outage()).forward.worked_on == ["fresh"]


def test_a_saga_that_turns_round_goes_back_in_a_slot_of_the_compensations() -> None:
    async def decline() -> Bench:
        bench = Bench(FakeSagas("a"), ends=Status.COMPENSATING)
        await bench.created("a")
        await bench.turns()
        return bench

    bench = asyncio.run(decline())
    assert (bench.back.worked_on, bench.here.active, bench.sagas.released) == (["a"], 0, [])


def test_a_saga_that_turns_round_while_no_slot_is_free_is_let_go() -> None:
    async def decline() -> Bench:
        bench = Bench(FakeSagas("a", back=1), {BACK: "1"}, ends=Status.COMPENSATING)
        bench.back.gate.clear()
        undoing = asyncio.create_task(bench.here._compensate())
        await bench.turns()
        await bench.created("a")
        await bench.turns()
        undoing.cancel()
        return bench

    bench = asyncio.run(decline())
    assert (bench.back.worked_on, bench.sagas.released) == (["back-0"], [("a", "lease-1")])


def test_what_does_not_end_within_the_grace_is_given_up_for_recovery() -> None:
    async def interrupted() -> Bench:
        bench = Bench(FakeSagas("a"), {"SHUTDOWN_GRACE_S": "0.05"})
        bench.forward.gate.clear()
        await bench.created("a")
        await bench.turns()
        await bench.here.stop()
        return bench

    assert asyncio.run(interrupted()).sagas.released == [("a", "lease-1")]


def test_queued_payments_being_tried_end_well_when_the_service_does() -> None:
    async def stopped() -> Bench:
        bench = Bench(FakeSagas(queued=2))
        await bench.open_breaker()
        bench.clock.now += 60.0
        bench.forward.gate.clear()
        await bench.here.start()
        await bench.turns()
        stopping = asyncio.create_task(bench.here.stop())
        await bench.turns()
        bench.forward.gate.set()
        await stopping
        return bench

    bench = asyncio.run(stopped())
    assert len(bench.forward.worked_on) == 2
    assert (bench.sagas.leased, bench.sagas.released) == (set(), [])


def drained(*, opened_s_ago: float | None, ends: Status | None, queued: int = 20) -> Bench:
    async def drain() -> Bench:
        bench = Bench(FakeSagas(queued=queued), {QUEUED: "5"}, ends=ends)
        if opened_s_ago is not None:
            await bench.open_breaker()
            bench.clock.now += opened_s_ago
        await bench.here._drain()
        await bench.turns()
        return bench

    return asyncio.run(drain())


def test_a_closed_breaker_lets_the_queue_drain_in_slots_of_its_own() -> None:
    bench = drained(opened_s_ago=None, ends=Status.COMPLETED)
    assert len(bench.forward.worked_on) == 20
    assert bench.sagas.leased_most == 5


def test_an_open_breaker_is_not_asked_for_queued_payments() -> None:
    assert drained(opened_s_ago=59.0, ends=Status.COMPLETED).forward.worked_on == []


def test_when_the_wait_is_over_as_many_payments_are_tried_as_there_are_probes() -> None:
    bench = drained(opened_s_ago=60.0, ends=None)
    assert bench.forward.worked_on == ["queued-0", "queued-1", "queued-2"]


def test_probes_that_bring_an_answer_let_the_draining_go_on() -> None:
    bench = drained(opened_s_ago=60.0, ends=Status.COMPLETED)
    assert len(bench.forward.worked_on) == 20
    assert bench.sagas.leased_most == 3


class FakeTables:
    """What the variant's queue needs of the database and of the sagas."""

    def __init__(self) -> None:
        self.pending: list[str] = []

    async def execute(self, _statement: str, saga_id: str, *_values: Any) -> str:
        self.pending.append(saga_id)
        return "UPDATE 1"

    async def take_pending(self, saga_ids: Sequence[str]) -> list[Saga]:
        return [saga(saga_id=name) for name in saga_ids if name in self.pending]


def test_the_variants_queue_drops_the_oldest_entries_when_it_is_full() -> None:
    tables: Any = FakeTables()
    queue = InMemoryPaymentQueue(tables, tables)

    async def fill() -> list[str]:
        for number in range(12):
            await queue.put(saga(saga_id=f"saga-{number}"), "away")
        return [taken.saga_id for taken in [*await queue.take_due(5), *await queue.take_due(50)]]

    assert asyncio.run(fill()) == [f"saga-{number}" for number in range(2, 12)]
