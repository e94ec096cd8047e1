"""Each piece of evidence is looked for once in a history, however many claims rest on it.

Every claim of a drill rests on the same load and the same faults, and most of them on the same healthy start: looking
again would take longer than all checks together. What was looked at is kept with what was seen, because damage to it
counts against each of the claims.
"""

from dataclasses import dataclass

from harness.checks import CannotSay, Evidence, Seen
from harness.recording.history import History
from harness.recording.records import Stream


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen, and in which streams."""

    seen: Seen
    streams: frozenset[Stream]


class Lookout:
    """Looks for evidence in one history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._looks: dict[tuple[type, str], Look] = {}

    def look(self, evidence: Evidence) -> Look:
        """Look for a piece of evidence. One that breaks, or that the history does not tell of, was not seen."""
        # Evidence is plain data, and what is written alike is alike; two that are merely equal may be told otherwise.
        alike = (type(evidence), repr(evidence))
        if alike not in self._looks:
            with self.history.watched() as streams:
                seen = self._seen(evidence)
            self._looks[alike] = Look(seen=seen, streams=frozenset(streams))
        return self._looks[alike]

    def _seen(self, evidence: Evidence) -> Seen:
        try:
            return evidence.seen(self.history)
        except CannotSay as why:
            return Seen(ok=False, sentence=str(why))
        except Exception as error:  # noqa: BLE001 - evidence that breaks proves nothing, and stops no claim
            return Seen(ok=False, sentence=broke(evidence, error))


def broke(part: object, error: Exception) -> str:
    """What to say of a check or a piece of evidence that made a mistake itself."""
    return f"{type(part).__name__} itself broke: {type(error).__name__}: {error}"
