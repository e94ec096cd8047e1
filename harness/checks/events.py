"""Events of one order take effect in the order they were made, each of them, and each once.

A check of its own for each, because a consumer that stopped has done nothing wrong so far: out of order is wrong at any
moment, an event without effect only once there was time for it, and what took effect must be there to be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.tables import final_table, keys, named_table, only_once
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
        first = pl.col(self.key).ne_missing(pl.col(self.key).shift())  # of its order
        version = pl.col(self.version)
        step = pl.when(first).then(version - self.first_version + 1).otherwise(version.diff())
        applied = events.sort(self.key, self.seq).with_columns(step.alias("step"))
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
        last_event: By an order's status, the type that its last event must have. A version alone is the target's
            word: one that never counts up would look as if nothing was missing.
    """

    orders: str
    applied: str
    key: str = "order_id"
    version: str = "version"
    status: str = "status"
    type: str = "event_type"
    last_event: Mapping[str, str] = field(default_factory=dict)

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders whose last event is missing, or that have events beyond it."""
        order, version = (self.key, pl.String), (self.version, pl.Int64)
        told = {"status": (self.status, pl.String)} if self.last_event else {}
        orders = named_table(history, self.orders, order=order, version=version, **told)
        if only_once(orders, "order", self.orders).is_empty():
            raise CannotSay(f"{self.orders!r} has no rows: no event was made")
        types = {"type": (self.type, pl.String)} if self.last_event else {}
        applied = named_table(history, self.applied, order=order, version=version, **types)
        last = applied.sort("version").group_by("order").last()
        both = orders.join(last, on="order", how="full", coalesce=True, suffix="_applied").with_columns(
            pl.col("version", "version_applied").fill_null(0)
        )
        behind = both.filter(pl.col("version_applied") < pl.col("version"))
        beyond = both.filter(pl.col("version_applied") > pl.col("version"))
        other = self._of_another_type(both)
        return conclude(
            [key for part in (behind, beyond, other) for key in keys(part["order"])],
            otherwise=f"the last event of each of {orders.height} orders took effect",
            wrongly=(
                f"of {orders.height} orders {behind.height} have a last event that took no effect, and for "
                f"{beyond.height} an event took effect that the order does not know of; {other.height} ended in a "
                "status that the last event which took effect does not tell"
            ),
        )

    def _of_another_type(self, both: pl.DataFrame) -> pl.DataFrame:
        if not self.last_event:
            return both.clear()
        wanted = pl.col("status").replace_strict(self.last_event, default=None, return_dtype=pl.String)
        return both.filter(wanted.is_not_null() & (pl.col("type").fill_null("") != wanted))


@dataclass(frozen=True, kw_only=True)
class ViewAgrees:
    """What is shown of every order is what the order is.

    A consumer's log says what it believes to have done; the view is what it did.

    Attributes:
        orders: The reading of the target's orders, one row an order.
        view: The reading of what customers are shown, one row an order.
        words, numbers: Columns of both that must be equal.
    """

    orders: str
    view: str
    key: str = "order_id"
    words: tuple[str, ...] = ("status",)
    numbers: tuple[str, ...] = ("version",)

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders that are shown otherwise than they are, not at all, or without being there."""
        columns = {
            self.key: pl.String,
            **dict.fromkeys(self.words, pl.String),
            **dict.fromkeys(self.numbers, pl.Int64),
        }
        orders = only_once(final_table(history, self.orders, columns), self.key, self.orders)
        shown = only_once(final_table(history, self.view, columns), self.key, self.view)
        if orders.is_empty():
            raise CannotSay(f"{self.orders!r} has no rows: there was nothing to show")
        hidden = orders.join(shown, on=self.key, how="anti")
        invented = shown.join(orders, on=self.key, how="anti")
        both = orders.join(shown, on=self.key, how="inner", suffix="_shown")
        same = (pl.col(name) == pl.col(f"{name}_shown") for name in (*self.words, *self.numbers))
        other = both.filter(~pl.all_horizontal(same))
        return conclude(
            [key for part in (hidden, invented, other) for key in keys(part[self.key])],
            otherwise=f"{self.view!r} shows each of {orders.height} orders as it is",
            wrongly=(
                f"of {orders.height} orders {hidden.height} are not in {self.view!r} and {other.height} are there "
                f"with another {' or '.join((*self.words, *self.numbers))}; {invented.height} in it do not exist"
            ),
        )
