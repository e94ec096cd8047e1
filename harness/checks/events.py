"""Events of one order take effect in the order they were made, each of them, and each once.

Two checks, because a consumer that stopped has done nothing wrong so far: out of order is wrong at any moment, an
event without effect only once there was time for it.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.tables import final_table, keys, only_once
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


@dataclass(frozen=True, kw_only=True)
class EveryEventApplied:
    """The last event of every order has taken effect: the consumer's version of it is the order's own.

    Attributes:
        orders: The reading of the target's orders, one row an order, with the version its last event has.
        applied: The consumer's log of what it applied, one row an event.
    """

    orders: str
    applied: str
    key: str = "order_id"
    version: str = "version"

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders whose last event is missing, or that have events beyond it."""
        columns = {self.key: pl.String, self.version: pl.Int64}
        orders = only_once(final_table(history, self.orders, columns), self.key, self.orders)
        if orders.is_empty():
            raise CannotSay(f"{self.orders!r} has no rows: no event was made")
        last = final_table(history, self.applied, columns).group_by(self.key).agg(pl.col(self.version).max())
        both = orders.join(last, on=self.key, how="full", coalesce=True, suffix="_applied").fill_null(0)
        behind = both.filter(pl.col(f"{self.version}_applied") < pl.col(self.version))
        beyond = both.filter(pl.col(f"{self.version}_applied") > pl.col(self.version))
        return conclude(
            keys(behind[self.key]) + keys(beyond[self.key]),
            otherwise=f"the last event of each of {orders.height} orders took effect",
            wrongly=(
                f"of {orders.height} orders {behind.height} have a last event that took no effect, and for "
                f"{beyond.height} an event took effect that the order does not know of"
            ),
        )
