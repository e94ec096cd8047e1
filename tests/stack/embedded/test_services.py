"""A process is looked at often and its supervisor asked rarely: a start has fifteen that wait, and one supervisor."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from harness.errors import StackError
from harness.stack import State
from harness.stack.embedded import services
from harness.stack.embedded.services import LOOKS_A_QUESTION, EmbeddedService
from harness.stack.process import ProcessSpec, Readiness, ReadyKind

if TYPE_CHECKING:
    from harness.supervisor.client import SupervisorClient

SPEC = ProcessSpec(
    name="web",
    argv=("/bin/web",),
    environment={},
    port=1,
    ports=(1,),
    ready=Readiness(kind=ReadyKind.TCP, port=1, timeout_s=5.0),
)


class FakeSupervisor:
    """A process that runs until it has been asked after so often."""

    def __init__(self, *, ends_after: int) -> None:
        self.asked = 0
        self._ends_after = ends_after

    def state(self, name: str, *, spare: bool) -> State:
        assert name == "web"
        self.asked += 1
        return State.EXITED if self.asked > self._ends_after else State.RUNNING

    def exit_code(self, name: str) -> int:
        assert name == "web"
        return 3

    @property
    def folder(self) -> object:
        raise AssertionError("the disk is not full")


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_EVERY_S", 0.0)


def web(supervisor: FakeSupervisor, logs: Path) -> EmbeddedService:
    return EmbeddedService(SPEC, logs, cast("SupervisorClient", supervisor))


def test_the_supervisor_is_asked_once_in_several_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def answers(_: Readiness) -> bool:
        nonlocal looks
        looks += 1
        return looks == 3 * LOOKS_A_QUESTION

    monkeypatch.setattr(services, "is_ready", answers)
    supervisor = FakeSupervisor(ends_after=100)
    web(supervisor, tmp_path).await_ready()
    assert looks == 3 * LOOKS_A_QUESTION
    assert supervisor.asked == 3


def test_one_that_ends_is_told_with_its_code_and_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "is_ready", lambda _: False)
    (tmp_path / "web.log").write_text("no such table\n")
    with pytest.raises(StackError, match=r"web ended with exit code 3 (?s:.)*no such table"):
        web(FakeSupervisor(ends_after=2), tmp_path).await_ready()
