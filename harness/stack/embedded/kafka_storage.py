"""What Kafka's nodes start with, made once: formatted directories, and an archive of loaded classes.

Formatting a directory takes a JVM a second; copying a formatted one takes nothing. Loading seven thousand
classes takes each of four JVMs 1.5 seconds of processor; mapping an archive of them takes half of that
away. Neither may depend on ports, so that every stack can use them.
"""

import json
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from harness.clock import wait_until
from harness.errors import ArtifactError, DrillError
from harness.stack.embedded.artifacts import Artifact, Cache, Progress
from harness.stack.embedded.java import Java
from harness.stack.embedded.kafka import (
    CLUSTER_ID,
    CONTROLLER_NAME,
    FEATURES,
    METADATA_FEATURE,
    RELEASE,
    TEMPLATE_FOLDER,
    BrokerPorts,
    Cluster,
    KafkaRuntime,
    broker_name,
    broker_spec,
    controller_spec,
)
from harness.stack.embedded.kafka_jars import SUPPLY, KafkaJars
from harness.stack.embedded.kafka_jvm import class_path, jvm_flags
from harness.stack.embedded.readiness import is_ready
from harness.stack.process import ProcessSpec
from harness.supervisor.ports import FIRST_PORT, LAST_PORT, is_free
from harness.supervisor.processes import prepare_folder, spawn

MOST_BROKERS = 3
ARCHIVE = "classes.jsa"
NO_ARCHIVE = "why-there-is-none.txt"
_TOOL_TIMEOUT_S = 120
_TRAINING_TIMEOUT_S = 60.0


def find_runtime(
    java: Java, jars: KafkaJars, cache: Cache, *, progress: Progress | None = None
) -> KafkaRuntime:
    """Everything that Kafka's nodes are started from, made first where it is missing.

    Raises:
        ArtifactError: The directories could not be formatted. A missing archive is no error: starts are
        slower.
    """
    bare = KafkaRuntime(java=java.program, jars=jars.jars, templates=Path())
    formatted = replace(bare, templates=cache.obtain(formatted_directories(bare, jars.version), progress))
    try:
        archive = cache.obtain(class_archive(formatted, java, jars.version), progress) / ARCHIVE
    except DrillError:
        return formatted
    return replace(formatted, archive=archive if archive.exists() else None)


def formatted_directories(runtime: KafkaRuntime, version: str) -> Artifact:
    """A formatted directory for the controller and for each of three brokers, used or not."""

    def build(folder: Path, progress: Progress) -> None:
        progress.step("Kafka's directories", 0, 1)
        working = folder / "working"
        working.mkdir()
        specs = _specs(working, runtime, brokers=MOST_BROKERS, ports=range(1, 2 * MOST_BROKERS + 2))
        with ExitStack() as tools:
            formatting = [tools.enter_context(_formatting(spec, runtime, working)) for spec in specs]
            for spec, process in zip(specs, formatting, strict=True):
                _await_tool(process, f"the directory of {spec.name} could not be formatted")
                (working / spec.name / TEMPLATE_FOLDER).rename(folder / spec.name)
        shutil.rmtree(working)
        progress.step("Kafka's directories", 1, 1)

    key = json.dumps([CLUSTER_ID, RELEASE, FEATURES], sort_keys=True)
    return Artifact(name="kafka-formatted", version=version, key=key, build=build, supply=SUPPLY)


def _formatting(
    spec: ProcessSpec, runtime: KafkaRuntime, working: Path
) -> AbstractContextManager[subprocess.Popen[str]]:
    work = working / spec.name
    prepare_folder(replace(spec, copies={}), work)
    features = [f"--feature={name}={level}" for name, level in FEATURES.items() if name != METADATA_FEATURE]
    return _tool(
        [
            str(runtime.java),
            *jvm_flags(archive=None, work=work),
            "-cp",
            class_path(runtime.jars),
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            CLUSTER_ID,
            "--config",
            str(work / "server.properties"),
            "--release-version",
            RELEASE,
            *features,
        ],
        work,
    )


def class_archive(runtime: KafkaRuntime, java: Java, version: str) -> Artifact:
    """The archive for one java and one class path; the JVM refuses it for any other.

    A JVM that can make none is written down and not asked again: it costs every start a second or two and
    nothing else. A training that failed is tried again at the next start: a port may have been taken, or
    the machine busy.
    """

    def build(folder: Path, progress: Progress) -> None:
        progress.step("Kafka's class archive", 0, 2)
        working = folder / "working"
        working.mkdir()
        classes = _loaded_classes(runtime, working)
        progress.step("Kafka's class archive", 1, 2)
        try:
            _dump(runtime, classes, working, folder / ARCHIVE)
        except ArtifactError as error:
            (folder / ARCHIVE).unlink(missing_ok=True)
            (folder / NO_ARCHIVE).write_text(str(error))
        shutil.rmtree(working)
        progress.step("Kafka's class archive", 2, 2)

    # The JVM compares the time and size of each jar, so a class path that was fetched again needs a new
    # archive.
    jars = [(str(jar), jar.stat().st_size, jar.stat().st_mtime_ns) for jar in runtime.jars]
    program = (str(java.program), java.version, java.program.stat().st_mtime_ns)
    return Artifact(
        name="kafka-classes", version=version, key=json.dumps([program, jars]), build=build, supply=SUPPLY
    )


