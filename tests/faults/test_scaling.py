"""More instances are a remedy only if they work: one that runs and has nothing to do changes nothing."""

import pytest

from harness.errors import ConfigError, FaultError, NothingDoneError
from harness.faults import scaling
from harness.faults.scaling import ScaledOut
from harness.stack import State
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack, service_of

SPARES = ("kafka-1", "kafka-2")
more = ScaledOut(service="consumer", instances=SPARES, work="work", tags={"uri": "/orders"})


@pytest.fixture
def stack(stack: FakeStack) -> FakeStack:
    """Two of its services are spares, and have never been started."""
    for name in SPARES:
        service_of(stack, name).kill()
        service_of(stack, name).verbs.clear()
    return stack


def test_it_keeps_the_contract_of_every_fault(stack: FakeStack) -> None:
    keeps_the_contract(more, stack)


def test_each_is_started_and_seen_at_work_and_ends_in_good_order(stack: FakeStack) -> None:
    effect = more.inject(stack)
    assert effect.measured["instances"] == 2
    assert "work: kafka-1 3, kafka-2 3" in effect.sentence
    more.heal(stack)
    for name in SPARES:
        assert service_of(stack, name).verbs == ["start", "resume", "stop"]


def test_one_that_runs_and_has_nothing_to_do_is_an_error(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "_AT_WORK_WITHIN_S", 0.2)
    service_of(stack, "kafka-2").done = 0.0
    with pytest.raises(FaultError, match=r"kafka-2 runs and has nothing to do: work stayed at 0"):
        more.inject(stack)
    assert more.heal(stack).seen


def test_what_runs_already_is_no_spare(stack: FakeStack) -> None:
    more.inject(stack)
    with pytest.raises(NothingDoneError, match="kafka-1 was running before the fault began"):
        more.inject(stack)


def test_one_that_does_not_come_up_tells_its_last_words(stack: FakeStack) -> None:
    service_of(stack, "kafka-2").immortal = True
    with pytest.raises(FaultError, match="no such table"):
        more.inject(stack)


def test_one_that_ends_by_itself_has_lapsed(stack: FakeStack) -> None:
    more.inject(stack)
    assert more.lapsed(stack) == ""
    service_of(stack, "kafka-1").kill()
    assert more.lapsed(stack) == "kafka-1 was exited"


def test_one_that_does_not_want_to_end_is_killed(stack: FakeStack) -> None:
    more.inject(stack)
    service_of(stack, "kafka-1").too_slow = True
    assert more.heal(stack).seen
    assert service_of(stack, "kafka-1").state() is State.EXITED


@pytest.mark.parametrize("instances", [(), ("kafka-1", "kafka-1")])
def test_to_scale_out_by_nothing_or_by_one_twice_is_refused(instances: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="at least one spare, each once"):
        ScaledOut(service="consumer", instances=instances, work="work")
