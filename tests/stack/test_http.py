import json
import socket

import pytest

from harness.stack import Address
from harness.stack.http import NoAnswer, ask
from tests.stack.loopback import HTTP_OK, Loopback, free_port


def test_an_error_status_is_an_answer() -> None:
    def unavailable(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b'HTTP/1.1 503 No\r\nContent-Length: 17\r\n\r\n{"status":"DOWN"}')

    with Loopback(unavailable) as server:
        answer = ask(server.address, "GET", "/actuator/health", timeout_s=2)
    assert answer.status == 503
    assert answer.json() == {"status": "DOWN"}


def test_the_query_and_the_body_arrive_as_they_were_given() -> None:
    seen: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        request = connection.recv(65_536)
        while not request.endswith(b"}"):
            request += connection.recv(65_536)
        seen.append(request)
        connection.sendall(HTTP_OK)

    with Loopback(listen) as server:
        ask(
            server.address,
            "PUT",
            "/x",
            timeout_s=2,
            body={"a": "ü"},
            params=[("tag", "a:b c"), ("tag", "d&e")],
        )
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"PUT /x?tag=a%3Ab+c&tag=d%26e HTTP/1.1"
    assert b"drillbook" in head
    assert json.loads(body) == {"a": "ü"}


def test_a_server_that_sends_a_byte_now_and_then_is_not_waited_for_without_end() -> None:
    def dribble(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not server.over.wait(0.05):  # each byte comes well within the limit, and the last one never
            connection.sendall(b"x")

    with Loopback(dribble) as server, pytest.raises(NoAnswer, match=r"within 0\.3 s") as caught:
        ask(server.address, "GET", "/", timeout_s=0.3)
    assert caught.value.timed_out


def test_nobody_there_is_told_apart_from_nobody_answering() -> None:
    with pytest.raises(NoAnswer, match="failed") as caught:
        ask(Address("127.0.0.1", free_port()), "GET", "/", timeout_s=2)
    assert not caught.value.timed_out


def test_a_connection_that_is_cut_in_the_middle_is_no_answer() -> None:
    def cut(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with Loopback(cut) as server, pytest.raises(NoAnswer, match="failed"):
        ask(server.address, "GET", "/", timeout_s=2)


def test_a_proxy_of_the_environment_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(HTTP_OK)

    with Loopback(serve) as server:
        assert ask(server.address, "GET", "/", timeout_s=2).status == 200
