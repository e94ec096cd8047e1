"""The cache of artifacts: whole or not there, whatever happens in between."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import ArtifactError
from harness.stack import State
from harness.stack.embedded import artifacts
from harness.stack.embedded.artifacts import (
    Artifact,
    Cache,
    NoProgress,
    Progress,
    cache_root,
)
from harness.stack.embedded.manifest import problem_of, verify
from harness.supervisor.processes import state_at

GOOD = "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"  # of "test\n"


class Fetching:
    """An artifact of two files that counts how often it was built."""

    def __init__(self, text: str = "test\n") -> None:
        self.text = text
        self.built = 0

    def artifact(self, *, digest: str = GOOD) -> Artifact:
        return Artifact(
            name="thing",
            version="1",
            key="k",
            build=self.build,
            digests={"a.jar": digest},
            supply="Set THING_HOME.",
        )

    def build(self, folder: Path, progress: Progress) -> None:
        self.built += 1
        progress.step("thing", 0, 1)
        (folder / "a.jar").write_text(self.text)
        (folder / "deep").mkdir()
        (folder / "deep" / "b").write_text("b")
        progress.step("thing", 1, 1)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def names_in(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.root.iterdir() if path.is_dir())


def test_an_artifact_is_built_once(cache: Cache) -> None:
    fetching = Fetching()
    first = cache.obtain(fetching.artifact())
    second = cache.obtain(fetching.artifact())
    assert first == second
    assert (first / "a.jar").read_text() == "test\n"
    assert fetching.built == 1


def test_another_key_is_another_place(cache: Cache) -> None:
    one = Artifact(name="a", version="1", key="x", build=Fetching().build, supply="")
    other = Artifact(name="a", version="1", key="y", build=Fetching().build, supply="")
    assert cache.path_of(one) != cache.path_of(other)


def test_a_damaged_file_is_fetched_again(cache: Cache) -> None:
    fetching = Fetching()
    place = cache.obtain(fetching.artifact())
    (place / "a.jar").write_text("tesT\n")  # the same size
    os.utime(place / "a.jar", ns=(1, 1))
    assert problem_of(place) == "a.jar is not as it was installed"
    assert (cache.obtain(fetching.artifact()) / "a.jar").read_text() == "test\n"
    assert fetching.built == 2
    assert names_in(cache) == [place.name]


def test_a_missing_file_is_fetched_again(cache: Cache) -> None:
    fetching = Fetching()
    (cache.obtain(fetching.artifact()) / "deep" / "b").unlink()
    assert (cache.obtain(fetching.artifact()) / "deep" / "b").exists()


def test_a_touched_but_unchanged_file_is_kept(cache: Cache) -> None:
    fetching = Fetching()
    os.utime(cache.obtain(fetching.artifact()) / "a.jar", ns=(1, 1))
    cache.obtain(fetching.artifact())
    assert fetching.built == 1


def test_damage_that_keeps_size_and_time_is_found_by_verify(cache: Cache) -> None:
    place = cache.obtain(Fetching().artifact())
    assert verify(place) == []
    before = (place / "a.jar").stat()
    (place / "a.jar").write_text("tesT\n")
    os.utime(place / "a.jar", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert problem_of(place) is None  # the price of a check that reads nothing
    (problem,) = verify(place)
    assert problem.startswith("a.jar has the digest ")
    assert GOOD in problem


def test_what_is_not_pinned_is_refused_and_leaves_nothing(cache: Cache) -> None:
    with pytest.raises(ArtifactError) as caught:
        cache.obtain(Fetching(text="other").artifact())
    assert GOOD in str(caught.value)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert "Set THING_HOME." in str(caught.value)
    assert names_in(cache) == []


def test_a_pinned_file_that_did_not_come_is_named(cache: Cache) -> None:
    lacking = Artifact(name="thing", version="1", build=lambda *_: None, digests={"a.jar": GOOD}, supply="")
    with pytest.raises(ArtifactError, match=r"a\.jar did not come"):
        cache.obtain(lacking)


def test_a_build_that_fails_leaves_the_place_empty_and_can_be_repeated(cache: Cache) -> None:
    def build(folder: Path, progress: Progress) -> None:
        (folder / "half").write_text("half")
        raise ArtifactError("no network")

    with pytest.raises(ArtifactError, match="no network"):
        cache.obtain(Artifact(name="thing", version="1", key="k", build=build, supply=""))
    assert names_in(cache) == []
    assert cache.obtain(Fetching().artifact()).exists()


def test_what_a_killed_installer_left_is_removed_and_never_used(cache: Cache) -> None:
    fetching = Fetching()
    leftover = cache.root / f"{fetching.artifact().folder_name}.00000000.new"
    leftover.mkdir(parents=True)
    (leftover / "a.jar").write_text("ha")
    assert (cache.obtain(fetching.artifact()) / "a.jar").read_text() == "test\n"
    assert not leftover.exists()


def test_two_installers_at_once_build_once(cache: Cache) -> None:
    fetching = Fetching()
    building, go_on = threading.Event(), threading.Event()

    def slow(folder: Path, progress: Progress) -> None:
        building.set()
        assert go_on.wait(10)
        fetching.build(folder, progress)

    artifact = Artifact(name="thing", version="1", key="k", build=slow, supply="")
    found: list[Path] = []
    installers = [threading.Thread(target=lambda: found.append(cache.obtain(artifact))) for _ in range(2)]
    for installer in installers:
        installer.start()
    assert building.wait(10)
    assert found == []  # nobody is given a half-built place
    go_on.set()
    for installer in installers:
        installer.join(10)
    assert len(found) == 2
    assert fetching.built == 1


def test_a_full_disk_is_said_in_words(cache: Cache) -> None:
    def build(folder: Path, progress: Progress) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ArtifactError, match=r"no room for thing 1: .* MB are free.*DRILLBOOK_CACHE"):
        cache.obtain(Artifact(name="thing", version="1", build=build, supply=""))
    assert names_in(cache) == []


def test_the_cache_can_be_put_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cache_root({"DRILLBOOK_CACHE": str(tmp_path)}) == tmp_path
    assert cache_root({}).name == "drillbook"
    with pytest.raises(ArtifactError, match=r"absolute path, got 'here'"):
        cache_root({"DRILLBOOK_CACHE": "here"})


def test_roots_cache_must_be_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL runs as another user and reads its programs there."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ArtifactError, match=r"cannot be reached by other users.*DRILLBOOK_CACHE"):
        cache_root({"DRILLBOOK_CACHE": str(closed / "cache")})
    assert cache_root({}) == Path("/var/cache/drillbook")


def test_plain_progress_says_the_first_and_the_last_step() -> None:
    lines: list[str] = []
    progress = artifacts.PlainProgress(lines.append)
    for done in range(4):
        progress.step("Kafka", done, 3)
    progress.wait("Kafka", "process 4711")
    NoProgress().step("Kafka", 0, 3)
    assert lines == ["fetching Kafka …", "fetched Kafka", "waiting for Kafka: process 4711 is fetching it …"]


@contextmanager
def _another_installer(cache: Cache, artifact: Artifact) -> Iterator["subprocess.Popen[str]"]:
    """A process that is at the artifact until its standard input is closed."""
    cache.root.mkdir(exist_ok=True)
    lock = cache.root / f"{artifact.folder_name}.lock"
    with subprocess.Popen(
        [sys.executable, "-c", _INSTALLER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as installer:
        assert installer.stdout is not None
        assert installer.stdout.readline() == "mine\n"
        try:
            yield installer
        finally:
            installer.kill()


_INSTALLER = """
import pathlib, sys
from harness.supervisor import named_lock
with named_lock.opened(pathlib.Path(sys.argv[1])) as file:
    assert named_lock.taken(file)
    with named_lock.named(file):
        print("mine", flush=True)
        sys.stdin.read()
