"""A real HTTP server on loopback that treats each path in a way of its own, most of them bad."""

import asyncio
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from harness.supervisor.ports import is_free

LATE_S = 0.5
LARGE = 1_000_000


_PORTS = list(range(23_000, 24_000))
random.SystemRandom().shuffle(_PORTS)  # so that test sessions that run at once seldom meet


def free_port() -> int:
    """A port below the ephemeral range that nobody listens on. Never the same twice."""
    while not is_free(port := _PORTS.pop()):
        pass
    return port


@dataclass(frozen=True)
class Seen:
    """A request as the server saw it."""

    key: str
    method: str
    at_ns: int
    cookie: bool
    noted: bool  # whether `is_noted` said yes at that moment
    connection: int


@dataclass
class OddServer:
    """Serves in a thread of its own until the `with` block ends.

    Attributes:
        is_noted: Asked for each request, when it has come, whether its key is on disk.
    """

    is_noted: Callable[[str], bool] = lambda _: True
    port: int = field(default_factory=free_port)
    seen: list[Seen] = field(default_factory=list)
    _connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(5)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._until_end(ready))

    async def _until_end(self, ready: threading.Event) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._converse, "127.0.0.1", self.port, backlog=1_000)
        ready.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number, requests = self._connections, 0
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split("\r\n")[0].split(" ")
                fields = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
                }
                await reader.readexactly(int(fields.get("content-length", 0)))
                requests += 1
                key = fields.get("x-key", "")
                self.seen.append(
                    Seen(key, method, time.monotonic_ns(), "cookie" in fields, self.is_noted(key), number)
                )
                treat: Callable[..., Coroutine[Any, Any, bool]] = getattr(
                    self, "_" + path.partition("?")[0].strip("/")
                )
                if not await treat(writer, requests):
                    break
        writer.close()

    async def _ok(self, writer: asyncio.StreamWriter, _: int) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: stick=1; Path=/\r\nContent-Length: 4\r\n\r\nfine")
        return True

    async def _slow(self, writer: asyncio.StreamWriter, requests: int) -> bool:
        await asyncio.sleep(LATE_S)
        return await self._ok(writer, requests)

    async def _large(self, writer: asyncio.StreamWriter, _: int) -> bool:
        """An answer of many pieces, of which nobody knows beforehand how many they are."""
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _piece in range(10):
            writer.write(b"%x\r\n%b\r\n" % (LARGE // 10, b"." * (LARGE // 10)))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        return True

    async def _moved(self, writer: asyncio.StreamWriter, _: int) -> bool:
        writer.write(b"HTTP/1.1 307 Moved\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n")
        return True

    async def _broken(self, writer: asyncio.StreamWriter, _: int) -> bool:
        """Its body comes a little after its head, as it does from most servers."""
        writer.write(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 2\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"no")
        return True

    async def _silent(self, _: asyncio.StreamWriter, __: int) -> bool:
        """It reads the request and closes the connection without a word, as a proxy does for a dead server."""
        return False

    async def _second_silent(self, writer: asyncio.StreamWriter, requests: int) -> bool:
        """A connection that is kept alive and closed just when the next request is on its way."""
        return requests == 1 and await self._ok(writer, requests)

    async def _closed_behind(self, writer: asyncio.StreamWriter, requests: int) -> bool:
        """A whole answer that promises a connection, which is closed behind it."""
        await self._ok(writer, requests)
        return False

    async def _reset(self, writer: asyncio.StreamWriter, _: int) -> bool:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return False

    async def _hang(self, _: asyncio.StreamWriter, __: int) -> bool:
        await asyncio.sleep(3_600)
        return False

    async def _drip(self, writer: asyncio.StreamWriter, _: int) -> bool:
        """It never pauses for long, and never comes to an end."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def _half(self, writer: asyncio.StreamWriter, _: int) -> bool:
        """It promises a whole answer, and dies within it."""
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        return False
