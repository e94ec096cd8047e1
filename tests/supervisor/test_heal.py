from pathlib import Path

import pytest

from harness.errors import FaultError
from harness.faults import Effect, to_record
from harness.faults.processes import Killed
from harness.supervisor import heal, state
from tests.faults.fake_stack import FakeStack

FAULT = Killed(service="provider")
UNSEEN = Effect(sentence="provider runs but does not serve", seen=False)


@pytest.mark.parametrize(
    "healed", [Effect(sentence="well", seen=True), Effect(sentence="paused", seen=False, hidden=True)]
)
def test_a_healer_says_so_when_it_has_healed(
    healed: Effect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = healing(healed, tmp_path, monkeypatch)
    heal.main(str(tmp_path), "fault-1")
    assert stack.kept == ["fault-1"]


def test_a_healer_that_has_not_seen_it_well_does_not_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = healing(UNSEEN, tmp_path, monkeypatch)
    with pytest.raises(FaultError, match=r"provider killed: .*does not serve"):
        heal.main(str(tmp_path), "fault-1")
    assert stack.kept == []


def healing(healed: Effect, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    """A stack in which a promised fault's healing ends as given."""
    stack = FakeStack()
    state.append_line(state.StateFolder(folder).undo, {"token": "fault-1", "fault": to_record(FAULT)})
    monkeypatch.setattr(heal, "attach", lambda _: stack)
    monkeypatch.setattr(Killed, "heal", lambda *_: healed)
    return stack
