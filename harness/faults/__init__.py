"""A fault is data with two verbs, so that a run killed in the middle can be healed from its record.

`inject` returns only once the effect has been measured, and says what it measured beside what was asked;
`heal` is measured as well. An effect that was not seen is a `FaultError`, never a shrug: a drill without
its failure is green for the wrong reason.
"""

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Protocol, cast, runtime_checkable

from harness.errors import FaultError
from harness.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a fault was seen to do, or, after healing, what is seen again.

    Attributes:
        sentence: For people: "asked 200 ms, measured 203.1 ms ± 0.4 over 7 round trips".
        seen: Whether it is the effect that was asked for.
        measured: The figures behind the sentence, each with its unit in its name.
        hidden: Of a healing that was not seen: what was to be undone is, by what the control plane or the machine says,
            and what keeps it from being seen is something else, such as another fault. Nobody need try again.
    """

    sentence: str
    seen: bool
    measured: Mapping[str, float] = field(default_factory=dict)
    hidden: bool = False

    @property
    def undone(self) -> bool:
        """Of a healing: whether the promise to undo the fault is kept."""
        return self.seen or self.hidden


@runtime_checkable
class Fault(Protocol):
    """One way to hurt a running stack, and the way to undo it. A frozen dataclass of plain values."""

    @property
    def title(self) -> str:
        """Short and for people: "provider killed", "200 ms on payments->provider"."""
        ...

    def inject(self, stack: Stack) -> Effect:
        """Start hurting. Return only once the effect has been measured.

        Raises:
            FaultError: The effect was not seen.
        """
        ...

    def lapsed(self, stack: Stack) -> str:
        """What of it is gone though nobody has healed it, or "". Asked after `inject`, just before `heal`.

        What it was seen to do when it began says nothing of later: somebody may have started again what was killed.
        """
        ...

    def heal(self, stack: Stack) -> Effect:
        """Stop. Safe twice and safe before `inject`: it is also how a crashed run is cleaned up.

        Where the effect is not `undone`, the promise to undo the fault stays open.
        """
        ...


@runtime_checkable
class ByPart(Protocol):
    """A fault whose victim is named by the part it plays ("who leads this partition"), which another may play tomorrow.

    It is resolved just before it begins, so that the one who was hurt is the one who is healed: by us, or by somebody
    who has only the record.
    """

    def resolved(self, stack: Stack) -> Fault:
        """The same fault, with its victim by name. Hurts nothing.

        Raises:
            FaultError: Nobody plays that part.
        """
        ...


def resolved(fault: Fault, stack: Stack) -> Fault:
    """A fault with its victim by name, whatever kind it is.

    Raises:
        FaultError: See `ByPart`.
    """
    return fault.resolved(stack) if isinstance(fault, ByPart) else fault


def to_record(fault: Fault) -> dict[str, object]:
    """A fault as JSON-able data: its type's import path and its fields."""
    if not is_dataclass(fault):
        raise FaultError(f"{fault!r} is no dataclass: it could not be healed from its record")
    kind = type(fault)
    return {"type": f"{kind.__module__}:{kind.__qualname__}", "fields": asdict(cast("Any", fault))}


def from_record(record: Mapping[str, Any]) -> Fault:
    """The fault that `to_record` was given.

    Raises:
        FaultError: There is no such fault, or its fields have changed since.
    """
    module, _, name = str(record["type"]).partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
        known = {item.name for item in fields(kind)}
        return cast("Fault", kind(**{key: value for key, value in record["fields"].items() if key in known}))
    except (ImportError, AttributeError, TypeError) as error:
        raise FaultError(f"no fault can be made of {record!r}: {error}") from error
