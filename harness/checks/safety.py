"""What must never have happened, seen from the clients: an answer that was a lie.

The client's side of the story is the operations, the target's side a final reading. Unknown operations
promise nothing either way and are left out of both checks.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.tables import final_table, keys
from harness.recording.history import History
from harness.recording.records import Outcome


@dataclass(frozen=True, kw_only=True)
class NothingAcknowledgedIsLost:
    """Every operation that was answered ok is found in the target's own store.

    Attributes:
        operation: The operation's name.
        reading: The table that must hold its effect.
        column: Where the operation's key is in that table.
    """

    operation: str
    reading: str
    column: str

    def check(self, history: History) -> Conclusion:
        """FAIL names the keys that were acknowledged and are not there."""
        acknowledged = _keys_that_ended(history, self.operation, Outcome.OK)
        if acknowledged.is_empty():
            raise CannotSay(f"no {self.operation} was acknowledged: there was nothing to lose")
        there = final_table(history, self.reading, {self.column: pl.String})
        lost = acknowledged.join(there, left_on="key", right_on=self.column, how="anti")
        return conclude(
            keys(lost["key"]),
            otherwise=f"all {acknowledged.height} acknowledged operations are in {self.reading!r}",
            wrongly=(
                f"{lost.height} of {acknowledged.height} acknowledged operations are not in {self.reading!r}"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class NothingRejectedHappened:
    """No operation that was rejected is found in the target's store: "certainly did not happen" was true.

    A key that was also sent in an operation with another outcome is left out; that one may have made it.
    """

    operation: str
    reading: str
    column: str

    def check(self, history: History) -> Conclusion:
        """FAIL names the keys that were rejected and are there all the same."""
        rejected = _keys_that_ended(history, self.operation, Outcome.REJECTED)
        for other in (Outcome.OK, Outcome.UNKNOWN):
            rejected = rejected.join(_keys_that_ended(history, self.operation, other), on="key", how="anti")
        if rejected.is_empty():
            raise CannotSay(f"no {self.operation} was rejected: there was no promise to break")
        there = final_table(history, self.reading, {self.column: pl.String})
        happened = rejected.join(there, left_on="key", right_on=self.column, how="semi")
        return conclude(
            keys(happened["key"]),
            otherwise=f"none of {rejected.height} rejected operations is in {self.reading!r}",
            wrongly=f"{happened.height} of {rejected.height} rejected operations are in {self.reading!r}",
        )


def _keys_that_ended(history: History, operation: str, outcome: Outcome) -> pl.DataFrame:
    return (
        history.operations.filter((pl.col("name") == operation) & (pl.col("outcome") == outcome.value))
        .select("key")
        .unique()
    )
