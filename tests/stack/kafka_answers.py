"""Kafka's answers, byte for byte, for tests that play a broker."""

import struct
from collections.abc import Sequence
from socket import socket

from harness.stack import WireProtocol
from harness.stack.kafka_partitions import Partition
from tests.stack.loopback import answer_to

METADATA = 3


def read_request(connection: socket) -> tuple[int, bytes]:
    """A request's key and all of it, or (-1, b"") where the other side has hung up."""
    reader = connection.makefile("rb")
    head = reader.read(4)
    if len(head) < 4:
        return -1, b""
    request = reader.read(struct.unpack(">i", head)[0])
    return struct.unpack(">h", request[:2])[0], head + request


def ping_answer(request: bytes) -> bytes:
    """To ApiVersions."""
    return answer_to(WireProtocol.KAFKA, request) or b""


def metadata_answer(request: bytes, partitions: Sequence[Partition], *, error: int = 0) -> bytes:
    """To Metadata in version 7."""
    topics = sorted({part.topic for part in partitions})
    body = struct.pack(">i", 0) + struct.pack(">i", 1) + struct.pack(">i", 1) + _text("127.0.0.1")
    body += struct.pack(">i", 9092) + struct.pack(">h", -1) + _text("cluster") + struct.pack(">i", 1)
    body += struct.pack(">i", len(topics))
    for topic in topics:
        mine = [part for part in partitions if part.topic == topic]
        body += struct.pack(">h", error) + _text(topic) + b"\0" + struct.pack(">i", len(mine))
        for part in mine:
            body += struct.pack(">hiii", 0, part.number, part.leader, part.epoch)
            body += _numbers(part.replicas) + _numbers(part.isr) + _numbers(())
    answer = request[8:12] + body
    return struct.pack(">i", len(answer)) + answer


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def _numbers(values: Sequence[int]) -> bytes:
    return struct.pack(f">i{len(values)}i", len(values), *values)
