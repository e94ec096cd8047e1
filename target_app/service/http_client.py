"""Calls to another service, with a bound on everything and one question answered: could it have arrived?

`NotSent` means that the request certainly had no effect, `NoAnswer` that it may have had one or still may.
httpx bounds each read, not the whole call, so a server that trickles would hold a caller for ever; one
`asyncio.timeout` around the call is the bound that counts.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from target_app.service import trace
from target_app.service.configuration import PeerSettings
from target_app.service.lifecycle import Health

# Shorter than the servers' own, so that it is always the client who closes an idle connection.
_IDLE_S = 5.0
# The pool looks at every idle connection on every request: a burst must not make all later requests dear.
_IDLE_MOST = 8


class PeerError(Exception):
    """A call to a peer did not bring an answer."""

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(f"{peer}: {reason}")
        self.peer = peer
        self.reason = reason


class NotSent(PeerError):  # noqa: N818 - an outcome, as a caller speaks of it
    """No connection: the request certainly did not arrive."""


class NoAnswer(PeerError):  # noqa: N818 - an outcome, as a caller speaks of it
    """The request went out and no whole answer came back: it may have taken effect, or still may."""

    def __init__(self, peer: str, reason: str, *, timed_out: bool) -> None:
        super().__init__(peer, reason)
        self.timed_out = timed_out


class Peer:
    """One other service, behind one pool of connections. A part of the service that calls it."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        settings: PeerSettings,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.peer = name
        self.timeout_s = timeout_s
        limits = httpx.Limits(
            max_connections=settings.http_max_connections,
            max_keepalive_connections=min(_IDLE_MOST, settings.http_max_connections),
            keepalive_expiry=_IDLE_S,
        )
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(
                timeout_s, connect=settings.http_connect_timeout_s, pool=settings.http_connect_timeout_s
            ),
            transport=transport or httpx.AsyncHTTPTransport(verify=_tls_for(base_url), limits=limits),
            trust_env=False,  # a proxy from the environment would sit between services of one network
        )

    @property
    def name(self) -> str:
        """Empty: whether a peer is well is the peer's own health's business."""
        return ""

    async def start(self) -> None:
        """Connections are opened when they are needed."""

    async def stop(self) -> None:
        """Close the pool."""
        await self._client.aclose()

    async def health(self) -> Health:
        """See `name`."""
        return Health()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """One request and its whole answer, of any status.

        Raises:
            NotSent: No connection could be had.
            NoAnswer: It went out, and no whole answer came within `timeout_s`.
        """
        bound_s = self.timeout_s if timeout_s is None else timeout_s
        # As bytes: what a client put into a header need not be ASCII, and is passed on as it came.
        together = {**trace.headers(), **(headers or {})}
        sent = {name.encode("ascii"): value.encode("latin-1") for name, value in together.items()}
        try:
            async with asyncio.timeout(bound_s):
                return await self._client.request(method, path, json=json, content=content, headers=sent)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(self.peer, f"no connection ({type(error).__name__})") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NoAnswer(self.peer, f"no answer within {bound_s:g} s", timed_out=True) from error
        except httpx.TransportError as error:
            reason = f"the connection broke ({type(error).__name__})"
            raise NoAnswer(self.peer, reason, timed_out=False) from error


def _tls_for(base_url: str) -> ssl.SSLContext | bool:
    """An empty trust store for plain HTTP: reading the real one takes 20 ms of every start."""
    return True if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
