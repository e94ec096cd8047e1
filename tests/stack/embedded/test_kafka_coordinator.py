"""Groups can be joined only once a coordinator is named and has read its topic; anything else is a no, and no error."""

import socket
import struct
from collections.abc import Callable

import pytest

from harness.stack import Address
from harness.stack.embedded.kafka_coordinator import groups_can_be_joined
from tests.stack.loopback import Loopback, free_port

NONE, LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 0, 14, 15, 16
FIND, DESCRIBE = 10, 15


def broker(
    *, named: Callable[[], Address], find: int = NONE, describe: int = NONE, cut_bytes: int = 0
) -> Loopback:
    """A broker that names a coordinator, and as one describes groups; with these error codes."""

    def converse(connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        (length,) = struct.unpack(">i", reader.read(4))
        key, version, correlation = struct.unpack(">hhi", reader.read(length)[:8])
        assert version == 0
        if key == FIND:
            host = named().host.encode() if find == NONE else b""
            port = named().port if find == NONE else -1
            body = struct.pack(f">hih{len(host)}si", find, 1, len(host), host, port)
        else:
            assert key == DESCRIBE
            body = struct.pack(">ih", 1, describe)
        answer = struct.pack(">i", correlation) + body
        sent = struct.pack(">i", len(answer)) + answer
        connection.sendall(sent[: len(sent) - cut_bytes])

    return Loopback(converse)


def test_a_coordinator_that_describes_groups_can_be_joined() -> None:
    with broker(named=lambda: one.address) as one:
        assert groups_can_be_joined(one.address)


def test_the_one_that_is_named_is_asked_and_not_the_one_that_named_it() -> None:
    with broker(named=lambda: two.address) as two, broker(named=lambda: two.address, describe=LOADING) as one:
        assert groups_can_be_joined(one.address)
        assert two.connections == 1


@pytest.mark.parametrize(
    "errors", [{"find": NOT_AVAILABLE}, {"describe": LOADING}, {"describe": NOT_COORDINATOR}]
)
def test_one_that_is_not_chosen_or_has_not_read_its_topic_cannot_be_joined(errors: dict[str, int]) -> None:
    with broker(named=lambda: one.address, **errors) as one:
        assert not groups_can_be_joined(one.address)


@pytest.mark.parametrize("cut_bytes", [1, 6, 13])
def test_an_answer_that_breaks_off_is_a_no(cut_bytes: int) -> None:
    with broker(named=lambda: one.address, cut_bytes=cut_bytes) as one:
        assert not groups_can_be_joined(one.address)


def test_a_closed_port_is_a_no() -> None:
    assert not groups_can_be_joined(Address("127.0.0.1", free_port()))


def test_a_coordinator_that_is_gone_is_a_no() -> None:
    gone = Address("127.0.0.1", free_port())
    with broker(named=lambda: gone) as one:
        assert not groups_can_be_joined(one.address)
