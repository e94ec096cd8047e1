"""Events of one order take effect in the order they were made, each of them, and each once."""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.tables import final_table, keys
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class AppliedInOrder:
    """Read in the order of application, an order's versions count up from the first without a gap.

    Attributes:
        reading: The consumer's log of what it applied, one row an event.
        seq: Numbers its rows in the order of application.
        version: Numbers an order's events in the order they were made.
        first_version: The version of an order's first event.
    """

    reading: str
    seq: str = "seq"
    key: str = "order_id"
    version: str = "version"
    event: str = "event_id"
    first_version: int = 1

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders whose events were doubled, swapped or skipped."""
        columns = {self.seq: pl.Int64, self.key: pl.String, self.version: pl.Int64, self.event: pl.String}
        events = final_table(history, self.reading, columns)
        if events.is_empty():
            raise CannotSay(f"{self.reading!r} has no rows: no event took effect")
        if events[self.seq].n_unique() < events.height:
            raise CannotSay(f"{self.seq!r} of {self.reading!r} repeats: the order of application is not told")
        doubled = events.filter(pl.col(self.event).is_duplicated())
        step = pl.col(self.version).diff().over(self.key)
        wanted = pl.when(step.is_null()).then(pl.col(self.version) - self.first_version + 1).otherwise(step)
        applied = events.sort(self.seq).with_columns(wanted.alias("step"))
        backwards = applied.filter(pl.col("step") < 1)
        skipped = applied.filter(pl.col("step") > 1)
        wrong = [key for part in (doubled, backwards, skipped) for key in keys(part[self.key])]
        return conclude(
            wrong,
            otherwise=f"{events.height} events of {events[self.key].n_unique()} orders took effect in order",
            wrongly=(
                f"of {events.height} events {doubled[self.event].n_unique()} took effect more than once, "
                f"{backwards.height} behind a later or equal version, {skipped.height} before an earlier one"
            ),
        )
