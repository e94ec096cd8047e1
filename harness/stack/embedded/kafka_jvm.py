"""How a JVM of Kafka's is run: lean, because a drill on two cores has four of them beside everything else.

Measured for three brokers and a controller: 12 s of processor until all answer without an archive of classes, 5.5 s
with one that they share; 110 MB a process.
"""

import os
from collections.abc import Iterable
from pathlib import Path

SCRATCH_FOLDER = "scratch"
LOG4J2_FILE = "log4j2.properties"


def class_path(jars: Iterable[Path]) -> str:
    """The jars one by one: an archive of classes is bound to this very text."""
    return os.pathsep.join(map(str, jars))


def jvm_flags(*, archive: Path | None, work: Path) -> tuple[str, ...]:
    """The JVM's flags: small, quick to start, and leaving nothing outside `work` when it is killed."""
    return (
        "-Xms256m",
        "-Xmx256m",
        "-XX:+UseSerialGC",  # two cores for four JVMs: no collector threads
        "-XX:TieredStopAtLevel=1",  # a drill is over before the second compiler would pay
        "-XX:-UsePerfData",  # or a killed JVM leaves a file in the system's temporary folder
        "-XX:+ExitOnOutOfMemoryError",  # a broker that is half dead would be a fault nobody asked for
        f"-XX:ErrorFile={work}/jvm-crash.log",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Djava.io.tmpdir={work / SCRATCH_FOLDER}",  # the compression libraries unpack themselves there
        *(() if archive is None else _mapping(archive)),
        "-Dlog4j2.disable.jmx=true",  # nobody asks it there, and it costs every start a tenth of a second
        f"-Dlog4j2.configurationFile={work / LOG4J2_FILE}",
    )


def _mapping(archive: Path) -> tuple[str, ...]:
    """Map an archive of classes where it was made for, so that the four JVMs share its pages.

    A JVM moves it elsewhere by default, against attackers who guess addresses, and has to write into most of its pages
    to do so: 22 MB and a tenth of a second of processor for each.
    """
    return (
        f"-XX:SharedArchiveFile={archive}",
        "-Xshare:auto",  # an archive that does not fit this java is ignored
        "-Xlog:cds=off",
        "-XX:+UnlockDiagnosticVMOptions",
        "-XX:ArchiveRelocationMode=0",
    )


# Warnings and what tells a reader that a node is up; Kafka at INFO prints its whole configuration a listener.
LOG4J2 = """\
status=error
name=drillbook
appender.out.type=Console
appender.out.name=out
appender.out.target=SYSTEM_OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss,SSS} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
"""
