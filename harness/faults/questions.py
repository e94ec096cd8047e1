"""The cheapest question of each protocol, and how one knows that its answer is complete.

Written by hand, byte for byte: a client library would bring retries and pools of its own, and those would be
measured as well. None of the questions needs to say who asks, and none changes anything.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from harness.stack import WireProtocol

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_KAFKA_API_VERSIONS = 18
_CORRELATION = 0x6472696C  # "dril": an answer to somebody else's question would carry another
_KAFKA_ANSWER_BYTES = 400  # roughly, of a 4.x broker: six a kind of request
_KAFKA_QUESTIONS_MAX = 1000
_CLIENT_ID = b"drillbook"


@dataclass(frozen=True)
class Language:
    """A protocol's question, padded to a size, and when the answer to it is complete."""

    question: Callable[[int], bytes]
    complete: Callable[[bytes], bool | None]  # None: not in the protocol
    padding_limit: int  # bytes that every server of this kind takes in one question


def _http_question(padding: int) -> bytes:
    # The agent's name tells it apart from load. HEAD, because its answer is one piece on the wire, as those of the
    # other protocols are: servers write headers and body apart, and a proxy that is to be late holds each back.
    filler = f"X-Padding: {'x' * padding}\r\n" if padding else ""
    agent = "Host: drillbook\r\nUser-Agent: drillbook-round-trip\r\n"
    return f"HEAD / HTTP/1.1\r\n{agent}{filler}Connection: close\r\n\r\n".encode()


def _http_complete(data: bytes) -> bool | None:
    if not b"HTTP/".startswith(data[:5]):
        return None
    # The status line and headers are the answer; a server that sends a body all the same is not waited for.
    return b"\r\n\r\n" in data


def _postgres_question(padding: int) -> bytes:
    if not padding:
        return _SSL_REQUEST
    # A start-up packet without a user is answered with an error; the padding is a parameter nobody reads.
    body = struct.pack("!i", 196608) + b"padding\0" + b"x" * padding + b"\0\0"
    return struct.pack("!i", len(body) + 4) + body


def _postgres_complete(data: bytes) -> bool | None:
    if not data:
        return False
    return True if data[:1] in {b"S", b"N", b"E"} else None


def _redis_question(padding: int) -> bytes:
    if not padding:
        return b"*1\r\n$4\r\nPING\r\n"
    return b"*2\r\n$4\r\nPING\r\n$%d\r\n%s\r\n" % (padding, b"x" * padding)


def _redis_complete(data: bytes) -> bool | None:
    if not data:
        return False
    if data[:1] in {b"+", b"-"}:
        return data.endswith(b"\r\n")
    if data[:1] != b"$":
        return None
    head, found, rest = data.partition(b"\r\n")
    return bool(found) and len(rest) >= int(head[1:]) + 2


def _kafka_question(padding: int) -> bytes:
    # Padding is more questions on the same connection, because a long client id would be kept by the broker
    # as the name of a metric. A broker answers in order, so the last one's answer is the end of all.
    questions = 1 + padding // _KAFKA_ANSWER_BYTES
    return b"".join(
        struct.pack(
            "!ihhih", 10 + len(_CLIENT_ID), _KAFKA_API_VERSIONS, 0, _CORRELATION - left, len(_CLIENT_ID)
        )
        + _CLIENT_ID
        for left in reversed(range(questions))
    )


def _kafka_complete(data: bytes) -> bool | None:
    while len(data) >= 8:
        size, correlation = struct.unpack("!ii", data[:8])
        if not _CORRELATION - _KAFKA_QUESTIONS_MAX < correlation <= _CORRELATION:
            return None
        if correlation == _CORRELATION:
            return bool(len(data) >= size + 4)
        data = data[size + 4 :]
    return False


LANGUAGES = {
    WireProtocol.HTTP: Language(_http_question, _http_complete, 8_000),
    WireProtocol.POSTGRES: Language(_postgres_question, _postgres_complete, 9_900),
    WireProtocol.REDIS: Language(_redis_question, _redis_complete, 64_000),
    WireProtocol.KAFKA: Language(_kafka_question, _kafka_complete, 32_000),
}


def padding_limit(protocol: WireProtocol) -> int:
    """Bytes that a question may be padded with, so that a bandwidth can be told from a latency."""
    return LANGUAGES[protocol].padding_limit
