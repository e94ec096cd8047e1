import pytest

from harness.errors import ConfigError, FaultError
from harness.faults import from_record, to_record
from harness.faults.replies import Replies, Trial
from tests.faults.fake_stack import FakeStack, service_of


def test_what_a_dependency_was_told_is_read_back_among_what_it_says_besides(stack: FakeStack) -> None:
    effect = Replies(service="provider", body={"mode": "refuse"}).inject(stack)
    assert service_of(stack, "provider").told == {"mode": "refuse"}
    assert "confirms" in effect.sentence


def test_a_trial_shows_the_effect_where_clients_would_see_it(stack: FakeStack) -> None:
    fault = Replies(service="provider", body={"mode": "refuse"}, trial=Trial(path="/v1/ping", status=402))
    assert "answered with 402, as asked" in fault.inject(stack).sentence


def test_a_trial_that_shows_something_else_is_an_error(stack: FakeStack) -> None:
    fault = Replies(service="provider", body={"mode": "refuse"}, trial=Trial(path="/v1/ping", status=500))
    with pytest.raises(FaultError, match="wanted 500, got 402"):
        fault.inject(stack)


def test_asking_for_silence_and_getting_an_answer_is_an_error(stack: FakeStack) -> None:
    fault = Replies(
        service="provider", body={"mode": "stall"}, trial=Trial(path="/x", status=0, timeout_s=0.2)
    )
    with pytest.raises(FaultError, match="wanted silence, got 200"):
        fault.inject(stack)


def test_a_trial_survives_the_record(stack: FakeStack) -> None:
    fault = Replies(
        service="provider", body={"mode": "error"}, trial=Trial(path="/x", status=500), says="errs"
    )
    assert from_record(to_record(fault)) == fault
    assert fault.title == "errs"


def test_healing_a_service_that_cannot_be_told_is_no_healing(stack: FakeStack) -> None:
    fault = Replies(service="provider", body={"mode": "error"})
    fault.inject(stack)
    service_of(stack, "provider").deaf = True
    with pytest.raises(FaultError, match="still says"):
        fault.heal(stack)
    service_of(stack, "provider").kill()
    with pytest.raises(FaultError, match="Is provider down"):
        fault.heal(stack)


def test_asking_for_nothing_is_refused_because_nothing_could_be_seen() -> None:
    with pytest.raises(ConfigError, match="empty body"):
        Replies(service="provider", body={})


def test_what_it_was_told_before_is_not_this_fault_s_effect(stack: FakeStack) -> None:
    told = Replies(service="provider", body={"mode": "refuse"})
    told.inject(stack)
    with pytest.raises(FaultError, match="before the fault began, so the fault did nothing"):
        told.inject(stack)
