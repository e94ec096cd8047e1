"""What a client does, and what it can know afterwards.

An outcome is what the *client* knows. Without a connection not a byte was written: it certainly did not happen. A
whole answer: the operation decides. Everything else, a reset, a time-out, a connection that ended without a word or
within one, may have happened or may still happen, and calling it a failure would be a lie that hides double effects.
"""

import importlib
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import msgspec

from harness.errors import ConfigError
from harness.recording.records import Outcome


class NotConnectedError(OSError):
    """No connection was made: not a byte of the request has been written."""


class OwnLimitError(NotConnectedError):
    """No connection was made, for want of something on the generator's own side: files, ports, memory."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        body: Bytes are sent as they are, anything else as JSON, None as no body.
        key: What the target will know the operation by.
        name: What it is called in the recording, if not as the operation is: clients of several kinds may be one load.
        detail: What checkers need to know of what was asked for.
    """

    method: str
    path: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @cached_property
    def content(self) -> bytes | None:
        """The body as it goes over the wire."""
        return (
            self.body if self.body is None or isinstance(self.body, bytes) else msgspec.json.encode(self.body)
        )

    @property
    def all_headers(self) -> dict[str, str]:
        """Its headers, and the type of a JSON body unless they name one."""
        named = {name.lower() for name in self.headers}
        if self.body is None or isinstance(self.body, bytes) or "content-type" in named:
            return dict(self.headers)
        return {**self.headers, "Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole HTTP answer.

    Attributes:
        headers: By their names in lower case; of a repeated one, all values joined by ", ".
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Operation(Protocol):
    """Something clients do again and again.

    A frozen dataclass of plain JSON values at the top of a module: the generator, another process, rebuilds it.
    """

    @property
    def name(self) -> str:
        """What it is called in the recording."""
        ...

    def request(self, number: int, rng: random.Random) -> Request:
        """The request with that number. The same number and seed make the same request."""
        ...

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """What a whole answer means, and what of it checkers need.

        A 5xx is UNKNOWN unless the operation knows that whoever sends it has done nothing.
        """
        ...


def of_wire_error(error: BaseException) -> Outcome:
    """What a client knows when there was no whole answer.

    Only a connection that was never made proves that nothing was sent. One that is accepted and closed at once proves
    nothing, since a proxy accepts before it has reached anybody.
    """
    return Outcome.REJECTED if isinstance(error, NotConnectedError) else Outcome.UNKNOWN


def to_record(operation: Operation) -> dict[str, Any]:
    """An operation as JSON-able data: its type's import path and its fields.

    Raises:
        ConfigError: It is no dataclass.
    """
    if not is_dataclass(operation):
        raise ConfigError(
            f"{operation!r} is no dataclass: the load generator, another process, could not rebuild it"
        )
    kind = type(operation)
    return {"type": f"{kind.__module__}:{kind.__qualname__}", "fields": asdict(cast("Any", operation))}


def from_record(record: Mapping[str, Any]) -> Operation:
    """The operation that `to_record` was given.

    Raises:
        ConfigError: It cannot be imported, or takes other fields.
    """
    path = record.get("type", "")
    try:
        module, _, name = str(path).partition(":")
        return cast("Operation", getattr(importlib.import_module(module), name)(**record.get("fields", {})))
    except Exception as error:  # importing a module runs it, and it may do anything
        raise ConfigError(
            f"the load generator cannot make {path!r}: {type(error).__name__}: {error}. It must be a dataclass at the "
            "top of a module that the generator can import."
        ) from error
