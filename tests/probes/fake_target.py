"""A stack that consists of addresses only, and a service that answers paths with fixed JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import socket

from harness.stack import Address, Link, Service
from tests.faults.fake_stack import FakeService
from tests.stack.loopback import Loopback


@dataclass
class Addresses:
    """Services that are nothing but an address; enough for whoever only looks."""

    services: Mapping[str, Service] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    run_id: str = "test"

    def promise_undo(self, fault: Mapping[str, object], *, limit_s: float) -> str:
        raise AssertionError("a probe never hurts")

    def undone(self, token: str) -> bool:
        raise AssertionError("a probe never heals")


class At(FakeService):
    """A service known by where it listens."""

    def __init__(self, name: str, address: Address) -> None:
        self.name = name
        self.address = address


def stack_of(**addresses: Address) -> Addresses:
    return Addresses({name.replace("_", "-"): At(name, address) for name, address in addresses.items()})


def answering(paths: Mapping[str, tuple[int, object]]) -> Loopback:
    """A server that answers `path?query` with a status and JSON (or text), and anything else with 404."""

    def converse(connection: socket) -> None:
        target = connection.recv(65_536).split(b" ")[1].decode()
        status, answer = paths.get(target, (404, {"status": 404}))
        text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))

    return Loopback(converse)
