"""One HTTP question with one time limit for all of it.

httpx's time-outs are per read: a server that sends a byte now and then is waited for without end. A control
plane that hangs is an expected fault here, so the limit is put under httpx, on every single read and write,
as what is left of one deadline. Proxies of the environment are never used: `HTTP_PROXY` would send the
control of a loopback server to a stranger. Each question has a connection of its own, because an old one
may have died of the very fault that is being healed.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from harness.clock import SYSTEM_CLOCK, Clock, Deadline
from harness.stack import Address

USER_AGENT = "drillbook"  # Toxiproxy refuses what looks like a browser; services can tell us from load


class NoAnswer(Exception):  # noqa: N818 - the word for what happened, and no mistake of anybody's
    """There was no complete HTTP answer: refused, cut off, or not within the limit. Says which."""

    def __init__(self, sentence: str, *, timed_out: bool) -> None:
        super().__init__(sentence)
        self.timed_out = timed_out


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    content: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is none.
        """
        return json.loads(self.content)

    def text(self, limit: int = 200) -> str:
        """The beginning of the body, for messages."""
        text = self.content[: limit * 4].decode(errors="replace").strip()
        return text if len(text) <= limit else f"{text[:limit]}…"


def ask(
    address: Address,
    method: str,
    path: str,
    *,
    timeout_s: float,
    body: Any = None,
    params: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> Answer:
    """Send one request and read the whole answer, in `timeout_s` altogether.

    Args:
        address: Whom to ask.
        method: "GET", "PUT", …
        path: With a leading slash; what is not allowed in a path must be quoted already.
        timeout_s: Seconds for connecting, sending and reading together.
        body: Anything JSON can say; None sends no body.
        params: The query, unquoted.
        clock: The clock of the deadline.

    Raises:
        NoAnswer: There was no complete answer. An error status is an answer.
    """
    deadline = Deadline.after(timeout_s, clock)
    what = f"{method} {address.url}{path}"
    query = list(params.items() if isinstance(params, Mapping) else params)
    try:
        # The client closes its transport, and with it the connection.
        with httpx.Client(
            transport=_BoundedTransport(deadline), trust_env=False, timeout=timeout_s
        ) as client:
            answer = client.request(
                method,
                f"{address.url}{path}",
                params=query or None,
                content=None if body is None else json.dumps(body).encode(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
                | ({} if body is None else {"Content-Type": "application/json"}),
            )
    except httpcore.TimeoutException as error:
        raise NoAnswer(f"{what} had no answer within {timeout_s:g} s", timed_out=True) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(f"{what} failed: {str(error) or type(error).__name__}", timed_out=False) from error
    return Answer(status=answer.status_code, content=answer.content)


class _BoundedTransport(httpx.BaseTransport):
    """httpx over one httpcore pool whose every network call is bounded by one deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._pool = httpcore.ConnectionPool(network_backend=_BoundedBackend(deadline))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.read(),
            )
        )
        with closing(answer):
            content = answer.read()
        return httpx.Response(answer.status, headers=answer.headers, content=content, request=request)

    def close(self) -> None:
        self._pool.close()


class _BoundedBackend(httpcore.NetworkBackend):
    """Connects as httpcore does, but for no longer than is left."""

    def __init__(self, deadline: Deadline) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline decides
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _BoundedStream(stream, self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    """A connection that reads and writes only as long as something is left of the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._inner.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._inner.write(buffer, _left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: Deadline, over: type[httpcore.TimeoutException]) -> float:
    """Seconds left. A time-out of 0 would mean "do not block" to a socket, not "it is over"."""
    left = deadline.left_s
    if left <= 0:
        raise over("the deadline has passed")
    return left
