from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.clock import NS_PER_S
from harness.errors import ConfigError, FaultError
from harness.faults.schedule import FaultPlan, Planned, Progress, RunningPlan
from harness.recording.records import FaultStage
from harness.stack.process import HEALING_TAKES_S
from tests.faults.fake_stack import FakeStack
from tests.faults.test_injecting import ListOfNotes, Scripted


@dataclass
class HandClock:
    """Time that passes when the test says so."""

    at_s: float = 100.0

    def now_ns(self) -> int:
        return round(self.at_s * NS_PER_S)

    def wall_ns(self) -> int:
        return self.now_ns()

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


@dataclass
class OnDemand(Executor):
    """Runs what was submitted when the test says so, as a slow worker would."""

    waiting: list[Callable[[], None]] = field(default_factory=list)
    at_once: bool = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - what an executor does
                future.set_exception(error)

        if self.at_once:
            work()
        else:
            self.waiting.append(work)
        return future

    def run_all(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


@dataclass
class Bench:
    """A plan on a clock that is moved by hand."""

    plan: FaultPlan
    stack: FakeStack
    notes: ListOfNotes = field(default_factory=ListOfNotes)
    clock: HandClock = field(default_factory=HandClock)
    executor: OnDemand = field(default_factory=OnDemand)

    def __post_init__(self) -> None:
        self.running = RunningPlan(
            self.plan, self.stack, self.notes, clock=self.clock, executor=self.executor
        )
        self.running.begin()
        self.began_s = self.clock.at_s

    def at(self, seconds: float) -> list[Progress]:
        self.clock.at_s = self.began_s + seconds
        self.running.step()
        self.running.step()  # the first one starts a verb, the second sees it done
        return [progress for _, progress in self.running.progress]


def whole_phase(*faults: Scripted) -> FaultPlan:
    """Faults from the beginning of a phase of 10 s to its end."""
    return FaultPlan(planned=tuple(Planned(fault=fault) for fault in faults), impact_s=10)


def test_by_default_a_fault_lasts_the_whole_phase(stack: FakeStack) -> None:
    fault = Scripted()
    bench = Bench(whole_phase(fault), stack)
    assert bench.at(0) == [Progress.ACTIVE]
    assert bench.at(9.9) == [Progress.ACTIVE]
    bench.running.close()
    assert fault.log == ["inject", "heal"]


def test_each_fault_begins_and_ends_in_its_time(stack: FakeStack) -> None:
    early, late = Scripted(title="early"), Scripted(title="late")
    plan = FaultPlan(planned=(Planned(fault=late, at_s=4), Planned(fault=early, for_s=3)), impact_s=10)
    bench = Bench(plan, stack)
    assert bench.at(0) == [Progress.WAITING, Progress.ACTIVE]
    assert bench.at(3.9) == [Progress.WAITING, Progress.OVER]
    assert bench.at(4) == [Progress.ACTIVE, Progress.OVER]
    bench.running.close()
    assert [(note.number, note.stage) for note in bench.notes.notes if note.stage is FaultStage.ACTIVE] == [
        (1, FaultStage.ACTIVE),
        (0, FaultStage.ACTIVE),
    ]
    assert late.log == early.log == ["inject", "heal"]


def test_a_duration_counts_from_when_the_effect_was_seen(stack: FakeStack) -> None:
    fault = Scripted()
    bench = Bench(FaultPlan(planned=(Planned(fault=fault, for_s=2),), impact_s=10), stack)
    bench.executor.at_once = False
    assert bench.at(0) == [Progress.INJECTING]
    bench.clock.at_s += 3
    bench.executor.run_all()
    bench.executor.at_once = True
    assert bench.at(3) == [Progress.ACTIVE]
    assert bench.at(4.9) == [Progress.ACTIVE]
    assert bench.at(5) == [Progress.OVER]


def test_a_fault_that_comes_after_another_waits_until_that_was_seen(stack: FakeStack) -> None:
    first, second = Scripted(title="first"), Scripted(title="second")
    plan = FaultPlan(
        planned=(Planned(fault=second, at_s=1, for_s=2, after=first), Planned(fault=first, for_s=5)),
        impact_s=10,
    )
    bench = Bench(plan, stack)
    bench.executor.at_once = False
    assert bench.at(3) == [Progress.WAITING, Progress.INJECTING]
    bench.executor.run_all()
    assert bench.at(4) == [Progress.INJECTING, Progress.ACTIVE]
    bench.executor.run_all()
    assert bench.at(5) == [Progress.ACTIVE, Progress.ACTIVE]


def test_a_fault_may_still_come_when_the_one_before_it_is_over(stack: FakeStack) -> None:
    first, second = Scripted(title="first"), Scripted(title="second")
    plan = FaultPlan(
        planned=(Planned(fault=second, at_s=6, after=first), Planned(fault=first, for_s=1)), impact_s=10
    )
    bench = Bench(plan, stack)
    bench.at(0)
    assert bench.at(5) == [Progress.WAITING, Progress.OVER]
    assert bench.at(7) == [Progress.ACTIVE, Progress.OVER]


def test_a_fault_after_one_that_never_bites_never_comes(stack: FakeStack) -> None:
    first, second = Scripted(title="first", refused="no"), Scripted()
    plan = FaultPlan(planned=(Planned(fault=first), Planned(fault=second, after=first)), impact_s=10)
    bench = Bench(plan, stack)
    with pytest.raises(FaultError):
        bench.at(1)
    assert bench.at(9) == [Progress.OVER, Progress.WAITING]


def test_a_fault_after_one_that_is_not_planned_is_refused() -> None:
    first, second, third = (Scripted(title=name) for name in ("first", "second", "third"))
    with pytest.raises(ConfigError, match="which is not planned"):
        FaultPlan(planned=(Planned(fault=second, after=first),), impact_s=10)
    with pytest.raises(ConfigError, match="itself waits for"):
        FaultPlan(
            planned=(
                Planned(fault=first),
                Planned(fault=second, after=first),
                Planned(fault=third, after=second),
            ),
            impact_s=10,
        )


def test_a_fault_that_does_not_bite_is_told_by_step_and_the_others_are_healed_by_close(
    stack: FakeStack,
) -> None:
    good, bad = Scripted(title="good"), Scripted(title="bad", inject_fails="nothing to cut")
    bench = Bench(whole_phase(good, bad), stack)
    with pytest.raises(FaultError, match="nothing to cut"):
        bench.at(1)
    bench.running.close()
    assert good.log == ["inject", "heal"]
    assert bad.log == ["inject", "heal"]
    assert len(stack.kept) == 2


def test_close_heals_the_last_first_and_all_of_them_even_if_one_fails(stack: FakeStack) -> None:
    order: list[str] = []

    class Ordered(Scripted):
        def heal(self, stack: Any) -> Any:
            order.append(self.title)
            return super().heal(stack)

    faults = [Ordered(title="a"), Ordered(title="b", heal_fails="stuck"), Ordered(title="c")]
    bench = Bench(whole_phase(*faults), stack)
    bench.at(0)
    with pytest.raises(FaultError, match="stuck"):
        bench.running.close()
    assert order == ["c", "b", "a"]
    bench.running.close()
    assert order == ["c", "b", "a"]


def test_an_interrupt_before_a_fault_was_due_never_injects_it(stack: FakeStack) -> None:
    fault = Scripted()
    bench = Bench(FaultPlan(planned=(Planned(fault=fault, at_s=5),), impact_s=10), stack)
    bench.at(1)
    bench.running.close()
    assert fault.log == []
    assert stack.promises == {}


def test_the_supervisor_s_limit_is_longer_than_the_fault_is_meant_to_last(stack: FakeStack) -> None:
    plan = FaultPlan(
        planned=(Planned(fault=Scripted(), for_s=3), Planned(fault=Scripted(), at_s=4)), impact_s=100
    )
    bench = Bench(plan, stack)
    bench.at(0)
    bench.at(4)
    limits_s = [limit for _, limit in stack.promises.values()]
    assert limits_s == [3 + 30 + HEALING_TAKES_S, 96 + 30 + HEALING_TAKES_S], "and than healing may take"
    bench.running.close()


def test_with_real_threads_an_inject_on_its_way_is_waited_for_and_healed(stack: FakeStack) -> None:
    fault = Scripted()
    running = RunningPlan(whole_phase(fault), stack, ListOfNotes())
    running.begin()
    running.step()
    running.close()
    assert fault.log == ["inject", "heal"]


def test_a_close_that_was_interrupted_while_a_fault_was_on_its_way_heals_it_when_called_again(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Scripted()
    bench = Bench(whole_phase(fault), stack)
    bench.executor.at_once = False
    bench.at(0)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, "exception", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.running.close()
    bench.executor.run_all()
    bench.executor.at_once = True
    bench.running.close()
    assert (fault.log[0], fault.log[-1]) == ("inject", "heal")
    assert stack.kept == ["token-0"]


def test_an_interrupt_just_before_a_heal_is_begun_leaves_it_to_close(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Scripted()
    bench = Bench(FaultPlan(planned=(Planned(fault=fault, for_s=3),), impact_s=10), stack)
    bench.at(0)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bench.running._runs[0], "_submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.at(3)
    assert fault.log == ["inject"]
    bench.running.close()
    assert fault.log == ["inject", "heal"]


def test_a_time_outside_the_phase_is_refused(stack: FakeStack) -> None:
    with pytest.raises(ConfigError, match="only 10 s"):
        FaultPlan(planned=(Planned(fault=Scripted(), at_s=8, for_s=3),), impact_s=10)
    with pytest.raises(ConfigError, match="only 10 s"):
        FaultPlan(planned=(Planned(fault=Scripted(), at_s=10),), impact_s=10)
    with pytest.raises(ConfigError, match="at_s"):
        Planned(fault=Scripted(), at_s=-1)
