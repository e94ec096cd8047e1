"""A claim is data: a sentence of the guide, the check that decides it and the evidence it counts with.

A check judges a history and never looks at the target. What it may not do is guess: without subjects,
without the final reading it needs, or with a reading of another shape than it was told, it raises
`CannotSay`, and the claim is INCONCLUSIVE. Claims survive JSON, so that a run directory can be judged
again by whoever holds it.
"""

import importlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from typing import Any, Protocol

from harness.errors import ConfigError, RecordingError
from harness.recording.history import History
from harness.recording.records import Verdict

EXAMPLES_MAX = 20
# A run directory may come from anywhere, and importing a module runs it.
TRUSTED_PACKAGES = ("harness", "scenarios")


class Kind(StrEnum):
    """What a claim is about, which decides what can excuse it."""

    SAFETY = "safety"  # something bad never happens: seen once, it is a FAIL whatever else went wrong
    LIVENESS = "liveness"  # something good happens in the end, or holds then: only if it had its chance
    RATE = "rate"  # a time or a rate: only if the machine and the generator kept theirs


class Missing(StrEnum):
    """What a claim loses when a piece of its evidence is missing.

    Evidence is weighed in one direction where its absence points in one: a fault that did not bite made the claim
    easy to keep, a crowded machine made it hard. What held all the same has held, and what broke all the same is
    broken.
    """

    VOIDS = "voids"  # its success: it may have held for nothing. A hazard, the load
    EXCUSES = "excuses"  # its failure: it was harder to keep than it should have been. A crowded machine
    BOTH = "both"


