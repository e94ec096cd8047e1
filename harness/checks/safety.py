"""What must never have happened, seen from the clients: an answer that was a lie.

The client's side of the story is the operations, the target's side a final reading. Unknown operations
promise nothing either way and are left out of both checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.moments import was_sent
from harness.checks.tables import final_table, keys
from harness.recording.history import History
from harness.recording.records import Outcome, Stream


@dataclass(frozen=True, kw_only=True)
class NothingAcknowledgedIsLost:
    """Every operation that was answered ok is found in the target's own store, as it was asked for.

    Attributes:
        operation: The operation's name.
        reading: The table that must hold its effect.
        column: Where the operation's key is in that table.
        kept: Whole numbers that must be there as they were sent: the column for each name in the operation's detail.
            Half an order is a lost order.
        kept_words: The same for text.
    """

    operation: str
    reading: str
    column: str
    kept: Mapping[str, str] = field(default_factory=dict)
    kept_words: Mapping[str, str] = field(default_factory=dict)

    def check(self, history: History) -> Conclusion:
        """FAIL names the keys that were acknowledged and are not there, or not as they were sent."""
        acknowledged = _that_ended(history, self.operation, Outcome.OK).unique(
            "key", keep="first", maintain_order=True
        )
        if acknowledged.is_empty():
            raise CannotSay(f"no {self.operation} was acknowledged: there was nothing to lose")
        columns = {
            self.column: pl.String,
            **dict.fromkeys(self.kept.values(), pl.Int64),
            **dict.fromkeys(self.kept_words.values(), pl.String),
        }
        there = final_table(history, self.reading, columns)
        lost = acknowledged.join(there, left_on="key", right_on=self.column, how="anti")
        altered = self._altered(acknowledged, there)
        return conclude(
            keys(lost["key"]) + keys(altered["key"]),
            otherwise=f"all {acknowledged.height} acknowledged operations are in {self.reading!r}"
            + (f", with their {', '.join(compared)}" if (compared := [*self.kept, *self.kept_words]) else ""),
            wrongly=(
                f"of {acknowledged.height} acknowledged operations {lost.height} are not in {self.reading!r} and "
                f"{altered.height} are there otherwise than they were sent"
            ),
        )

    def _altered(self, acknowledged: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
        both = acknowledged.join(there, left_on="key", right_on=self.column, how="inner")
        differs = pl.lit(False)
        for name, column in (*self.kept.items(), *self.kept_words.items()):
            both = both.with_columns(pl.col("detail").str.json_path_match(f"$.{name}").alias(f"sent {name}"))
            if missing := both[f"sent {name}"].null_count():
                raise CannotSay(f"{missing} {self.operation} were recorded without their {name!r}")
            differs |= pl.col(f"sent {name}") != pl.col(column).cast(pl.String)
        return both.filter(differs)


@dataclass(frozen=True, kw_only=True)
class NothingUnaskedHappened:
    """Whatever is in the target's store was asked for by a client of the drill.

    Attributes:
        operation: The operation's name.
        reading: The table that holds its effects. It was empty before the drill.
        column: Where the operation's key is in that table.
    """

    operation: str
    reading: str
    column: str

    def check(self, history: History) -> Conclusion:
        """FAIL names the keys that are there and that nobody sent."""
        there = final_table(history, self.reading, {self.column: pl.String})
        if there.is_empty():
            raise CannotSay(
                f"{self.reading!r} has no rows: there is nothing that somebody could have asked for"
            )
        _refuse_damage(history)
        sent = history.operations.filter((pl.col("name") == self.operation) & was_sent()).select("key")
        # Millions of operations are looked up in a small table sooner than the other way round.
        asked = sent.join(there, left_on="key", right_on=self.column, how="semi")
        unasked = there.join(asked, left_on=self.column, right_on="key", how="anti")
        return conclude(
            keys(unasked[self.column]),
            otherwise=f"all {there.height} rows of {self.reading!r} were asked for",
            wrongly=f"{unasked.height} of {there.height} rows of {self.reading!r} were asked for by nobody",
        )


@dataclass(frozen=True, kw_only=True)
class NothingRejectedHappened:
    """No operation that was rejected is found in the target's store: "certainly did not happen" was true.

    A key that was also sent in an operation with another outcome is left out; that one may have made it.

    Attributes:
        if_any: For a claim of every drill, few of which reject anything: where nothing was rejected no promise was
            broken, and the finding says that none was made. A drill that is about rejections leaves it False.
    """

    operation: str
    reading: str
    column: str
    if_any: bool = False

    def check(self, history: History) -> Conclusion:
        """FAIL names the keys that were rejected and are there all the same."""
        sent = history.operations.filter(pl.col("name") == self.operation).height
        rejected = _that_ended(history, self.operation, Outcome.REJECTED)
        for other in (Outcome.OK, Outcome.UNKNOWN):
            rejected = rejected.join(_that_ended(history, self.operation, other), on="key", how="anti")
        if rejected.is_empty():
            if self.if_any and sent:
                return conclude(
                    [],
                    otherwise=f"none of {sent} {self.operation} was rejected: no such promise was made",
                    wrongly="",
                )
            raise CannotSay(f"no {self.operation} was rejected: there was no promise to break")
        _refuse_damage(history)
        there = final_table(history, self.reading, {self.column: pl.String})
        happened = keys(rejected.join(there, left_on="key", right_on=self.column, how="semi")["key"])
        refusals = rejected["key"].n_unique()
        return conclude(
            happened,
            otherwise=f"none of {refusals} rejected operations is in {self.reading!r}",
            wrongly=f"{len(happened)} of {refusals} rejected operations are in {self.reading!r}",
        )


def _refuse_damage(history: History) -> None:
    """Make sure that what is not among the operations was not: nobody is convicted by a line that was lost.

    Raises:
        CannotSay: Some were lost.
    """
    if lost := history.damage_to((Stream.OPERATIONS,)):
        raise CannotSay(f"what clients sent is not known for certain: {'; '.join(lost)}")


def _that_ended(history: History, operation: str, outcome: Outcome) -> pl.DataFrame:
    """`key` and `detail` of the operations with an outcome."""
    ended = (pl.col("name") == operation) & (pl.col("outcome") == outcome.value)
    return history.operations.filter(ended).select("key", "detail")
