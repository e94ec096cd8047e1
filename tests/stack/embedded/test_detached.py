"""A detached stack outlives its terminal, ends when asked or with its lease, and tells what is running."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from harness.errors import ConfigError, StackError
from harness.narration import Silence
from harness.settings import Settings
from harness.stack.embedded.detached import down, running, up
from harness.supervisor import state

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a stack whose state is apart from everybody else's, so that `down` ends nobody else's."""
    folder = Path(tempfile.mkdtemp(prefix="drillup-", dir="/tmp"))
    folder.chmod(0o711)
    monkeypatch.setenv(state.STATE_VARIABLE, str(folder))
    yield Settings(target="tests.stack.embedded.targets:alone", runs=tmp_path / "runs")
    down(everything=True)
    shutil.rmtree(folder, ignore_errors=True)


def test_a_stack_stays_up_until_it_is_ended(settings: Settings) -> None:
    stack = up(settings, Silence(), lease_s=120)
    assert httpx.get(stack.entry, trust_env=False).text == "ok"
    assert [folder.run_id for folder in running()] == [stack.run_id]
    assert list(down()) == [stack.run_id]
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.entry, trust_env=False)
    assert running() == []
    assert list(down()) == []


def test_an_unknown_stack_is_told_beside_the_known_ones(settings: Settings) -> None:
    stack = up(settings, Silence(), lease_s=120)
    with pytest.raises(ConfigError, match=f"no stack 'ghost'.*{stack.run_id}"):
        down("ghost")
    assert list(down(stack.run_id)) == [stack.run_id]


def test_a_stack_that_cannot_start_leaves_nothing(settings: Settings) -> None:
    broken = settings.model_copy(update={"target": "tests.stack.embedded.targets:broken"})
    with pytest.raises(StackError, match="there is no configuration for this service"):
        up(broken, Silence(), lease_s=120)
    assert running() == []
    assert state.folders(state.base_folder()) == []


def test_what_a_killed_supervisor_left_is_found_at_the_next_start(settings: Settings) -> None:
    first = up(settings, Silence(), lease_s=120)
    [folder] = running()
    [holder] = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "harness.supervisor.server" in (command := " ".join(process.info["cmdline"] or ()))
        and first.run_id in command
    ]
    holder.kill()
    holder.wait(10)
    told: list[str] = []

    class Listener(Silence):
        def step(self, sentence: str) -> None:
            told.append(sentence)

    second = up(settings, Listener(), lease_s=120)
    assert any(f"run {first.run_id} had been killed" in sentence for sentence in told)
    assert not folder.path.exists()
    assert list(down()) == [second.run_id]
