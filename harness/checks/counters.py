"""What the target counted itself, as a final reading tells it."""

from dataclasses import dataclass
from typing import ClassVar

from harness.checks import CannotSay, Missing, Seen
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
class EachCounted:
    """Each of several instances counted so many: otherwise one of them did all the work, and nothing was shared."""

    readings: tuple[str, ...]
    at_least: int
    if_missing: ClassVar[Missing] = Missing.VOIDS
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        if not self.readings or self.at_least < 1:
            raise ConfigError(
                f"readings must be named and at_least be at least 1, got {self.readings} and {self.at_least}: no work "
                "at all would be enough"
            )

    def seen(self, history: History) -> Seen:
        """Their counts."""
        counts = {reading: counted(history, reading) for reading in self.readings}
        told = ", ".join(f"{count} in {reading!r}" for reading, count in counts.items())
        return Seen(
            ok=min(counts.values()) >= self.at_least,
            sentence=f"{told} (wanted {self.at_least} in each)",
        )
