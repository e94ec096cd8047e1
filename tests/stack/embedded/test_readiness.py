"""A listening port is no answer: each server is asked in its own language."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.stack.embedded.readiness import is_ready
from harness.stack.process import Readiness, ReadyKind


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that gives everybody one answer, or hangs up if that is empty; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def ready(kind: ReadyKind, port: int) -> bool:
    return is_ready(Readiness(kind=kind, port=port))


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (ReadyKind.HTTP, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (ReadyKind.REDIS, b"+PONG\r\n"),
        (ReadyKind.TCP, b""),
    ],
)
def test_the_right_answer_is_ready(kind: ReadyKind, answer: bytes) -> None:
    with answering(answer) as port:
        assert ready(kind, port)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (ReadyKind.HTTP, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        (ReadyKind.HTTP, b"SSH-2.0-OpenSSH\r\n"),
        (ReadyKind.REDIS, b"-LOADING Redis is loading the dataset in memory\r\n"),
        (ReadyKind.POSTGRES, b"N"),
        (ReadyKind.KAFKA, b"\x00\x00\x00\x04\x00\x00\x00\x00"),
        (ReadyKind.KAFKA, b""),
    ],
)
def test_a_port_that_answers_something_else_is_not_ready(kind: ReadyKind, answer: bytes) -> None:
    with answering(answer) as port:
        assert not ready(kind, port)


@pytest.mark.parametrize("kind", list(ReadyKind))
def test_a_closed_port_is_not_ready(kind: ReadyKind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not ready(kind, port)
