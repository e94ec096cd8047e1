"""Everything a stack needs that is no Python package: fetched once, checked, and then only looked at.

An artifact is a folder of the cache. It is built in a folder beside its place and renamed into it, so that a
place is either empty or complete, whatever was killed or filled up in between; a lock keeps two installers
apart. What is there and not as it was installed (`manifest`) is fetched again.
"""

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

import platformdirs

from harness import full_disk
from harness.clock import wait_until
from harness.errors import ArtifactError, DeadlineError
from harness.stack.embedded.manifest import problem_of, sha256, write_manifest
from harness.supervisor import named_lock

APP_NAME = "drillbook"
ROOTS_CACHE = Path("/var/cache") / APP_NAME
CACHE_VARIABLE = "DRILLBOOK_CACHE"
# For what another process is at already. The slowest artifact takes a slow network minutes.
PATIENCE_S = 600.0


class Progress(Protocol):
    """Somebody who is told how far the fetching is."""

    def step(self, name: str, done: int, total: int) -> None:
        """`done` of `total` parts of the artifact `name` are there. `done == total` is said last."""
        ...

    def wait(self, name: str, whom: str) -> None:
        """Somebody else ("process 4711") is at the artifact `name` already, and is waited for."""
        ...


class NoProgress:
    """Nobody is watching."""

    def step(self, name: str, done: int, total: int) -> None:
        """Ignore it."""

    def wait(self, name: str, whom: str) -> None:
        """Ignore it."""


class PlainProgress:
    """One plain line when an artifact is begun and one when it is there, for logs."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def step(self, name: str, done: int, total: int) -> None:
        """Say the first and the last step."""
        if done == 0:
            self._write(f"fetching {name} …")
        elif done >= total:
            self._write(f"fetched {name}")

    def wait(self, name: str, whom: str) -> None:
        """Say whom it waits for."""
        self._write(f"waiting for {name}: {whom} is fetching it …")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What is wanted in the cache.

    Attributes:
        name: Of the artifact.
        version: Of what it holds.
        key: Anything else its content depends on (the digest of a pin file, a java's path).
        build: Fills an empty folder, telling progress how far it is. An ArtifactError or OSError ends it.
        digests: File (relative) to SHA-256, for what is pinned; other files are recorded as they come.
        supply: What a person can do when it cannot be had: "Set KAFKA_HOME to …".
    """

    name: str
    version: str
    build: Callable[[Path, Progress], None]
    supply: str
    key: str = ""
    digests: Mapping[str, str] | None = None

    @property
    def folder_name(self) -> str:
        """`<name>-<version>[-<8 digits of the key's digest>]`."""
        digest = f"-{hashlib.sha256(self.key.encode()).hexdigest()[:8]}" if self.key else ""
        return f"{self.name}-{self.version}{digest}"


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Where artifacts are kept.

    Root's own home is closed to others, and PostgreSQL, which refuses to run as root, must reach its
    programs: so root's cache is /var/cache/drillbook.

    Raises:
        ArtifactError: DRILLBOOK_CACHE is not an absolute path, or cannot be reached by PostgreSQL's user.
    """
    given = environment.get(CACHE_VARIABLE)
    if given and not Path(given).is_absolute():
        raise ArtifactError(
            f"{CACHE_VARIABLE} must be an absolute path, got {given!r}: processes that work in other "
            "folders read from it. Give the whole path."
        )
    root = Path(given) if given else _default_root()
    if os.geteuid() == 0:
        closed = closed_to_others(root)
        if closed is not None:
            raise ArtifactError(
                f"the cache {root} cannot be reached by other users, because {closed} is closed to them. "
                "PostgreSQL refuses to run as root and is run as another user, who must read its programs "
                f"there. Set {CACHE_VARIABLE} to a folder all of whose parents are open (r-x), or unset "
                f"it for {ROOTS_CACHE}."
            )
    return root


def _default_root() -> Path:
    return ROOTS_CACHE if os.geteuid() == 0 else Path(platformdirs.user_cache_dir(APP_NAME))


def closed_to_others(path: Path) -> Path | None:
    """The first existing folder on the way to `path` that others may not pass through, or None."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


