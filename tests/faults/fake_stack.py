"""A stack of loopback sockets: its links really delay and refuse, its services really fall silent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from threading import RLock
from types import TracebackType
from typing import Any, Self

from harness.errors import StackError
from harness.stack import Address, Direction, Link, Service, State, Toxic, WireProtocol
from tests.stack.loopback import Loopback, answer_to, reset


class FakeService:
    """A service with a JSON body it is told over HTTP, and a socket that follows its state."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log_path = Path(f"{name}.log")
        self.verbs: list[str] = []
        self.told: dict[str, Any] = {}
        self.done = 3.0  # by its metric `work`
        self.deaf = False  # takes what it is told, and does not do it
        self.immortal = False
        self.too_slow = False  # ends after its stop time-out only
        self.answers_after_s = 0.0
        self._state = State.RUNNING
        self.socket = Loopback(self._converse)
        self.address = self.socket.address

    def state(self) -> State:
        return self._state

    def start(self) -> None:
        self.verbs.append("start")
        if self.immortal:
            raise StackError(f"{self.name} exited at once: its last line was 'no such table'")
        self._state = State.RUNNING
        self.socket.listen()

    def stop(self) -> None:
        if self.too_slow:
            self.verbs.append("stop")
            raise StackError(f"{self.name} was asked to stop and is still there after 15 s")
        self._end("stop")

    def kill(self) -> None:
        self._end("kill")

    def pause(self) -> None:
        self.verbs.append("pause")
        if not self.immortal:
            self._state = State.PAUSED

    def resume(self) -> None:
        self.verbs.append("resume")
        if self._state is State.PAUSED:
            self._state = State.RUNNING

    def _end(self, verb: str) -> None:
        self.verbs.append(verb)
        if not self.immortal:
            self._state = State.EXITED
            self.socket.refuse()

    def _converse(self, connection: socket) -> None:
        question = b""
        while part := connection.recv(65_536):
            question += part
            head, found, body = question.partition(b"\r\n\r\n")
            length = next(
                (int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0
            )
            if not found or len(body) < length:
                continue
            if self._state is State.PAUSED:
                self.socket.over.wait()
                return
            self.socket.over.wait(self.answers_after_s)
            status, answer = self._answer(head.split(b" ")[0].decode(), head.split(b" ")[1].decode(), body)
            text = json.dumps(answer).encode()
            connection.sendall(
                b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, len(text), text)
            )
            return

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        if path == "/control/replies":
            if not self.deaf:
                if method == "PUT":
                    self.told = json.loads(body)
                elif method == "DELETE":
                    self.told = {}
            return 200, {"mode": "normal", "delay_s": 0.0} | self.told
        if path.startswith("/actuator/metrics/work"):
            return 200, {"measurements": [{"statistic": "COUNT", "value": self.done}]}
        return {"refuse": 402, "error": 500}.get(self.told.get("mode", ""), 200), {"path": path}


class FakeLink:
    """A link whose entrance plays the server and the toxics in one."""

    def __init__(self, client: str, server: FakeService, protocol: WireProtocol = WireProtocol.HTTP) -> None:
        self.client = client
        self.server = server.name
        self._behind = server
        self.name = f"{client}->{server.name}"
        self.protocol = protocol
        self.exit = server.address
        self.numb = False  # takes toxics, and does not play them
        self.hangs = False
        self.turn = RLock()
        self._toxics: dict[str, Toxic] = {}
        self._socket = Loopback(self._converse)
        self.entrance: Address = self._socket.address

    def add(self, toxic: Toxic) -> None:
        self._call()
        self._toxics[toxic.name] = toxic

    def remove(self, toxic_name: str) -> None:
        self._call()
        self._toxics.pop(toxic_name, None)

    def toxics(self) -> Sequence[Toxic]:
        self._call()
        return tuple(self._toxics.values())

    def disable(self) -> None:
        self._call()
        if not self.numb:
            self._socket.refuse()

    def enable(self) -> None:
        self._call()
        self._socket.listen()

    def is_enabled(self) -> bool:
        return self._socket.listens

    def close(self) -> None:
        self._socket.over.set()
        self._socket.refuse()

    def _call(self) -> None:
        if self.hangs:
            raise StackError("Toxiproxy at 127.0.0.1:1: DELETE /proxies/x had no answer within 3 s")

    def _converse(self, connection: socket) -> None:
        question = b""
        while part := connection.recv(65_536):
            question += part
            answer = answer_to(self.protocol, question)
            if answer is None:
                continue
            self._socket.over.wait(self._behind.answers_after_s)
            for toxic in () if self.numb else tuple(self._toxics.values()):
                if toxic.kind == "reset_peer":
                    reset(connection)
                    return
                if toxic.kind == "bandwidth" and not toxic.attributes["rate"]:
                    self._socket.over.wait()
                    return
                size = len(question) if toxic.direction is Direction.UPSTREAM else len(answer)
                delay_ms = (
                    toxic.attributes["latency"]
                    if toxic.kind == "latency"
                    else size / toxic.attributes["rate"]
                )
                self._socket.over.wait(delay_ms / 1000)  # what a fault measures is this very delay
            connection.sendall(answer)
            return


@dataclass
class FakeStack:
    """The shop in small: orders calls a provider and two brokers through links."""

    run_id: str = "test"
    services: Mapping[str, Service] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    promises: dict[str, tuple[Mapping[str, object], float]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    out_of_time: set[str] = field(default_factory=set)

    def promise_undo(self, fault: Mapping[str, object], *, limit_s: float) -> str:
        token = f"token-{len(self.promises)}"
        self.promises[token] = (fault, limit_s)
        return token

    def undone(self, token: str) -> bool:
        self.kept.append(token)
        return token not in self.out_of_time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self.links.values():
            assert isinstance(link, FakeLink)
            link.close()
        for service in self.services.values():
            assert isinstance(service, FakeService)
            service.socket.over.set()
            service.socket.refuse()


def small_shop() -> FakeStack:
    names = ("provider", "kafka-1", "kafka-2")
    services = {name: FakeService(name) for name in names}
    links = {link.name: link for link in (FakeLink("orders", service) for service in services.values())}
    return FakeStack(services=services, links=links)


def service_of(stack: FakeStack, name: str) -> FakeService:
    service = stack.services[name]
    assert isinstance(service, FakeService)
    return service


def link_of(stack: FakeStack, name: str) -> FakeLink:
    link = stack.links[name]
    assert isinstance(link, FakeLink)
    return link
