"""One trace per order, carried from hop to hop in W3C `traceparent` headers.

The ids live in a context variable, so that a log line written anywhere below a request or a saga bears
them without being handed them. Spans are not recorded here; only the thread through the services is.
"""

import random
import re
from contextvars import ContextVar
from dataclasses import dataclass

_FORMAT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$")
_NO_TRACE = "0" * 32
_ids = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in which trace we are."""

    trace_id: str
    span_id: str
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        """The header for the next hop: this span becomes its parent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
request_id: ContextVar[str] = ContextVar("request_id", default="")


def enter(traceparent: str | None) -> Trace:
    """Continue the trace of `traceparent` in a span of its own; start one if it is missing or malformed."""
    match = _FORMAT.match(traceparent or "")
    span_id = f"{_ids.getrandbits(64) or 1:016x}"
    if match and match[1] != _NO_TRACE:
        trace = Trace(match[1], span_id, match[3])
    else:
        trace = Trace(f"{_ids.getrandbits(128) or 1:032x}", span_id)
    _current.set(trace)
    return trace


def current() -> Trace | None:
    """The trace that whatever runs now belongs to."""
    return _current.get()


def headers() -> dict[str, str]:
    """The headers that carry trace and request over the next hop."""
    trace = _current.get()
    carried = {} if trace is None else {"traceparent": trace.traceparent}
    if request := request_id.get():
        carried["X-Request-ID"] = request
    return carried