class CannotSay(Exception):  # noqa: N818 - not an error: it is what an honest judge may conclude
    """Nothing can be concluded. The message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What a check concludes by itself, before its evidence is weighed.

    Attributes:
        because: One sentence with the figures that decided.
        precision: How precisely these were measured, or "".
        examples: Keys or lines that a reader can look up, sorted, at most 20.
    """

    verdict: Verdict
    because: str
    precision: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Whether a piece of evidence was there, and the sentence that says what was seen instead."""

    ok: bool
    sentence: str


class Check(Protocol):
    """One way to judge a history. A frozen dataclass of plain values."""

    def check(self, history: History) -> Conclusion:
        """Judge.

        Raises:
            CannotSay: Nothing can be concluded from this history.
        """
        ...


class Evidence(Protocol):
    """One condition without which a claim says nothing. A frozen dataclass of plain values."""

    @property
    def only_for_rates(self) -> bool:
        """Whether only claims about times and rates depend on it (the machine's calm, the offered load)."""
        ...

    @property
    def if_missing(self) -> Missing:
        """What a claim loses without it. What a safety claim was seen to break nothing excuses."""
        ...

    def seen(self, history: History) -> Seen:
        """Look for it.

        Raises:
            CannotSay: The history does not tell; it counts as not seen.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence made checkable.

    Attributes:
        id: Unique in its scenario, stable between versions: "no-order-is-charged-twice".
        sentence: For people, in the present tense, true if the verdict is PASS.
        source: The heading of the guide it is from, or "universal".
        check: What decides it.
        counts_only_if: The evidence without which it is INCONCLUSIVE. That a planned fault bit and was healed goes
            without saying, and so does every reading that the check looks at.
        kind: What it is about.
    """

    id: str
    sentence: str
    source: str
    check: Check
    counts_only_if: tuple[Evidence, ...]
    kind: Kind

    def __post_init__(self) -> None:
        """Refuse a claim nobody could find in a report."""
        words: tuple[object, ...] = (self.id, self.sentence, self.source)
        if not all(isinstance(word, str) and word for word in words):
            raise ConfigError(
                f"a claim needs an id, a sentence and a source, got {', '.join(map(repr, words))}: "
                "a finding without them cannot be looked up. Write what holds when the verdict is PASS."
            )
        strange = [
            part for part in self.counts_only_if if not _has(part, "seen", "if_missing", "only_for_rates")
        ]
        if strange or not _has(self.check, "check") or not isinstance(self.kind, Kind):
            raise ConfigError(
                f"the claim {self.id!r} needs a check, evidence and one of {', '.join(Kind)}, got "
                f"{[self.check, *strange, self.kind]}: nobody could judge by it."
            )


def _has(part: object, *names: str) -> bool:
    return all(hasattr(part, name) for name in names)


def conclude(wrong: list[str], *, otherwise: str, wrongly: str, precision: str = "") -> Conclusion:
    """FAIL with examples if anything is wrong, else PASS.

    Args:
        wrong: The keys that contradict the claim, in any order.
        otherwise: Why it is a PASS, with figures.
        wrongly: Why it is a FAIL, with figures.
        precision: How precisely the figures were measured.
    """
    if not wrong:
        return Conclusion(verdict=Verdict.PASS, because=otherwise, precision=precision)
    return Conclusion(
        verdict=Verdict.FAIL,
        because=wrongly,
        precision=precision,
        examples=tuple(sorted(set(wrong))[:EXAMPLES_MAX]),
    )


def to_record(thing: Any) -> dict[str, Any]:
    """A claim, check or evidence as JSON-able data: its type's import path and its fields, nested.

    Raises:
        ConfigError: It holds something that would not come back from JSON as it was.
    """
    if not is_dataclass(thing) or isinstance(thing, type):
        raise ConfigError(f"{thing!r} is no dataclass instance: a run could not be judged by it again")
    return {
        "type": _path(type(thing)),
        "fields": {item.name: _encoded(getattr(thing, item.name)) for item in fields(thing)},
    }


def from_record(record: Mapping[str, Any]) -> Any:
    """What `to_record` was given.

    Raises:
        RecordingError: There is no such type here, its fields have changed, or it is not to be trusted.
    """
    try:
        kind = _found(record["type"])
        if not is_dataclass(kind):
            raise TypeError(f"{kind!r} is no dataclass")
        known = {item.name for item in fields(kind)}
        given = {name: _decoded(value) for name, value in record["fields"].items()}
        if unknown := sorted(set(given) - known):
            raise TypeError(f"it has no {', '.join(unknown)}")
        return kind(**given)
    except RecordingError:
        raise  # about a part of it, which says more than we could
    except (
        ImportError,
        AttributeError,
        TypeError,
        KeyError,
        ValueError,
        RecursionError,
        ConfigError,
    ) as error:
        raise RecordingError(
            f"no claim can be made of {str(record.get('type', record))[:200]}: {error}. Judge the run with the "
            "drillbook version that recorded it, in the folder that has its scenarios."
        ) from error


def _encoded(value: Any) -> Any:
    if isinstance(value, Enum):
        return {"type": _path(type(value)), "value": value.value}
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{value} would not come back from JSON: a run could not be judged by it again")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, Mapping) and "type" not in value:
        if strange := [key for key in value if not isinstance(key, str)]:
            raise ConfigError(f"the key {strange[0]!r} would come back from JSON as text: use text for keys")
        return {key: _encoded(item) for key, item in value.items()}
    return to_record(value)


def _decoded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_decoded(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    if "type" not in value:
        return {key: _decoded(item) for key, item in value.items()}
    if "fields" in value:
        return from_record(value)
    kind = _found(value["type"])
    if not issubclass(kind, Enum):
        raise TypeError(f"{kind!r} is no enumeration")
    return kind(value["value"])


def _path(kind: type) -> str:
    if "<locals>" in kind.__qualname__:
        raise ConfigError(f"{kind!r} is defined inside a function: nobody could import it to judge again")
    return f"{kind.__module__}:{kind.__qualname__}"


def _found(path: Any) -> type:
    module, _, name = str(path).partition(":")
    if module not in sys.modules:
        if module.partition(".")[0] not in TRUSTED_PACKAGES:
            raise ImportError(
                f"{module!r} is neither imported nor in {' or '.join(TRUSTED_PACKAGES)}, and importing what "
                "a recording names would run it; import it first if you trust it"
            )
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a module of scenarios does when it is imported
            raise ImportError(f"{module!r} cannot be imported: {type(error).__name__}: {error}") from error
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise TypeError(f"{path!r} is no type")
    return found
