import pytest

from harness.errors import FaultError
from harness.faults.processes import Killed, Paused, Restarted, Stopped
from harness.stack import State
from tests.faults.fake_stack import FakeStack, service_of


def test_a_killed_service_is_seen_gone_by_the_machine_and_on_the_wire(stack: FakeStack) -> None:
    effect = Killed(service="provider").inject(stack)
    assert service_of(stack, "provider").state() is State.EXITED
    assert "exited" in effect.sentence
    assert effect.measured["refused"] == 3


def test_a_paused_service_is_seen_stopped_and_silent(stack: FakeStack) -> None:
    effect = Paused(service="provider").inject(stack)
    assert "paused" in effect.sentence
    assert effect.measured["silent"] == 3
    assert Paused(service="provider").heal(stack).seen
    assert service_of(stack, "provider").state() is State.RUNNING


def test_a_process_that_is_said_to_be_paused_and_still_answers_is_another_one(stack: FakeStack) -> None:
    provider = service_of(stack, "provider")
    provider.socket._converse = lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(FaultError, match="answered"):
        Paused(service="provider").inject(stack)


def test_what_stands_still_already_is_not_paused_by_the_fault(stack: FakeStack) -> None:
    Paused(service="provider").inject(stack)
    with pytest.raises(FaultError, match="provider was paused before the fault began"):
        Paused(service="provider").inject(stack)


def test_stopping_asks_and_killing_does_not(stack: FakeStack) -> None:
    Stopped(service="provider").inject(stack)
    Killed(service="kafka-1").inject(stack)
    assert service_of(stack, "provider").verbs == ["stop"]
    assert service_of(stack, "kafka-1").verbs == ["kill"]


def test_a_restart_measures_the_outage_and_leaves_the_service_running(stack: FakeStack) -> None:
    effect = Restarted(service="provider").inject(stack)
    assert service_of(stack, "provider").verbs == ["stop", "start"]
    assert effect.measured["down_s"] > 0
    assert service_of(stack, "provider").state() is State.RUNNING


def test_healing_does_not_start_a_service_that_runs(stack: FakeStack) -> None:
    Killed(service="provider").heal(stack)
    assert "start" not in service_of(stack, "provider").verbs


def test_a_service_that_does_not_come_back_fails_the_healing_with_its_last_words(stack: FakeStack) -> None:
    Killed(service="provider").inject(stack)
    service_of(stack, "provider").immortal = True  # start() fails from here on
    with pytest.raises(FaultError, match="no such table"):
        Killed(service="provider").heal(stack)


def test_a_service_that_is_too_slow_to_stop_does_not_end_after_it_was_healed(stack: FakeStack) -> None:
    service = service_of(stack, "provider")
    service.too_slow = True
    with pytest.raises(FaultError, match="is still there after 15 s"):
        Stopped(service="provider").inject(stack)
    assert service.state() is State.EXITED, "it may end at any moment: it is ended now"
    assert Stopped(service="provider").heal(stack).seen
    assert service.verbs == ["stop", "kill", "start"]


def test_healing_a_kill_leaves_a_pause_to_the_fault_that_paused(stack: FakeStack) -> None:
    Paused(service="provider").inject(stack)
    healed = Killed(service="provider").heal(stack)
    assert not healed.seen
    assert healed.hidden
    assert service_of(stack, "provider").state() is State.PAUSED


def test_a_paused_service_that_has_exited_meanwhile_is_not_called_healed(stack: FakeStack) -> None:
    Paused(service="provider").inject(stack)
    service_of(stack, "provider").kill()
    healed = Paused(service="provider").heal(stack)
    assert not healed.seen
    assert healed.hidden


def test_a_service_that_runs_and_does_not_serve_hides_nothing(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.faults.processes.ANSWER_WITHIN_S", 0.05)
    service_of(stack, "provider").answers_after_s = 1.0
    healed = Killed(service="provider").heal(stack)
    assert not healed.seen
    assert not healed.hidden
    assert "does not serve" in healed.sentence


@pytest.mark.parametrize("fault", [Killed(service="provider"), Stopped(service="provider")])
def test_a_service_that_had_ended_before_is_not_counted_as_hurt(
    stack: FakeStack, fault: Killed | Stopped
) -> None:
    service_of(stack, "provider").kill()
    with pytest.raises(FaultError, match="had ended before the fault began"):
        fault.inject(stack)