class Cache:
    """The folder that holds all artifacts.

    Attributes:
        root: Where it is.
        nobody_waits: Set when what is wanted of it is wanted no more: then nobody waits for other installers.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.nobody_waits = threading.Event()

    def path_of(self, artifact: Artifact) -> Path:
        """Where an artifact is or would be."""
        return self.root / artifact.folder_name

    def obtain(self, artifact: Artifact, progress: Progress | None = None) -> Path:
        """The artifact's folder, fetched first where it is missing or not as it was installed.

        Raises:
            ArtifactError: It cannot be had, or what came is not what is pinned.
        """
        place = self.path_of(artifact)
        progress = progress or NoProgress()
        if problem_of(place) is None:
            return place
        with _no_room(self.root, artifact):
            self._make_root()
            with self._turn(artifact, progress):
                if problem_of(place) is not None:  # somebody else may have installed it meanwhile
                    self._install(artifact, place, progress)
        return place

    @contextmanager
    def _turn(self, artifact: Artifact, progress: Progress) -> Iterator[None]:
        """Keep other installers of the artifact away for the length of the block."""
        with named_lock.opened(self.root / f"{artifact.folder_name}.lock") as file:
            if not named_lock.taken(file):
                progress.wait(artifact.name, str(named_lock.holder(file)))
                self._await(file, artifact)
            with named_lock.named(file):
                yield

    def _await(self, file: FileIO, artifact: Artifact) -> None:
        try:
            wait_until(
                lambda: named_lock.taken(file) or self.nobody_waits.is_set(),
                within_s=PATIENCE_S,
                what=artifact.name,
            )
        except DeadlineError as error:
            holder = named_lock.holder(file)
            remedy = f"`kill -CONT {holder.pid}` lets it go on. " if holder.stopped else ""
            raise ArtifactError(
                f"waited {PATIENCE_S:g} s for {artifact.name} {artifact.version}, which is being installed by "
                f"{holder}. {remedy}End it and try again. {artifact.supply}"
            ) from error
        if self.nobody_waits.is_set():
            raise ArtifactError(f"{artifact.name} {artifact.version} is wanted no more")

    def _make_root(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self.root.chmod(0o755)  # whatever the umask

    def _install(self, artifact: Artifact, place: Path, progress: Progress) -> None:
        self._clear_leftovers(artifact)
        building = self.root / f"{artifact.folder_name}.{secrets.token_hex(4)}.new"
        building.mkdir(mode=0o755)
        building.chmod(0o755)
        try:
            artifact.build(building, progress)
            _check_digests(artifact, building)
            write_manifest(building)
            if place.exists():  # not as it was installed
                place.rename(building.with_suffix(".old"))
            building.rename(place)
        finally:
            _clear(building)
            _clear(building.with_suffix(".old"))

    def _clear_leftovers(self, artifact: Artifact) -> None:
        """Remove what a killed installer left. Under the lock, so it is nobody's."""
        for pattern in (".new", ".old"):
            for leftover in self.root.glob(f"{artifact.folder_name}.*{pattern}"):
                _clear(leftover)


def _check_digests(artifact: Artifact, folder: Path) -> None:
    for name, expected in (artifact.digests or {}).items():
        if not (folder / name).is_file():
            raise ArtifactError(
                f"{artifact.name} {artifact.version}: {name} did not come, though it is pinned. "
                f"{artifact.supply}"
            )
        actual = sha256(folder / name)
        if actual != expected:
            raise ArtifactError(
                f"{artifact.name} {artifact.version}: {name} was expected with the SHA-256 {expected}, "
                f"came with {actual}. It was damaged on the way or is not what was published; it has not "
                f"been installed. Try again; if it stays, mistrust your package mirror. {artifact.supply}"
            )


@contextmanager
def _no_room(root: Path, artifact: Artifact) -> Iterator[None]:
    """Turn what an operating system says into what a person can act on."""
    try:
        yield
    except ArtifactError as error:
        if full_disk.was_met(str(error)):  # by an installer
            raise ArtifactError(_no_room_for(artifact, root)) from error
        raise
    except OSError as error:
        if full_disk.was_met(error):
            raise ArtifactError(_no_room_for(artifact, root)) from error
        raise ArtifactError(
            f"{artifact.name} {artifact.version} could not be installed under {root}: {error}. Set "
            f"{CACHE_VARIABLE} to a folder you may write to. {artifact.supply}"
        ) from error


def _no_room_for(artifact: Artifact, root: Path) -> str:
    told = full_disk.told(
        root,
        takes="Everything together takes about 500 MB.",
        instead=f"set {CACHE_VARIABLE} to a folder on another disk",
    )
    unpacking = Path(tempfile.gettempdir())
    free_mb = shutil.disk_usage(unpacking).free >> 20
    return (
        f"no room for {artifact.name} {artifact.version}: {told} Installers also unpack in {unpacking} (TMPDIR), where "
        f"{free_mb} MB are free."
    )


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
