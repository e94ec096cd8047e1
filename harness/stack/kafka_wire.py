"""One question to one broker in Kafka's own words.

A client library asks whoever it likes, keeps connections, tries again and waits between tries. Whoever wants to know
what *this* broker says *now* asks by himself.
"""

import socket
import struct

from harness.clock import Deadline
from harness.stack import Address

_CLIENT = "drillbook"
_ANSWER_BYTES_MAX = 1_000_000  # what is asked here is answered with some hundred


def ask(broker: Address, key: int, version: int, body: bytes, *, timeout_s: float) -> bytes:
    """The answer to one request, from behind its correlation id.

    Args:
        broker: Whom to ask.
        key: Of the request, in Kafka's numbers.
        version: Of the request; one from before flexible versions, which have another header.
        body: The request's own fields.
        timeout_s: For all of it.

    Raises:
        OSError: There is none in time.
        struct.error: It is cut off.
        ValueError: It is none of Kafka's.
    """
    request = struct.pack(">hhi", key, version, 0) + text(_CLIENT) + body
    deadline = Deadline.after(timeout_s)
    with socket.create_connection((broker.host, broker.port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        length, _ = struct.unpack(">ii", _read(connection, 8, deadline))
        if not 4 <= length <= _ANSWER_BYTES_MAX:
            raise ValueError(f"an answer of {length} bytes is none to these questions")
        return _read(connection, length - 4, deadline)


def text(value: str) -> bytes:
    """A string as Kafka writes one."""
    return struct.pack(">h", len(value.encode())) + value.encode()


def _read(connection: socket.socket, count: int, deadline: Deadline) -> bytes:
    found = b""
    while len(found) < count:
        connection.settimeout(max(deadline.left_s, 0.001))
        part = connection.recv(count - len(found))
        if not part:
            break  # cut off, which unpacking tells
        found += part
    return found


class Fields:
    """Reads the fields of an answer, one after the other.

    Raises:
        struct.error: From each method, where the answer is cut off.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._at = 0

    def number(self, form: str) -> int:
        """One number, by its format: `h` of 16 bits, `i` of 32, `b` of 8."""
        [value] = struct.unpack_from(f">{form}", self._answer, self._at)
        self._at += struct.calcsize(f">{form}")
        return int(value)

    def text(self) -> str:
        """One string; "" for none at all."""
        length = max(0, self.number("h"))
        [value] = struct.unpack_from(f">{length}s", self._answer, self._at)
        self._at += length
        return bytes(value).decode()

    def numbers(self) -> tuple[int, ...]:
        """An array of numbers of 32 bits."""
        return tuple(self.number("i") for _ in range(self.count()))

    def count(self) -> int:
        """How many elements of an array follow."""
        return max(0, self.number("i"))
