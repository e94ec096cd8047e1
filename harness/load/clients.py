"""One operation, one request, one answer: Locust's FastHttpUser with everything taken off that would blur this.

Out of the box its session is a browser's: it sends an idempotent request again by itself when a connection breaks
(one operation, two requests), follows redirects, shares cookies between requests (so that a balancer's cookie sends
all load to one instance), lets ten requests out at once (so that a slow target throttles the load) and hands out what
had come of an answer when its connection broke. Each of these would put something else on the wire, or something else
in the recording, than what happened.

Importing this module imports Locust, which replaces Python's blocking calls by gevent's: only the generator's own
process may.
"""

import errno
from typing import Any

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust import FastHttpUser
from locust.contrib.fasthttp import ErrorResponse
from locust.env import Environment

from harness.load.operations import Answer, NotConnectedError, OwnLimitError, Request

# Far above what a generator may have in flight: that limit is the dispatcher's, which never waits at it.
_CONNECTIONS_MAX = 1_000_000
_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class NoAnswerError(Exception):
    """The request left and no whole answer came: nobody knows what it did."""


class _OutOfTime(BaseException):
    """The client's patience is over. No `Exception`, and no Timeout either: the session would swallow those."""


class _Connections:
    """The connections of one client, which tells a request that was never sent from one that was.

    geventhttpclient counts its attempts by the pool's `size`, in every place where it might send again: below 0 there
    is no second one, for no method.
    """

    size = -1

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.return_socket = pool.return_socket
        self.release_socket = pool.release_socket
        self.close = pool.close

    def get_socket(self) -> Any:
        """A connection that is open as far as one can know without writing to it."""
        try:
            return self._pool.get_socket()
        except _OutOfTime as error:
            raise NotConnectedError("no connection within the time-out") from error
        except OSError as error:
            kind = OwnLimitError if error.errno in _OWN_LIMITS else NotConnectedError
            raise kind(f"{type(error).__name__}: {error}") from error


class _Pool(HTTPClientPool):
    """Makes clients whose connections are `_Connections`."""

    def get_client(self, url: str | URL) -> HTTPClient:
        client = super().get_client(url)
        if not isinstance(client._connection_pool, _Connections):  # noqa: SLF001 - there is no setting for it
            client._connection_pool = _Connections(client._connection_pool)  # type: ignore[assignment]  # noqa: SLF001 - as above
        return client


class DrillUser(FastHttpUser):
    """The one Locust user. Its session is shared by all greenlets; each has a connection to itself meanwhile."""

    abstract = True


class Client:
    """Sends requests to one base URL and says what came of each. Used by any number of greenlets at once."""

    def __init__(self, base_url: str, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        # The library's time-outs begin anew with each read; ours counts from the beginning to the end.
        longer_s = 2 * timeout_s + 10
        DrillUser.host = base_url
        DrillUser.client_pool = _Pool(
            concurrency=_CONNECTIONS_MAX, connection_timeout=longer_s, network_timeout=longer_s
        )
        self._session = DrillUser(Environment()).client
        agent = self._session.client
        agent.cookiejar = None
        agent.redirect_response_codes = frozenset()  # type: ignore[misc]  # a class's constant, for this one agent
        # Else every error status costs a dump of the conversation, just when there are many.
        agent.valid_response_codes = range(100, 600)  # type: ignore[misc,assignment]  # as above

    def ask(self, request: Request, *, name: str) -> Answer:
        """Send a request, once, and wait for its whole answer.

        Raises:
            NotConnectedError: There was no connection to send it over.
            NoAnswerError: It was sent, or some of it may have been, and no whole answer came.
        """
        limit = gevent.Timeout(self._timeout_s, _OutOfTime())
        limit.start()
        try:
            response = self._session.request(
                request.method,
                request.path,
                name=name,
                data=request.content,  # type: ignore[arg-type]  # bytes are what it makes of anything else
                headers={"Accept-Encoding": "identity", **request.all_headers},
            )
            if isinstance(response, ErrorResponse):
                raise _as_ours(response.error)
            if not response.isclosed():
                raise NoAnswerError(f"the connection ended within the answer (status {response.status_code})")
            return _answer(response)
        except _OutOfTime as error:
            raise NoAnswerError(f"no whole answer within {self._timeout_s:g} s") from error
        finally:
            limit.close()


def _as_ours(error: BaseException | None) -> Exception:
    """What stopped a request, in the words that decide about its outcome."""
    if isinstance(error, NotConnectedError):
        return error
    cause = getattr(error, "original", None) or error  # some come wrapped as "retries exceeded"
    return NoAnswerError(f"{type(cause).__name__}: {cause}")


def _answer(response: Any) -> Answer:
    headers = response.headers
    return Answer(
        status=int(response.status_code),
        headers={field.lower(): ", ".join(headers.getlist(field)) for field in headers},
        body=response.content or b"",
    )
