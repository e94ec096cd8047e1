"""Redis is emptied and counted in its own words; what it refuses is told, since a drill would begin on leftovers."""

import socket

import pytest

from harness.errors import StackError
from harness.stack import Address
from harness.stack.embedded import contents
from tests.stack.loopback import Loopback, free_port


def redis(answers: dict[bytes, bytes]) -> Loopback:
    def converse(connection: socket.socket) -> None:
        connection.sendall(answers[connection.makefile("rb").readline().strip()])

    return Loopback(converse)


def test_keys_are_counted_and_deleted() -> None:
    with redis({b"DBSIZE": b":12\r\n", b"FLUSHALL": b"+OK\r\n"}) as server:
        assert contents.redis_keys(server.address) == 12
        contents.flush_redis(server.address)
        assert server.connections == 2


@pytest.mark.parametrize("answer", [b"-NOAUTH Authentication required.\r\n", b""])
def test_a_refusal_is_no_empty_redis(answer: bytes) -> None:
    with redis({b"FLUSHALL": answer}) as server, pytest.raises(StackError, match="FLUSHALL"):
        contents.flush_redis(server.address)


def test_a_redis_that_is_gone_is_told_with_its_log() -> None:
    with pytest.raises(StackError, match=r"Redis did not do .* log is beside"):
        contents.redis_keys(Address("127.0.0.1", free_port()))
