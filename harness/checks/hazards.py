"""The hazard itself was there: a drill without it is green for nothing.

A hazard is looked for where a customer or a partner would see it, and never in what the target says of itself: a defect
may be that it says nothing, or counts wrongly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from harness.checks import CannotSay, Seen
from harness.checks.books import Ledger
from harness.checks.hazard import Hazard
from harness.checks.moments import requested_faults, whole_phase
from harness.checks.tables import matches, rows_of
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Phase


@dataclass(frozen=True, kw_only=True)
class SomeRows(Hazard):
    """A reading had rows of a kind: the hazard itself was there.

    Attributes:
        reading: Its value is a list of objects, or one object, which is taken as one row.
        what: What such rows are, for people: "pending orders".
        where: Wanted values by column; a tuple of values means any of them.
        at_least: How many, in a single reading.
        moment: The phase whose readings are looked through, or None for the final reading.
    """

    reading: str
    what: str
    where: Mapping[str, Any] = field(default_factory=dict)
    moment: Phase | None = None

    def seen(self, history: History) -> Seen:
        """The most rows that any one reading had."""
        counts = [self._count(value) for value in self._values(history)]
        when = f"during {self.moment.value}" if self.moment else "at the end"
        if not counts:
            raise CannotSay(f"no reading of {self.reading!r} {when}: {self.what} may have been there or not")
        told = f"up to {max(counts)} {self.what} {when} in {len(counts)} readings of {self.reading!r}"
        return Seen(ok=max(counts) >= self.at_least, sentence=f"{told} (wanted {self.at_least})")

    def _values(self, history: History) -> list[Any]:
        if self.moment is None:
            final = history.final_line(self.reading)
            return [] if final is None else [history.final_reading(self.reading)]
        span = whole_phase(history, self.moment)
        return [
            observation.value
            for observation in history.readings(self.reading, span)
            if observation.at_ns + observation.took_ns
            <= span.end_ns  # else it may tell of what came after it
        ]

    def _count(self, value: Any) -> int:
        return sum(matches(row, self.where) for row in rows_of(value))


class Then(StrEnum):
    """What a target does about a charge of which it never heard: the two ways in which it may go wrong."""

    ASKED_AGAIN = "asked for again"
    GIVEN_BACK = "given back"


# Of a row of `_while_lost` joined with the ledger's books.
_SEEN_BY = {
    Then.ASKED_AGAIN: (pl.col("requests") > 1) | (pl.col("charges") > 1),
    Then.GIVEN_BACK: pl.col("refunds") > 0,
}


@dataclass(frozen=True, kw_only=True)
class UnheardCharges(Hazard):
    """Orders were charged while the answers were lost, and their payment was asked for again, or given back.

    It is what can charge twice: the money was taken, the target does not know, and then it acts. All of it is told by
    the ledger of the one who moved the money, and by the fault's own measurements.

    Attributes:
        ledger: With the moment of each charge and how many requests came for it.
        fault: Title of the fault that lost the answers.
        patience_s: How long the target waits for an answer. A charge made so shortly before healing began, or
            shorter, may have been heard of after all, and is not counted.
        then: Which of the two must have followed.
        at_least: How many orders.
    """

    ledger: Ledger
    fault: str
    patience_s: float
    then: Then

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        super().__post_init__()
        if self.patience_s < 0:
            raise ConfigError(
                f"patience_s must not be negative, got {self.patience_s}: a charge that was answered would be enough."
            )

    def seen(self, history: History) -> Seen:
        """Count the orders for which that followed."""
        unheard = self._while_lost(history)
        books = self.ledger.by_order(history)
        followed = books.join(unheard, on="order", how="inner").filter(_SEEN_BY[self.then])
        return Seen(
            ok=followed.height >= self.at_least,
            sentence=(
                f"{unheard.height} orders were charged while nobody could hear of it; for {followed.height} of them "
                f"the charge was {self.then}, by the ledger {self.ledger.reading!r} (wanted {self.at_least})"
            ),
        )

    def _while_lost(self, history: History) -> pl.DataFrame:
        """`order` and `requests` (the most for one charge) of the orders charged while answers were lost."""
        lost = pl.lit(False)
        for episode in requested_faults(history, self.fault):
            if episode.since_ns is None or episode.healing_ns is None:
                raise CannotSay(f"{episode.title} was not seen to begin and to be healed")
            until_ns = episode.healing_ns - round(self.patience_s * NS_PER_S)
            lost |= pl.col("at_ns").is_between(episode.since_ns, until_ns)
        charges = self.ledger.load_charges(history).filter(lost)
        return charges.group_by("order").agg(pl.col("requests").max())
