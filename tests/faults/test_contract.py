from dataclasses import replace

import pytest

from harness.errors import FaultError, NothingDoneError
from harness.faults import Fault
from harness.faults.network import AddedLatency, BlackHole, Cut, LimitedBandwidth, Lost, Reset
from harness.faults.processes import Killed, Paused, Restarted, Stopped
from harness.faults.replies import Replies, Trial
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack, link_of, service_of

LINK = "orders->provider"
NETWORK: list[Fault] = [
    AddedLatency(link=LINK, latency_ms=20),
    AddedLatency(link=LINK, latency_ms=40, both_ways=True),
    LimitedBandwidth(link=LINK, rate_kb_per_s=400),
    BlackHole(link=LINK),
    Reset(link=LINK, lost=Lost.REQUESTS),
    Cut(link=LINK),
]
PROCESSES: list[Fault] = [
    Killed(service="provider"),
    Stopped(service="provider"),
    Restarted(service="provider"),
    Restarted(service="provider", graceful=False),
    Paused(service="provider"),
]
REPLIES: list[Fault] = [
    Replies(service="provider", body={"mode": "refuse"}),
    Replies(service="provider", body={"mode": "error"}, trial=Trial(path="/v1/ping", status=500)),
]


def named(fault: Fault) -> str:
    return fault.title


@pytest.mark.parametrize("fault", [*NETWORK, *PROCESSES, *REPLIES], ids=named)
def test_every_fault_keeps_the_contract(fault: Fault, stack: FakeStack) -> None:
    keeps_the_contract(fault, stack)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in (*NETWORK, *PROCESSES, *REPLIES) if not isinstance(fault, Restarted)],
    ids=named,
)
def test_a_fault_that_is_there_already_is_refused_before_anything_is_hurt(
    fault: Fault, stack: FakeStack
) -> None:
    """So that whoever pairs it with its healing knows that there is nothing of it to heal."""
    fault.inject(stack)
    with pytest.raises(NothingDoneError, match="before the fault began, so the fault did nothing"):
        fault.inject(stack)
    assert fault.lapsed(stack) == ""


@pytest.mark.parametrize("fault", NETWORK, ids=named)
def test_a_fault_on_several_links_hurts_none_if_one_is_hurt_already(fault: Fault, stack: FakeStack) -> None:
    fault.inject(stack)
    with pytest.raises(NothingDoneError):
        replace(fault, link="orders->*").inject(stack)  # type: ignore[type-var]  # they are dataclasses
    others = [link for name, link in stack.links.items() if name.startswith("orders->") and name != LINK]
    assert others
    assert all(link.is_enabled() and not link.toxics() for link in others)


@pytest.mark.parametrize("fault", NETWORK, ids=named)
def test_a_network_fault_that_does_not_bite_is_an_error_and_no_shrug(fault: Fault, stack: FakeStack) -> None:
    link_of(stack, LINK).numb = True
    with pytest.raises(FaultError, match=r"provider"):
        fault.inject(stack)


@pytest.mark.parametrize("fault", NETWORK, ids=named)
def test_a_control_plane_that_hangs_is_named_by_inject_and_by_heal(fault: Fault, stack: FakeStack) -> None:
    link_of(stack, LINK).hangs = True
    with pytest.raises(FaultError, match="had no answer within 3 s"):
        fault.inject(stack)
    with pytest.raises(FaultError, match="had no answer within 3 s"):
        fault.heal(stack)


@pytest.mark.parametrize("fault", NETWORK, ids=named)
def test_a_fault_on_the_way_to_a_dead_server_is_refused_because_it_could_not_be_seen(
    fault: Fault, stack: FakeStack
) -> None:
    service_of(stack, "provider").kill()
    with pytest.raises(FaultError, match="itself does not answer"):
        fault.inject(stack)


@pytest.mark.parametrize("fault", NETWORK, ids=named)
def test_healing_on_the_way_to_a_dead_server_says_that_it_was_not_measured(
    fault: Fault, stack: FakeStack
) -> None:
    service_of(stack, "provider").kill()
    healed = fault.heal(stack)
    assert not healed.seen
    assert healed.hidden, "its end is another fault's, and nothing is left to heal on the link"
    assert "provider itself did not answer" in healed.sentence


@pytest.mark.parametrize("fault", [*PROCESSES], ids=named)
def test_a_process_fault_that_does_not_bite_is_an_error(fault: Fault, stack: FakeStack) -> None:
    service_of(stack, "provider").immortal = True
    with pytest.raises(FaultError, match=r"bite"):
        fault.inject(stack)


@pytest.mark.parametrize("fault", REPLIES, ids=named)
def test_a_service_that_is_told_and_does_not_listen_is_an_error(fault: Fault, stack: FakeStack) -> None:
    service_of(stack, "provider").deaf = True
    with pytest.raises(FaultError, match="does not bite"):
        fault.inject(stack)


def test_a_misspelt_name_offers_those_that_are_there(stack: FakeStack) -> None:
    with pytest.raises(FaultError, match="orders->provider"):
        Cut(link="order->provider").inject(stack)
    with pytest.raises(FaultError, match="provider"):
        Killed(service="provder").inject(stack)