"""


def test_another_installer_is_named_and_waited_for(cache: Cache) -> None:
    fetching, lines = Fetching(), list[str]()
    with _another_installer(cache, fetching.artifact()) as installer:

        def is_told(line: str) -> None:
            """End the other one as soon as we have said that we wait for it."""
            lines.append(line)
            installer.kill()

        cache.obtain(fetching.artifact(), artifacts.PlainProgress(is_told))
    assert f"process {installer.pid} is fetching it" in lines[0]
    assert fetching.built == 1


def test_an_installer_that_stands_still_is_not_waited_for_for_ever(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "PATIENCE_S", 0.1)
    fetching = Fetching()
    with _another_installer(cache, fetching.artifact()) as installer:
        with pytest.raises(
            ArtifactError, match=f"waited 0.1 s for thing 1, .*by process {installer.pid}. End it"
        ):
            cache.obtain(fetching.artifact())
        installer.send_signal(signal.SIGSTOP)
        wait_until(
            lambda: state_at(installer.pid) is State.PAUSED, within_s=5, what="the installer to stand still"
        )
        with pytest.raises(ArtifactError, match=f"which is stopped. .kill -CONT {installer.pid}"):
            cache.obtain(fetching.artifact())
    assert fetching.built == 0


def test_nobody_waits_for_what_is_wanted_no_more(cache: Cache) -> None:
    """Ctrl-C while another drill fetches: the thread that waits is joined before this one ends."""
    fetching = Fetching()
    with _another_installer(cache, fetching.artifact()):
        cache.nobody_waits.set()
        with pytest.raises(ArtifactError, match="is wanted no more"):
            cache.obtain(fetching.artifact())
    assert cache.obtain(fetching.artifact()).exists(), "what is free is fetched all the same"
