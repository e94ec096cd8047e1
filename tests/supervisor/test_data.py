"""Where a stack's data lies, and that what is cleared away is ours."""

from pathlib import Path

import pytest

from harness.errors import ConfigError, StackError
from harness.supervisor import data, processes, state, sweep
from tests.supervisor.test_belonging import somebody


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A folder that stands for the memory, with something in it that is somebody else's."""
    folder = tmp_path / "memory"
    (folder / "drillbook-of-somebody").mkdir(parents=True)
    return folder


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_data_lies_where_it_was_wanted_and_goes_with_the_stack(base: Path, memory: Path) -> None:
    with state.held_folder(base, state.new_run_id(), data_in=memory) as folder:
        folder.work("kafka-1").mkdir()
        assert len(everything(memory)) == 3
        folder.remove()
    assert everything(memory) == ["drillbook-of-somebody"]
    assert not folder.path.exists()


def test_a_sweep_clears_a_dead_runs_data_and_its_processes_there(base: Path, memory: Path) -> None:
    with state.held_folder(base, state.new_run_id(), data_in=memory) as folder:
        folder.work("postgres").mkdir()
    with somebody(folder.work("postgres"), {}) as backend:
        assert processes.belonging_to(folder.work("postgres")) == [backend]
        [swept] = sweep.sweep(base)
        assert swept.processes == 1
    assert everything(memory) == ["drillbook-of-somebody"]


def test_a_folder_for_data_that_is_there_already_is_not_taken(base: Path, memory: Path) -> None:
    run_id = state.new_run_id()
    with state.held_folder(base, run_id, data_in=memory) as folder:
        theirs = folder.data.resolve()
        (theirs / "precious").touch()
        folder.data.unlink()
        folder.remove()
    with (
        pytest.raises(StackError, match="no folder for data"),
        state.held_folder(base, run_id, data_in=memory),
    ):
        pytest.fail("it took what is somebody else's")
    assert (theirs / "precious").exists()


def test_a_link_to_what_we_cannot_have_made_is_not_followed(base: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with state.held_folder(base, state.new_run_id()) as folder:
        folder.data.rmdir()
        folder.data.symlink_to(tmp_path / "home")
    assert len(sweep.sweep(base)) == 1
    assert (tmp_path / "home").exists()


def test_a_bent_link_makes_nobody_elses_process_ours(base: Path, tmp_path: Path) -> None:
    (tmp_path / "home" / "postgres").mkdir(parents=True)
    with state.held_folder(base, state.new_run_id()) as folder:
        folder.data.rmdir()
        folder.data.symlink_to(tmp_path / "home")
        state.append_line(folder.processes, {"name": "postgres", "death_signal": "SIGQUIT"})
    with somebody(tmp_path / "home" / "postgres", {}) as stranger:
        [swept] = sweep.sweep(base)
        assert swept.processes == 0
        assert stranger.is_running()
        assert stranger.status() != "zombie"


def test_data_that_could_not_be_removed_is_found_by_the_next_sweep(
    base: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state.held_folder(base, state.new_run_id(), data_in=memory) as folder:
        folder.work("kafka-1").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("harness.supervisor.state.shutil.rmtree", lambda *_, **__: None)
        assert len(sweep.sweep(base)) == 1
    assert folder.path.exists()
    assert [swept.run_id for swept in sweep.sweep(base)] == [folder.run_id]
    assert everything(memory) == ["drillbook-of-somebody"]


def test_what_is_not_a_runs_folder_is_not_swept(base: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (base / "photos").mkdir()
    (base / "20260101-000000-abcd").mkdir()
    (base / "20260101-000000-abcd" / "thesis.tex").touch()
    (base / "20260101-000000-abce").symlink_to(tmp_path / "photos")
    before = {*everything(base), "lock"}
    assert sweep.sweep(base) == []
    assert set(everything(base)) == before
    (base / "20260101-000000-abcf").mkdir()  # of somebody who was killed before he had its lock
    assert [swept.run_id for swept in sweep.sweep(base)] == ["20260101-000000-abcf"]
    assert set(everything(base)) == before


def test_stacks_have_a_folder_of_their_own_in_the_one_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(state.STATE_VARIABLE, "/a")
    assert state.base_path() == Path("/a/drillbook")


def test_a_run_must_be_called_as_runs_are(base: Path) -> None:
    with pytest.raises(ConfigError, match="must be called as"), state.held_folder(base, "../photos"):
        pytest.fail("it made a folder elsewhere")


@pytest.fixture
def roomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which data may lie in memory."""
    memory, mounts = tmp_path / "shm", tmp_path / "mounts"
    memory.mkdir()
    mounts.write_text(f"proc /proc proc rw 0 0\ntmpfs {memory} tmpfs rw 0 0\n")
    monkeypatch.delenv(state.STATE_VARIABLE, raising=False)
    monkeypatch.delenv(state.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(data, "_SHARED_MEMORY", memory)
    monkeypatch.setattr(data, "_MOUNTS", mounts)
    monkeypatch.setattr(data, "_SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(data, "memory_gib", lambda: (8.0, 16.0))
    monkeypatch.setattr("harness.supervisor.data.sys.platform", "linux")
    monkeypatch.setattr("harness.supervisor.data.shutil.disk_usage", lambda _: Usage)
    return memory


class Usage:
    """Of a memory with room."""

    free = 8 << 30


def test_data_lies_in_memory_where_that_is_safe(roomy: Path) -> None:
    assert data.place().folder == roomy


def test_who_says_where_everything_goes_is_obeyed(
    roomy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(state.STATE_VARIABLE, str(tmp_path))
    assert data.place().folder is None
    monkeypatch.setenv(state.DATA_VARIABLE, str(tmp_path))
    assert data.place().folder == tmp_path
    monkeypatch.setenv(state.DATA_VARIABLE, "data")
    with pytest.raises(ConfigError, match=r"must be the absolute path.*'data'"):
        data.place()


def test_it_does_not_lie_in_memory_that_is_cleared_at_logout(
    roomy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_SYSTEMD", tmp_path)
    monkeypatch.setattr("harness.supervisor.data.os.getuid", lambda: 1000)
    assert data.place() == data.Place(
        folder=None, because=f"systemd may clear {roomy} when uid 1000 logs out"
    )
    monkeypatch.setattr("harness.supervisor.data.os.getuid", lambda: 0)
    assert data.place().folder == roomy


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda patch, memory: patch.setattr(data, "_MOUNTS", memory / "none"), "no memory here"),
        (lambda patch, memory: patch.setattr(data, "memory_gib", lambda: (2.0, 16.0)), "2.0 GiB of memory"),
        (lambda patch, memory: patch.setattr(Usage, "free", 1 << 26), "has 0.1 GiB free"),
        (
            lambda patch, memory: patch.setattr("harness.supervisor.data.sys.platform", "darwin"),
            "no memory here",
        ),
    ],
)
def test_it_lies_beside_the_rest_where_memory_is_short_or_none(
    roomy: Path, monkeypatch: pytest.MonkeyPatch, spoil: object, told: str
) -> None:
    assert callable(spoil)
    spoil(monkeypatch, roomy)
    place = data.place()
    assert place.folder is None
    assert told in place.because
