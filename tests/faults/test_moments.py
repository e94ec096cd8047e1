"""What waits for its moment does so, and says so when that does not come."""

from typing import Any

import pytest

from harness.errors import ConfigError, FaultError, ProbeError
from harness.faults import moments
from harness.faults.moments import DoneByHand, KilledWhen, Moment
from harness.stack import State
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack, link_of, service_of

MOMENT = Moment(what="two wait", database="d", query="select", rows=2, within_s=0.2)
KILLED = KilledWhen(service="provider", moment=MOMENT)
LOST_CALLER = KilledWhen(service="kafka-1", moment=MOMENT, cut=("orders->provider",))
BY_HAND = DoneByHand(service="provider", path="/things/{key}/release", moment=MOMENT, says="released by hand")
TWO = [{"order_id": "a"}, {"order_id": "b"}]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the store says, one look after the other, the last one for ever. An exception is raised."""
    found: list[Any] = [TWO]

    class Table:
        def __init__(self, **_: Any) -> None: ...

        def read(self, _stack: object, *, timeout_s: float) -> Any:
            del timeout_s
            said = found.pop(0) if len(found) > 1 else found[0]
            if isinstance(said, Exception):
                raise said
            return said

    monkeypatch.setattr(moments, "SqlTable", Table)
    return found


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize("fault", [KILLED, LOST_CALLER, BY_HAND], ids=lambda fault: fault.title)
def test_they_keep_the_contract_of_every_fault(fault: KilledWhen | DoneByHand, stack: FakeStack) -> None:
    keeps_the_contract(fault, stack)


def test_it_kills_when_the_moment_has_come_and_not_before(stack: FakeStack, looks: list[Any]) -> None:
    looks[:] = [[], ProbeError("busy"), TWO[:1], TWO]
    effect = KILLED.inject(stack)
    assert effect.measured["rows"] == 2.0
    assert looks == [TWO], "it looked until the moment had come"
    assert service_of(stack, "provider").state() is State.EXITED


@pytest.mark.parametrize("fault", [KILLED, BY_HAND], ids=lambda fault: fault.title)
def test_a_moment_that_does_not_come_is_told_and_nobody_is_hurt(
    fault: KilledWhen | DoneByHand, stack: FakeStack, looks: list[Any]
) -> None:
    looks[:] = [TWO[:1]]
    with pytest.raises(FaultError, match=r"waited 0\.2 s for two wait .* in vain\. It may pass too quickly"):
        fault.inject(stack)
    assert service_of(stack, "provider").verbs == []


@pytest.mark.usefixtures("looks")
def test_what_is_done_by_hand_is_done_once_for_each_row(stack: FakeStack) -> None:
    effect = BY_HAND.inject(stack)
    assert effect.measured == {"calls": 2.0}
    assert "took 2 calls while two wait: a, b" in effect.sentence


@pytest.mark.usefixtures("looks")
def test_a_call_by_hand_that_is_refused_does_not_bite(stack: FakeStack) -> None:
    service_of(stack, "provider").told = {"mode": "refuse"}
    with pytest.raises(FaultError, match="POST /things/a/release wanted a 2xx, got 402"):
        BY_HAND.inject(stack)


@pytest.mark.usefixtures("looks")
def test_a_call_by_hand_to_nobody_or_to_one_who_is_gone_is_an_error(stack: FakeStack) -> None:
    with pytest.raises(FaultError, match="no service is called 'nobody'"):
        DoneByHand(service="nobody", path="/{key}", moment=MOMENT, says="x").inject(stack)
    service_of(stack, "provider").kill()
    with pytest.raises(FaultError, match="released by hand: POST /things/a/release"):
        BY_HAND.inject(stack)


@pytest.mark.parametrize("changes", [{"rows": 0}, {"within_s": 0}])
def test_a_moment_that_is_always_there_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="any moment would do"):
        Moment(**{"what": "w", "database": "d", "query": "select", **changes})


def test_a_call_that_would_be_the_same_for_everybody_is_refused() -> None:
    with pytest.raises(ConfigError, match="every call would be the same"):
        DoneByHand(service="provider", path="/things", moment=MOMENT, says="x")


@pytest.mark.usefixtures("looks")
def test_its_links_go_and_come_back_with_it(stack: FakeStack) -> None:
    effect = LOST_CALLER.inject(stack)
    assert effect.measured["cut"] == 1.0
    assert service_of(stack, "kafka-1").state() is State.EXITED
    assert not stack.links["orders->provider"].is_enabled()
    stack.links["orders->provider"].enable()
    assert "listens again" in LOST_CALLER.lapsed(stack)
    assert LOST_CALLER.heal(stack).seen
    assert service_of(stack, "kafka-1").state() is State.RUNNING


@pytest.mark.usefixtures("looks")
def test_a_link_that_cannot_be_cut_is_an_error(stack: FakeStack) -> None:
    link_of(stack, "orders->provider").numb = True
    with pytest.raises(FaultError, match="does not bite"):
        LOST_CALLER.inject(stack)
