"""One process of an embedded stack, as data: everything the supervisor needs to start it again.

The harness works these out from the target and hands them over; the supervisor never sees the target.
They are written to disk before the first process starts.
"""

from dataclasses import dataclass, field
from enum import StrEnum

# What healing may take while all goes well: a broker is given 60 s to answer after its start, a stuck proxy 15 s and
# its link another 10 s to be seen well, a replica 15 s to be in sync again; and a busy machine is slower.
HEALING_TAKES_S = 90.0


class ReadyKind(StrEnum):
    """How one finds out that a server answers. A listening port is not an answer."""

    HTTP = "http"  # GET `path` answers 200
    POSTGRES = "postgres"  # a connection is accepted and `select 1` answered
    REDIS = "redis"  # PING is answered with PONG
    KAFKA = "kafka"  # ApiVersions is answered on `port`
    TCP = "tcp"  # something accepts; only for what has no protocol of its own to ask


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What to ask, where, and for how long at most."""

    kind: ReadyKind
    port: int
    path: str = "/"
    timeout_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """How one process is started, known and stopped.

    Attributes:
        name: The service's name; also the name of its working folder inside the run's state folder. Its processes are
            recognised by a mark that names that folder, or by the folder itself where they write over their
            environment, as PostgreSQL's and Valkey's do.
        argv: The program, absolute, and its arguments.
        environment: The whole environment.
        port: Where it listens, for its `Address`.
        ports: Every port it opens, `port` included; test-bound before each start.
        ready: How to find out that it answers.
        user_id: The uid to run as, or None for the supervisor's own. PostgreSQL refuses to run as root.
        stop_signal: The signal that asks it to end; SIGTERM if not set otherwise.
        stop_timeout_s: How long it may take to.
        death_signal: What the kernel sends it when the supervisor dies (Linux). PostgreSQL gets SIGQUIT,
            because SIGKILL leaves its shared memory behind.
        folders: Folders (relative to its working folder) made, and owned by `user_id`, before it starts.
        copies: Folders (relative) copied from a template (absolute) before the first start, and then
            owned by `user_id`: a formatted log directory, an initialised database cluster.
        files: Files (relative) and their text, written before each start: configuration.
    """

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    port: int
    ports: tuple[int, ...]
    ready: Readiness
    user_id: int | None = None
    stop_signal: str = "SIGTERM"
    stop_timeout_s: float = 15.0
    death_signal: str = "SIGKILL"
    folders: tuple[str, ...] = ()
    copies: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
