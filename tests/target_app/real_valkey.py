"""One real server of Redis's protocol, for tests of what only a server can say."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.clock import wait_until
from harness.stack.embedded.readiness import is_ready
from harness.stack.embedded.valkey import find_valkey, spec
from tests.stack.loopback import free_port

STARTS_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class RealValkey:
    """A server and its process, which a test may freeze or kill."""

    url: str
    process: subprocess.Popen[bytes]

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does. Returns once it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it, and all that it knows."""
        self.process.kill()
        self.process.wait(STARTS_WITHIN_S)


@contextmanager
def running(work: Path, port: int = 0) -> Iterator[RealValkey]:
    """A server with nothing in it."""
    described = spec(port=port or free_port(), program=find_valkey(), work=work)
    with (work / "log").open("wb") as log:
        server = subprocess.Popen(
            described.argv, env=dict(described.environment), cwd=work, stdout=log, stderr=log
        )
    started = RealValkey(url=f"redis://127.0.0.1:{described.port}", process=server)
    try:
        wait_until(lambda: is_ready(described.ready), what="Valkey answers", within_s=STARTS_WITHIN_S)
        yield started
    finally:
        started.kill()  # a frozen one, too
