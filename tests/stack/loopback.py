"""Small servers on loopback ports, each connection in a thread of its own."""

import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle, islice
from typing import Self

from harness.stack import Address, WireProtocol

FIRST_PORT, LAST_PORT = 24_000, 24_999  # below the ephemeral range


# Each in its turn, from a random one on: tests that run at once seldom meet, and a port that is given up for a while
# (a proxy switched off) is not somebody else's when it is wanted back.
_TURNS = islice(
    cycle(range(FIRST_PORT, LAST_PORT + 1)), random.SystemRandom().randrange(LAST_PORT - FIRST_PORT), None
)


def free_port() -> int:
    """A port nothing listens on."""
    for port in islice(_TURNS, LAST_PORT - FIRST_PORT):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError("no free port between 24000 and 24999")


class Loopback:
    """Accepts connections and hands each to `converse`, which may block until the test is over."""

    def __init__(self, converse: Callable[[socket.socket], None]) -> None:
        self.address = Address("127.0.0.1", free_port())
        self.connections = 0
        self.over = threading.Event()
        self._converse = converse
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._changing = threading.Lock()  # what listens and what is open
        self.listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.refuse()

    def listen(self) -> None:
        if self._listener is not None:
            return
        listener = socket.create_server((self.address.host, self.address.port), backlog=64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """Close the listener and every connection."""
        with self._changing:
            listener, self._listener = self._listener, None
            left = list(self._open)
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            listener.close()
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def listens(self) -> bool:
        return self._listener is not None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changing:
                if self._listener is not listener:  # it was accepted while the listener was being closed
                    connection.close()
                    return
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._converse(connection)
        self._open.discard(connection)


def reset(connection: socket.socket) -> None:
    """End a connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def answer_to(protocol: WireProtocol, question: bytes) -> bytes | None:
    """What a server of that kind answers to a ping; None while the question is not complete."""
    if protocol is WireProtocol.HTTP:
        return HTTP_OK if question.endswith(b"\r\n\r\n") else None
    if protocol is WireProtocol.REDIS:
        return _redis(question)
    if len(question) < 8:
        return None
    size = struct.unpack("!i", question[:4])[0]
    if protocol is WireProtocol.POSTGRES:
        if len(question) < size:
            return None
        return b"N" if size == 8 else b"E" + struct.pack("!i", 8) + b"SERR"
    answer = b""
    while len(question) >= 4 and len(question) >= (size := struct.unpack("!i", question[:4])[0]) + 4:
        correlation = question[8:12]
        answer += struct.pack("!i", 104) + correlation + b"k" * 100
        question = question[size + 4 :]
    return answer if not question else None


def _redis(question: bytes) -> bytes | None:
    if question == b"*1\r\n$4\r\nPING\r\n":
        return b"+PONG\r\n"
    head, _, rest = question.partition(b"PING\r\n$")
    size, found, text = rest.partition(b"\r\n")
    if not head or not found or len(text) < int(size) + 2:
        return None
    return b"$" + size + b"\r\n" + text


def silent_server() -> Loopback:
    """A server that listens for as long as somebody talks, and never says a word."""

    def converse(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    return Loopback(converse)


def ping_server(protocol: WireProtocol) -> Loopback:
    """A well server that answers one ping a connection."""

    def converse(connection: socket.socket) -> None:
        question = b""
        while part := connection.recv(65_536):
            question += part
            answer = answer_to(protocol, question)
            if answer is not None:
                connection.sendall(answer)
                question = b""

    return Loopback(converse)
