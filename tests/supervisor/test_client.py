"""Asking a supervisor: what goes wrong on the way, and what must not wait for what."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.errors import StackError
from harness.stack import State
from harness.supervisor.client import Lifeline, SupervisorClient
from tests.supervisor.forking import start


def test_what_takes_long_holds_up_nobody_else(held: tuple[SupervisorClient, Lifeline]) -> None:
    """A service that does not want to end must not keep a fault from being healed meanwhile."""
    client, _ = held
    start(client)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(client.await_state, "server", State.EXITED, within_s=30)
        client.ask("losses", timeout_s=5)
        assert not waiting.done()
        client.signal("server", signal.SIGKILL)
        assert waiting.result(timeout=10)


def test_half_a_request_does_not_become_the_beginning_of_the_next(
    held: tuple[SupervisorClient, Lifeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = held

    class Stuck:
        """A socket into which only half of what is said goes."""

        def __init__(self, real: socket.socket) -> None:
            self._real = real

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def sendall(self, data: bytes) -> None:
            self._real.sendall(data[: len(data) // 2])
            raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(client, "_socket", Stuck(client._socket))
        with pytest.raises(StackError, match="did not answer 'losses'"):
            client.ask("losses", timeout_s=0.1)
    with pytest.raises(StackError, match="was told half a request"):
        client.losses()
