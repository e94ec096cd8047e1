"""The bounded request queue: who works, who waits, who is refused, and that the figures say so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_app.service.metrics import Metrics
from target_app.service.problems import Problem
from target_app.service.request_queue import Criticality, RequestQueue, RequestQueueSettings
from target_app.variants import Variant

CRITICAL, SHEDDABLE = Criticality.CRITICAL, Criticality.SHEDDABLE


class Room:
    """A queue, and requests that are worked on until they are let go, in the order of coming."""

    def __init__(self, *variants: Variant, at_work: int, waiting: int, reads_share: float = 0.5) -> None:
        self.metrics = Metrics()
        settings = RequestQueueSettings(
            server_tomcat_threads_max=at_work,
            server_tomcat_accept_count=waiting,
            request_queue_reads_share=reads_share,
        )
        self.queue = RequestQueue("orders", settings, self.metrics, variants=variants)
        self.working: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def comes(self, name: str, criticality: Criticality = CRITICAL) -> str:
        """A request comes. "working", "waiting", or the outcome it was refused with."""
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._request(name, criticality))
        await _turns()
        if self._tasks[name].done():
            problem = self._tasks[name].exception()
            assert isinstance(problem, Problem)
            assert (problem.status_code, problem.headers) == (503, {"Retry-After": "1"})
            return problem.outcome
        return "working" if name in self.working else "waiting"

    async def goes(self, name: str) -> None:
        """A request's work is done."""
        self._ends[name].set()
        try:
            await self._tasks[name]
        finally:
            await _turns()

    async def gives_up(self, name: str) -> None:
        """A request is cancelled."""
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)
        await _turns()

    def figure(self, name: str, *tags: str) -> float:
        described: Any = self.metrics.describe(name, tags)
        return float(described["measurements"][0]["value"])

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """Active, queued, room left, rejected."""
        return (
            self.figure("executor.active"),
            self.figure("executor.queued"),
            self.figure("executor.queue.remaining"),
            self.figure("executor.rejected"),
        )

    async def _request(self, name: str, criticality: Criticality) -> None:
        async with self.queue.slot(criticality):
            self.working.append(name)
            await self._ends[name].wait()
            self.working.remove(name)


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def held(talk: Callable[[Room], Awaitable[None]], *variants: Variant, **sizes: Any) -> None:
    """Talk to a room in a loop of its own. What still works there then is cancelled with it."""

    async def session() -> None:
        await talk(Room(*variants, **sizes))

    asyncio.run(session())


def test_so_many_work_so_many_wait_and_the_next_is_refused_at_once() -> None:
    async def talk(room: Room) -> None:
        came = [await room.comes(name) for name in "abcdef"]
        assert came == ["working"] * 2 + ["waiting"] * 3 + ["rejected"]
        assert room.figures == (2, 3, 0, 1)

    held(talk, at_work=2, waiting=3)


def test_who_waits_is_served_in_the_order_of_coming_and_nobody_overtakes() -> None:
    async def talk(room: Room) -> None:
        for name in "abc":
            await room.comes(name)
        await room.goes("a")
        assert room.working == ["b"]
        assert await room.comes("d") == "waiting"
        await room.goes("b")
        await room.goes("c")
        assert room.working == ["d"]
        assert room.figures == (1, 0, 3, 0)

    held(talk, at_work=1, waiting=3)


def test_reads_are_refused_while_there_is_room_for_orders() -> None:
    async def talk(room: Room) -> None:
        assert [await room.comes(name, SHEDDABLE) for name in "abcd"] == [
            "working",
            "waiting",
            "waiting",
            "rejected",
        ]
        assert [await room.comes(name, CRITICAL) for name in "efg"] == ["waiting", "waiting", "rejected"]
        assert room.figure("executor.rejected", "criticality:sheddable") == 1
        assert room.figure("executor.rejected", "criticality:critical") == 1

    held(talk, at_work=1, waiting=4)


