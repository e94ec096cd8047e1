"""What toxiproxy-python sends through, with time-outs and for several servers at once.

toxiproxy-python 0.1.1 keeps the server's address in a class attribute (two servers in one process would
clash), has no time-outs, obeys `HTTP_PROXY` and takes a 500 for success. All of that sits in the one class
its modules send through, `APIConsumer`. A switchboard takes that place: it finds the consumer that is
speaking in a context variable, which each thread has for itself. The package's own consumer stays in charge
of whoever else uses the package.
"""

from contextvars import ContextVar
from typing import Any

import toxiproxy.proxy
import toxiproxy.server
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.errors import StackError
from harness.stack import Address
from harness.stack.http import Answer, NoAnswer, ask

_REFUSALS = {400: InvalidToxic, 404: NotFound, 409: ProxyExists}  # as toxiproxy-python names them


class ControlPlaneHangs(StackError):  # noqa: N818 - says what it does
    """A call to Toxiproxy's API had no answer in time. It may still take effect."""


class Consumer:
    """What toxiproxy-python sends through while one of our clients speaks.

    Every verb raises `ControlPlaneHangs` without an answer in time, `StackError` without any or with a status
    that the package does not know, and the package's own exceptions for 400, 404 and 409.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s

    def get(self, url: str, **_: Any) -> Answer:
        """GET, as the package calls it."""
        return self._ask("GET", url)

    def delete(self, url: str, **_: Any) -> Answer:
        """DELETE, as the package calls it."""
        return self._ask("DELETE", url)

    def post(self, url: str, data: Any = None, json: Any = None, **_: Any) -> Answer:
        """POST, as the package calls it."""
        return self._ask("POST", url, data if json is None else json)

    def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        call = f"Toxiproxy at {self._address}: {method} {path}"
        try:
            answer = ask(self._address, method, path, body=body, timeout_s=self._timeout_s)
        except NoAnswer as error:
            if error.timed_out:
                raise ControlPlaneHangs(
                    f"{call} had no answer within {self._timeout_s:g} s. It hangs for one proxy while a server takes "
                    "no more bytes on one of that proxy's connections, and for all while Toxiproxy itself stands still."
                ) from error
            raise StackError(f"{call} failed: {error}. Is Toxiproxy still running?") from error
        if answer.status in _REFUSALS:
            raise _REFUSALS[answer.status](f"{call} was refused with {answer.status}: {answer.text()}")
        if answer.status >= 300:
            raise StackError(f"{call} wanted a 2xx, got {answer.status}: {answer.text()}")
        return answer


speaking: ContextVar[Consumer] = ContextVar("the consumer of the client that is speaking")


class _Switchboard:
    """Stands where toxiproxy-python expects its `APIConsumer`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(speaking.get(APIConsumer), name)


# The package's modules look the name up at each call, so this is enough; a second import changes nothing.
_SWITCHBOARD = _Switchboard()
toxiproxy.proxy.APIConsumer = _SWITCHBOARD
toxiproxy.server.APIConsumer = _SWITCHBOARD
