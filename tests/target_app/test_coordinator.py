"""Which sagas are taken up, in what number, and what is left when the service ends."""

import asyncio
from collections.abc import Sequence
from typing import Any

from target_app.orders.coordinator import SagaCoordinator
from target_app.orders.payment_queue import ForgetfulPaymentQueue
from target_app.orders.saga import Saga, Status
from target_app.orders.settings import OrdersSettings
from target_app.service.configuration import read
from target_app.service.consumer import Record
from tests.target_app.fakes import saga
from tests.target_app.test_configuration import ORDERS
from tests.target_app.test_events import event, record


class FakeSagas:
    """New sagas by id; notes what was renewed and released."""

    def __init__(self, *new: str) -> None:
        self.new = {name: saga(saga_id=name) for name in new}
        self.released: list[tuple[str, str]] = []
        self.queued: list[Saga] = []

    async def take_new(self, saga_id: str) -> Saga | None:
        return self.new.pop(saga_id, None)

    async def take_queued(self, limit: int) -> list[Saga]:
        taken, self.queued = self.queued[:limit], self.queued[limit:]
        return taken

    async def release(self, held: Sequence[tuple[str, str]]) -> None:
        self.released += held


class GatedDriver:
    """Lets sagas end when its gate opens; notes how many ran at once."""

    def __init__(self, *, open_gate: bool = True, settles: bool = True) -> None:
        self.gate = asyncio.Event()
        if open_gate:
            self.gate.set()
        self.settles = settles
        self.driven: list[str] = []
        self.running = self.most = 0

    async def drive(self, taken: Saga) -> Saga | None:
        self.driven.append(taken.saga_id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.running -= 1
        return taken if self.settles else None


class QueueOf:
    def __init__(self, sagas: FakeSagas) -> None:
        self._sagas = sagas

    async def put(self, saga: Saga, error: str) -> None:
        raise NotImplementedError

    async def take_due(self, limit: int) -> list[Saga]:
        return await self._sagas.take_queued(limit)

    def held(self) -> Sequence[tuple[str, str]]:
        return ()


def coordinator(sagas: FakeSagas, driver: GatedDriver, **settings: str) -> SagaCoordinator:
    configured = read(OrdersSettings, {**ORDERS, **settings})
    fakes: Any = (sagas, QueueOf(sagas), driver)
    return SagaCoordinator(configured, *fakes)


def created(name: str) -> Record:
    made = event()
    return record(made.encode().replace(b'"s1"', f'"{name}"'.encode()))


async def idle(here: SagaCoordinator) -> None:
    while here.active:  # noqa: ASYNC110 - it can only be asked
        await asyncio.sleep(0)


def test_a_redelivered_event_does_not_start_its_saga_again() -> None:
    driver = GatedDriver()
    here = coordinator(FakeSagas("a"), driver)

    async def twice() -> None:
        await here.on_events([created("a"), created("a"), record(b"poison")])
        await idle(here)

    asyncio.run(twice())
    assert driver.driven == ["a"]


def test_no_more_sagas_run_at_once_than_configured() -> None:
    names = [f"saga-{number}" for number in range(9)]
    driver = GatedDriver()
    here = coordinator(FakeSagas(*names), driver, SAGA_CONCURRENCY="3")

    async def many() -> None:
        await here.on_events([created(name) for name in names])
        await idle(here)

    asyncio.run(many())
    assert (sorted(driver.driven), driver.most) == (names, 3)


def test_what_does_not_end_within_the_grace_is_given_up_for_recovery() -> None:
    driver = GatedDriver(open_gate=False)
    sagas = FakeSagas("a")
    here = coordinator(sagas, driver, SHUTDOWN_GRACE_S="0.05")

    async def interrupted() -> None:
        await here.on_events([created("a")])
        await asyncio.sleep(0)
        await here.stop()

    asyncio.run(interrupted())
    assert sagas.released == [("a", "lease-1")]


def test_one_payment_is_tried_before_the_queue_is_drained() -> None:
    sagas, driver = FakeSagas(), GatedDriver(settles=False)
    sagas.queued = [saga(saga_id=f"q{number}") for number in range(5)]
    asyncio.run(coordinator(sagas, driver)._drain())
    assert driver.driven == ["q0"]


def test_the_queue_is_drained_once_payments_settle_again() -> None:
    sagas, driver = FakeSagas(), GatedDriver()
    sagas.queued = [saga(saga_id=f"q{number}") for number in range(5)]
    asyncio.run(coordinator(sagas, driver)._drain())
    assert sorted(driver.driven) == ["q0", "q1", "q2", "q3", "q4"]
    assert driver.most == 3


def test_the_variants_queue_forgets_after_the_second_failure_and_keeps_the_lease() -> None:
    queue = ForgetfulPaymentQueue()

    async def fail_twice() -> list[list[str]]:
        await queue.put(saga(), "away")
        first = await queue.take_due(5)
        await queue.put(first[0], "still away")
        return [[taken.saga_id for taken in first], [taken.saga_id for taken in await queue.take_due(5)]]

    assert asyncio.run(fail_twice()) == [["saga-1"], []]
    assert queue.held() == (("saga-1", "lease-1"),)
    assert saga().status is Status.RUNNING
