"""Asking a server whether it serves, in its own language.

A listening port is no answer: PostgreSQL listens while it still replays its log, Kafka before it has joined
its quorum. Each question has a time limit well below a second, since it is asked again and again.
"""

import asyncio
import http.client
import socket
from collections.abc import Callable

import asyncpg

from harness.faults.round_trip import Ending, round_trip
from harness.stack import LOOPBACK, Address, WireProtocol
from harness.stack.process import Readiness, ReadyKind

QUESTION_TIMEOUT_S = 1.0
SUPERUSER = "drillbook"


def is_ready(readiness: Readiness) -> bool:
    """Ask once. False for every kind of no, a refused connection included."""
    return _QUESTIONS[readiness.kind](readiness)


def _http(readiness: Readiness) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, readiness.port, timeout=QUESTION_TIMEOUT_S)
    try:
        connection.request("GET", readiness.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _postgres(readiness: Readiness) -> bool:
    async def select_one() -> bool:
        connection = await asyncpg.connect(
            host=LOOPBACK,
            port=readiness.port,
            user=SUPERUSER,
            database="postgres",
            timeout=QUESTION_TIMEOUT_S,
        )
        try:
            return bool(await connection.fetchval("select 1", timeout=QUESTION_TIMEOUT_S) == 1)
        finally:
            await connection.close(timeout=QUESTION_TIMEOUT_S)

    try:
        return asyncio.run(select_one())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


def _redis(readiness: Readiness) -> bool:
    """PONG and nothing else: a server that still loads its data answers too, with an error."""
    try:
        with socket.create_connection((LOOPBACK, readiness.port), timeout=QUESTION_TIMEOUT_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _kafka(readiness: Readiness) -> bool:
    address = Address(LOOPBACK, readiness.port)
    trip = round_trip(address, WireProtocol.KAFKA, timeout_s=QUESTION_TIMEOUT_S)
    return trip.ending is Ending.ANSWERED


def _accepts(readiness: Readiness) -> bool:
    try:
        socket.create_connection((LOOPBACK, readiness.port), timeout=QUESTION_TIMEOUT_S).close()
    except OSError:
        return False
    return True


_QUESTIONS: dict[ReadyKind, Callable[[Readiness], bool]] = {
    ReadyKind.HTTP: _http,
    ReadyKind.POSTGRES: _postgres,
    ReadyKind.REDIS: _redis,
    ReadyKind.KAFKA: _kafka,
    ReadyKind.TCP: _accepts,
}