def _loaded_classes(runtime: KafkaRuntime, working: Path) -> Path:
    """The names of all classes that a controller and a broker load until a record has gone through them."""
    with _training_ports() as ports:
        specs = _specs(working, runtime, brokers=1, ports=ports)
        lists = [working / f"{spec.name}.classes" for spec in specs]
        processes = []
        try:
            for spec, names in zip(specs, lists, strict=True):
                argv = (spec.argv[0], f"-XX:DumpLoadedClassList={names}", *spec.argv[1:])
                work = working / spec.name
                prepare_folder(spec, work)
                processes.append(spawn(replace(spec, argv=argv), work, work.with_suffix(".log")))
            for spec in specs:
                wait_until(
                    _readiness_question(spec),
                    within_s=_TRAINING_TIMEOUT_S,
                    what=f"{spec.name} to answer",
                    every_s=0.1,
                )
            _exercise(f"127.0.0.1:{specs[-1].port}")
        finally:
            for process in reversed(processes):  # the controller last, or the broker waits a minute for it
                _end(process)
    everything = working / "classes"
    everything.write_text(merge_class_lists([names.read_text() for names in lists]))
    return everything


def merge_class_lists(lists: Iterable[str]) -> str:
    """The lines of several JVMs' class lists, each once and in order of first use.

    Newer JVMs number their classes, and each list from 0 on. Only classes of a loader of their own (`source:`)
    need a number; they are left out, and the others lose theirs.
    """
    lines = (line for text in lists for line in text.splitlines() if " source:" not in line)
    return "".join(f"{name}\n" for name in dict.fromkeys(line.partition(" id:")[0] for line in lines))


def _readiness_question(spec: ProcessSpec) -> Callable[[], bool]:
    return lambda: is_ready(spec.ready)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)  # the list of classes is complete only after an orderly end
    try:
        process.wait(_TRAINING_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _exercise(bootstrap: str) -> None:
    """Send a record and consume it in a group, so that the classes for that are in the archive too."""
    topic = "training"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=_TRAINING_TIMEOUT_S)
        producer.produce(topic, b"one", headers={"a": b"b"})
        producer.flush(_TRAINING_TIMEOUT_S)
        consumer.subscribe([topic])

        def consumed() -> bool:
            message = consumer.poll(0.5)
            return message is not None and message.error() is None

        wait_until(consumed, within_s=_TRAINING_TIMEOUT_S, what="the training record")
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        raise ArtifactError(f"Kafka's class archive could not be trained: {error}") from error
    finally:
        consumer.close()


def _dump(runtime: KafkaRuntime, classes: Path, work: Path, archive: Path) -> None:
    """Make the archive from a list of classes.

    An archive made at a JVM's exit would take one step less, but needs an archive of the JVM's own to stand on,
    which trimmed runtimes leave out.
    """
    argv = [
        str(runtime.java),
        "-Xshare:dump",
        "-XX:+UseSerialGC",  # as in `jvm_flags`: archived objects depend on it
        f"-XX:SharedClassListFile={classes}",
        f"-XX:SharedArchiveFile={archive}",
        "-cp",
        class_path(runtime.jars),
    ]
    with _tool(argv, work) as dumping:
        _await_tool(dumping, "the class archive could not be made")
    if not archive.exists():
        raise ArtifactError("the JVM made no class archive and gave no reason")


@contextmanager
def _training_ports() -> Iterator[Sequence[int]]:
    """Three free ports. They are not reserved: should somebody take one, there is no archive this time."""
    wanted = random.SystemRandom().sample(range(FIRST_PORT, LAST_PORT), 64)
    yield [port for port in wanted if is_free(port)][:3]


def _specs(working: Path, runtime: KafkaRuntime, *, brokers: int, ports: Sequence[int]) -> list[ProcessSpec]:
    """A controller and brokers without roles."""
    pairs = list(zip(ports[1::2], ports[2::2], strict=True))
    cluster = Cluster(
        controller_port=ports[0],
        brokers={
            n: BrokerPorts(direct=pairs[n - 1][0], replication=pairs[n - 1][1]) for n in range(1, brokers + 1)
        },
    )
    controller = controller_spec(cluster=cluster, runtime=runtime, work=working / CONTROLLER_NAME)
    return [
        controller,
        *(
            broker_spec(number=n, cluster=cluster, runtime=runtime, work=working / broker_name(n))
            for n in cluster.brokers
        ),
    ]


@contextmanager
def _tool(argv: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """One of Kafka's or Java's own programs. It has ended when the block has, however that ended."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ArtifactError(f"{argv[0]} cannot be run: {error}") from error
    with process:
        try:
            yield process
        finally:
            process.kill()


def _await_tool(process: subprocess.Popen[str], what: str) -> None:
    try:
        output, _ = process.communicate(timeout=_TOOL_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(f"{what}: no end after {_TOOL_TIMEOUT_S} s") from error
    if process.returncode != 0:
        last = "\n  ".join(output.strip().splitlines()[-6:])
        raise ArtifactError(f"{what} (exit code {process.returncode}).\n  {last}")