def test_while_somebody_is_free_a_read_is_served_even_where_none_may_wait() -> None:
    async def talk(room: Room) -> None:
        assert await room.comes("a", SHEDDABLE) == "working"
        assert await room.comes("b", SHEDDABLE) == "rejected"

    held(talk, at_work=1, waiting=4, reads_share=0)


def test_without_a_waiting_room_who_finds_nobody_free_is_refused() -> None:
    async def talk(room: Room) -> None:
        assert [await room.comes(name) for name in "ab"] == ["working", "rejected"]
        await room.goes("a")
        assert await room.comes("c") == "working"

    held(talk, at_work=1, waiting=0)


@pytest.mark.parametrize("who", ["a", "b"])
def test_who_gives_up_at_work_or_waiting_leaves_no_place_taken(who: str) -> None:
    async def talk(room: Room) -> None:
        for name in "abc":
            await room.comes(name)
        await room.gives_up(who)
        assert room.figures == (1, 1, 1, 0)
        for name in sorted({"a", "b", "c"} - {who}):
            await room.goes(name)
        assert room.figures == (0, 0, 2, 0)

    held(talk, at_work=1, waiting=2)


def test_work_that_fails_gives_its_place_back() -> None:
    async def talk(room: Room) -> None:
        with pytest.raises(ValueError, match="no"):
            async with room.queue.slot(CRITICAL):
                raise ValueError("no")
        assert await room.comes("a") == "working"

    held(talk, at_work=1, waiting=0)


def test_planted_an_unbounded_queue_refuses_nobody() -> None:
    async def talk(room: Room) -> None:
        assert [await room.comes(name) for name in "abcdef"] == ["working"] + ["waiting"] * 5
        assert room.figures == (1, 5, -4, 0)

    held(talk, Variant.UNBOUNDED_REQUEST_QUEUE, at_work=1, waiting=1)


def test_planted_a_refusal_after_the_work_says_rejected_of_what_was_done() -> None:
    async def talk(room: Room) -> None:
        for name in "abc":
            await room.comes(name)
        with pytest.raises(Problem) as told:
            await room.goes("a")
        assert (told.value.status_code, told.value.outcome) == (503, "rejected")
        assert room.working == ["b"]
        assert room.figure("executor.rejected") == 1
        await room.goes("b")  # nobody waits any more

    held(talk, Variant.REFUSED_AFTER_THE_WORK, at_work=1, waiting=2)


def test_planted_reads_may_fill_the_room_that_is_for_orders() -> None:
    async def talk(room: Room) -> None:
        came = [await room.comes(name, SHEDDABLE) for name in "abcd"]
        assert came == ["working", "waiting", "waiting", "rejected"]
        assert await room.comes("e", CRITICAL) == "rejected"

    held(talk, Variant.READS_ARE_NOT_SHED, at_work=1, waiting=2)


@settings(deadline=None)  # a stalled machine is no failure
@given(
    st.lists(
        st.tuples(st.sampled_from(["order", "read", "goes", "gives up"]), st.integers(0, 30)), max_size=40
    )
)
def test_whatever_happens_the_bounds_hold_and_no_place_is_lost(steps: list[tuple[str, int]]) -> None:
    async def talk(room: Room) -> None:
        there: list[str] = []
        for number, (step, which) in enumerate(steps):
            if step in {"order", "read"}:
                name, criticality = f"{number}", CRITICAL if step == "order" else SHEDDABLE
                if await room.comes(name, criticality) != "rejected":
                    there.append(name)
            elif there:
                name = there[which % len(there)]
                if step == "goes" and name in room.working:
                    await room.goes(name)
                    there.remove(name)
                elif step == "gives up":
                    await room.gives_up(name)
                    there.remove(name)
            active, queued, left, _ = room.figures
            assert (active, queued) == (min(2, len(there)), max(0, len(there) - 2))
            assert 0 <= left == 3 - queued
        for name in there:
            await room.gives_up(name)
        assert room.figures[:3] == (0, 0, 3)

    held(talk, at_work=2, waiting=3)
