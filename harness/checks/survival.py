"""Services live until somebody ends them. One of two that died can go unnoticed by every customer."""

import signal
from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.tables import final_table, keys
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class NoServiceEndedByItself:
    """Every service of the target that no fault has ended was there to the last.

    A server that died is another matter: it may be why the target broke its word, and so the run does not count. A
    service that died beside it may have died of it, or of what killed both. A SIGKILL or SIGTERM that nobody of the
    drill sent came from outside, as from a system that ran out of memory: no service sends it to itself.

    Attributes:
        reading: The supervisor's own: a row for each process that ended by itself, and whether it is the target's.
    """

    reading: str

    def check(self, history: History) -> Conclusion:
        """FAIL names the services."""
        columns = {"service": pl.String, "of_target": pl.Boolean, "exit_code": pl.Int64}
        ended = final_table(history, self.reading, columns)
        ours, servers = ended.filter(pl.col("of_target")), ended.filter(~pl.col("of_target"))
        if ours.height and servers.height:
            raise CannotSay(
                f"{', '.join(keys(ours['service']))} died, and so did {', '.join(keys(servers['service']))}: nobody "
                "knows which of them took the other along"
            )
        killed = ours.filter(pl.col("exit_code").is_in([-signal.SIGKILL, -signal.SIGTERM]))
        if killed.height and killed.height == ours.height:
            raise CannotSay(
                f"{', '.join(keys(killed['service']))} was killed by somebody who is not of this drill; did the system "
                "run out of memory?"
            )
        alone = ours.join(killed, on="service", how="anti")
        also = f"; {', '.join(keys(killed['service']))} was killed by somebody else" if killed.height else ""
        return conclude(
            keys(alone["service"]),
            otherwise="every service that no fault has ended was there at the end",
            wrongly=f"{alone.height} services of the target ended, and no fault did that{also}",
        )
