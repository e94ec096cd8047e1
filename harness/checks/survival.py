"""Services live until somebody ends them. One of two that died can go unnoticed by every customer."""

from dataclasses import dataclass

import polars as pl

from harness.checks import Conclusion, conclude
from harness.checks.tables import final_table, keys
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class NoServiceEndedByItself:
    """Every service of the target that no fault has ended was there to the last.

    A server that died is another matter: it may be why the target broke its word, and so the run does not count.

    Attributes:
        reading: The supervisor's own: a row for each process that ended by itself, and whether it is the target's.
    """

    reading: str

    def check(self, history: History) -> Conclusion:
        """FAIL names the services."""
        ended = final_table(history, self.reading, {"service": pl.String, "of_target": pl.Boolean})
        ours = ended.filter(pl.col("of_target"))
        return conclude(
            keys(ours["service"]),
            otherwise="every service that no fault has ended was there at the end",
            wrongly=f"{ours.height} services of the target ended, and no fault did that",
        )
