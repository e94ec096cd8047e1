"""Kafka's class path: named by KAFKA_HOME, else fetched jar by jar as `pins/kafka.json` lists them.

The list is complete and every jar is fetched for itself, so that no resolver chooses a version: two of
them, asked for the same two roots, came to different ones. Maven is asked where there is one, since it
knows the user's mirrors; else a resolver that is a Python package.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ArtifactError
from harness.stack.embedded.artifacts import Artifact, Cache, Progress
from harness.stack.embedded.sources import Source
from harness.stack.embedded.wheels import PINS, fetch, run

KAFKA_PINS = PINS / "kafka.json"
SUPPLY = "Set KAFKA_HOME to an unpacked Apache Kafka 4 (the folder that holds libs/)."
NAME = "Apache Kafka"
_COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """What Maven calls the file."""
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, kw_only=True)
class KafkaJars:
    """Kafka's class path, in a fixed order."""

    version: str
    jars: tuple[Path, ...]
    source: Source


def pinned_version() -> str:
    """The version of Kafka that is fetched."""
    return str(json.loads(KAFKA_PINS.read_text())["version"])


def pinned_jars() -> list[Jar]:
    """Every jar that is fetched."""
    jars = []
    for entry in json.loads(KAFKA_PINS.read_text())["jars"]:
        group, artifact, version = entry["coordinate"].split(":")
        jars.append(Jar(group=group, artifact=artifact, version=version, sha256=entry["sha256"]))
    return jars


def fetched() -> Artifact:
    """The class path as an artifact of the cache."""
    jars = pinned_jars()

    def build(folder: Path, progress: Progress) -> None:
        progress.step(NAME, 0, 2)
        with_maven = shutil.which("mvn")
        if with_maven is not None:
            try:
                _fetch_with_maven(with_maven, jars, folder)
            except ArtifactError:
                # A Maven that is there need not work: no Java for it, or settings of another network.
                _fetch_with_jgo(jars, folder)
        else:
            _fetch_with_jgo(jars, folder)
        progress.step(NAME, 2, 2)

    return Artifact(
        name="kafka-jars",
        version=pinned_version(),
        key=KAFKA_PINS.read_text(),
        build=build,
        digests={jar.file_name: jar.sha256 for jar in jars},
        supply=SUPPLY,
    )


def project_of(jars: Iterable[Jar]) -> str:
    """A Maven project that depends on exactly these jars: whatever they depend on themselves is left out."""
    nothing_else = (
        "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    )
    dependencies = "\n".join(
        f"<dependency><groupId>{jar.group}</groupId><artifactId>{jar.artifact}</artifactId>"
        f"<version>{jar.version}</version>{nothing_else}</dependency>"
        for jar in jars
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>drillbook</groupId><artifactId>kafka</artifactId><version>1</version>"
        f"<dependencies>\n{dependencies}\n</dependencies></project>\n"
    )


def _fetch_with_maven(maven: str, jars: list[Jar], folder: Path) -> None:
    project = folder / "pom.xml"
    project.write_text(project_of(jars))
    argv = [
        maven,
        "--batch-mode",
        "--quiet",
        "--file",
        str(project),
        _COPY_GOAL,
        f"-DoutputDirectory={folder}",
    ]
    run(argv, what="Maven could not fetch Kafka's jars", supply=SUPPLY, folder=folder)
    project.unlink()


# Run by a fresh interpreter, so that nothing of jgo is imported into ours. Arguments: folder, then
# coordinates.
_JGO_PROGRAM = """\
import shutil, sys
from pathlib import Path
from jgo.maven import MavenContext
folder = Path(sys.argv[1])
context = MavenContext(repo_cache=folder / "repository")
for coordinate in sys.argv[2:]:
    group, artifact, version = coordinate.split(":")
    jar = context.project(group, artifact).at_version(version).artifact().resolve()
    shutil.copyfile(jar, folder / f"{artifact}-{version}.jar")
shutil.rmtree(folder / "repository")
"""


def _fetch_with_jgo(jars: list[Jar], folder: Path) -> None:
    packages = folder / "jgo"
    fetch(PINS / "jgo.txt", packages, supply=SUPPLY)
    coordinates = [f"{jar.group}:{jar.artifact}:{jar.version}" for jar in jars]
    run(
        [sys.executable, "-c", _JGO_PROGRAM, str(folder), *coordinates],
        what="Kafka's jars could not be fetched",
        supply=SUPPLY,
        folder=folder,
        environment={"PYTHONPATH": str(packages)},
    )
    shutil.rmtree(packages)


def local_jars(environment: Mapping[str, str] = os.environ) -> KafkaJars | None:
    """The class path that KAFKA_HOME names, or None if it is not set.

    Raises:
        ArtifactError: There is no Kafka 4 server there.
    """
    home = environment.get("KAFKA_HOME")
    if not home:
        return None
    folder = Path(home).absolute() / "libs"
    jars = tuple(sorted(folder.glob("*.jar")))
    servers = [jar.stem.partition("-")[2] for jar in jars if jar.stem.startswith("kafka_2.13-")]
    version = next((found for found in servers if found[:1].isdigit() and found.count(".") >= 1), "")
    if not version or int(version.split(".")[0]) < 4:
        found = f"Kafka {version}" if version else "no kafka_2.13-*.jar"
        raise ArtifactError(
            f"KAFKA_HOME={home} was to hold Apache Kafka 4, {folder} holds {found}: without KRaft's 4.x "
            "formats no cluster can be formatted. Correct KAFKA_HOME, or unset it to have Kafka fetched."
        )
    return KafkaJars(version=version, jars=jars, source=Source.OVERRIDE)


def find_jars(
    cache: Cache, *, progress: Progress | None = None, environment: Mapping[str, str] = os.environ
) -> KafkaJars:
    """Kafka's class path, fetched if need be.

    Raises:
        ArtifactError: KAFKA_HOME is wrong, or the jars cannot be fetched.
    """
    here = local_jars(environment)
    if here is not None:
        return here
    folder = cache.obtain(fetched(), progress)
    jars = tuple(sorted(folder.glob("*.jar")))
    return KafkaJars(version=pinned_version(), jars=jars, source=Source.CACHE)
