"""A small process with a child of its own, which a supervisor is asked to start."""

import os
import sys
import textwrap

import psutil

from harness.clock import wait_until
from harness.stack.process import ProcessSpec, Readiness, ReadyKind
from harness.supervisor.client import SupervisorClient

# A server with a child of its own, as PostgreSQL has: the child takes a session of its own.
FORKING_SERVER = textwrap.dedent("""
    import os, signal, socket, sys, time
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    print("serving", flush=True)
    signal.pause()
""")


def server(port: int, name: str = "server") -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-c", FORKING_SERVER, str(port)),
        environment={"PATH": os.environ["PATH"]},
        port=port,
        ports=(port,),
        ready=Readiness(kind=ReadyKind.TCP, port=port),
        files={"config/one.conf": "a = 1\n"},
    )


def start(client: SupervisorClient) -> list[psutil.Process]:
    """Start the forking server; both of its processes."""
    pid = client.spawn(server(client.reserve_ports(1)[0]))
    return wait_until(lambda: both(pid), within_s=10, what="the server and its child")


def both(pid: int) -> list[psutil.Process] | None:
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    return family if len(family) == 2 else None


def gone(family: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
