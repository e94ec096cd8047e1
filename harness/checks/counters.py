"""What a service of the target counted, as a final reading tells it: of itself, or of what somebody asked of it."""

from dataclasses import dataclass

from harness.checks import CannotSay, Seen
from harness.checks.hazard import Hazard
from harness.errors import ConfigError
from harness.recording.history import History


def counted(history: History, reading: str) -> int:
    """A counter (`{"COUNT": n}`, or null for none) at the end of the drill.

    Raises:
        CannotSay: It was not read, or is no whole number.
    """
    if history.final_line(reading) is None:
        raise CannotSay(f"there is no final reading of {reading!r}")
    found = history.final_reading(reading)
    if found is None:
        return 0  # a counter is born with its first increment
    count = found.get("COUNT") if isinstance(found, dict) else None
    if not isinstance(count, int | float) or isinstance(count, bool) or count != int(count):
        raise CannotSay(f"the final reading of {reading!r} is no whole COUNT: {str(found)[:80]}")
    return int(count)


@dataclass(frozen=True, kw_only=True)
class EachCounted(Hazard):
    """Each of some counters reached so much: instances that shared the work, or a callee that failed so often."""

    readings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        super().__post_init__()
        if not self.readings:
            raise ConfigError("readings must be named, got none: nothing counted would be enough")

    def seen(self, history: History) -> Seen:
        """Their counts."""
        counts = {reading: counted(history, reading) for reading in self.readings}
        told = ", ".join(f"{count} in {reading!r}" for reading, count in counts.items())
        return Seen(
            ok=min(counts.values()) >= self.at_least,
            sentence=f"{told} (wanted {self.at_least}{' in each' if len(counts) > 1 else ''})",
        )
