"""What a client does, and what it can know afterwards.

An outcome is what the *client* knows. Refused before a byte was written: it certainly did not happen. An answer that
says so: the operation decides. Everything else, a reset, a time-out, a connection that ended without a word, may have
happened or may still happen, and calling it a failure would be a lie that hides double effects.
"""

import importlib
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Protocol, cast

from harness.errors import ConfigError
from harness.recording.records import Outcome


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        body: Sent as JSON, or nothing if None.
        key: What the target will know the operation by.
        detail: What checkers need to know of what was asked for.
    """

    method: str
    path: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Operation(Protocol):
    """Something clients do again and again. A frozen dataclass of plain values, importable by its name."""

    @property
    def name(self) -> str:
        """What it is called in the recording."""
        ...

    def request(self, number: int, rng: random.Random) -> Request:
        """The request with that number. The same number and seed make the same request."""
        ...

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """What an answer means, and what of it checkers need."""
        ...


def of_wire_error(error: BaseException) -> Outcome:
    """What a client knows when there was no whole answer.

    Only a refused connection proves that nothing was sent. A connection that is accepted and closed at once proves
    nothing, since a proxy accepts before it has reached anybody.
    """
    return Outcome.REJECTED if isinstance(error, ConnectionRefusedError) else Outcome.UNKNOWN


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
    module, _, name = str(record["type"]).partition(":")
    try:
        return cast("Operation", getattr(importlib.import_module(module), name)(**record["fields"]))
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"the load generator cannot make {record['type']!r}: {error}. It must be a dataclass at the top of a module "
            "that the generator can import."
        ) from error
