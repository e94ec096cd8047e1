"""What a service of the target counted, as a final reading tells it: of itself, or of what somebody asked of it."""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, Seen, conclude
from harness.checks.hazard import Hazard
from harness.checks.moments import was_sent
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Outcome


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


@dataclass(frozen=True, kw_only=True)
class RefusalsCounted:
    """What a service counted as refused is what its clients were refused, and nothing is refused that it does not tell.

    Attributes:
        reading: The counter, read at the end.
        operation: Which operation, or "" for all.
        status: That a refusal has. Whoever was answered so and not told that nothing was done may have met a proxy that
            knows of neither.
    """

    reading: str
    operation: str
    status: int

    def check(self, history: History) -> Conclusion:
        """FAIL if they differ by more than what clients were never told."""
        count = counted(history, self.reading)
        named = pl.lit(value=True) if not self.operation else pl.col("name") == self.operation
        sent = history.operations.filter(named & was_sent())
        clearly = pl.col("outcome") == Outcome.REJECTED.value
        refused = sent.filter(clearly & (pl.col("status") == self.status)).height
        unknown = sent.filter(pl.col("outcome") == Outcome.UNKNOWN.value).height
        if not refused:
            raise CannotSay(
                f"no {self.operation or 'operation'} was refused with {self.status}: there is nothing to count"
            )
        figures = (
            f"clients were refused {refused} times with {self.status}, and {self.reading!r} counted {count}; {unknown} "
            "requests were never answered clearly"
        )
        agree = refused <= count <= refused + unknown
        return conclude([] if agree else [self.reading], otherwise=figures, wrongly=figures)
