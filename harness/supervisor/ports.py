"""Which stack may listen where.

Ports come from below the ephemeral range (32768 on Linux): a client that keeps dialling a dead port inside
it can be given that very port as its own end and be connected to itself. They are given out under a lock and
written down, so that two stacks that start at once cannot be promised the same ones, and each is test-bound,
because a server that sets SO_REUSEPORT would share a port with a stranger without a word.
"""

import json
import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import StackError
from harness.stack import LOOPBACK

FIRST_PORT = 20_000
LAST_PORT = 32_000


def is_free(port: int) -> bool:
    """Whether nothing listens on a loopback port.

    SO_REUSEADDR, so that connections of an earlier run in TIME_WAIT do not count as a listener.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def busy(ports: Iterable[int]) -> list[int]:
    """Those of `ports` that something listens on."""
    return [port for port in ports if not is_free(port)]


class PortBook:
    """The written record of who has which ports. Every call must be made under `base_lock`.

    A run has its ports for as long as it has its folder. Giving them back needs no writing, and so works on a full
    disk and cannot be forgotten by a supervisor that is killed.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._file = base / "ports.json"

    def reserve(self, run_id: str, count: int, *, free: Callable[[int], bool] = is_free) -> list[int]:
        """Give `count` ports to a run, next to one another where possible.

        Raises:
            StackError: There are not enough.
        """
        book = self._read()
        taken = set().union(*book.values())
        # Begin somewhere else each time: a port that was just given back may still have clients dialling it.
        start = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
        candidates = [*range(start, LAST_PORT), *range(FIRST_PORT, start)]
        ports: list[int] = []
        for port in candidates:
            if port not in taken and free(port):
                ports.append(port)
                if len(ports) == count:
                    break
        else:
            raise StackError(
                f"{count} free ports were wanted between {FIRST_PORT} and {LAST_PORT}, {len(ports)} are left. "
                "`drill down --all` ends forgotten stacks."
            )
        self._write(book | {run_id: [*book.get(run_id, []), *ports]})
        return ports

    def _read(self) -> dict[str, list[int]]:
        try:
            book: dict[str, list[int]] = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {}  # cut off by a kill: test-binding still keeps two stacks apart
        return {run_id: ports for run_id, ports in book.items() if (self._base / run_id).is_dir()}

    def _write(self, book: dict[str, list[int]]) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(book))
        temporary.replace(self._file)
