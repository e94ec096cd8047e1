"""A saga that was held up is worked on again, and soon: it is neither given up nor left lying until its limit.

How an order ends does not tell. A shop that gives up at the first error ends as cleanly as one whose dependency stayed
away, and one that forgets what it had in hand compensates it at the limit as if it had tried all along. So it is asked
when the log goes on. What the log does not tell of (`untold`) is not judged here.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.limits import earliest_limits
from harness.checks.moments import in_effect, on_run_clock, requested_faults
from harness.checks.saga_cases import CRASHES, Failure, SagaCases
from harness.checks.tables import keys
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class TakenUpAgain:
    """Every order whose step failed in one of some ways has another line in its saga's log within a bound.

    One whose limit may have come before that is not judged. While the process was away nobody could work: who waited
    then has the whole bound again from when it was seen to be back.

    Attributes:
        failures: Which ways: answers, or crashes.
        operation: What clients did, with the order as its key: a saga's limit counts from then at the earliest.
        within_s: From the failed try, or from the verified healing of the crash.
        limit_s: The target's time limit for a saga.
        untold: Words of the log's `status` after which further tries are not logged.
        at_least: How many orders must have been judged.
    """

    cases: SagaCases
    failures: tuple[Failure, ...]
    operation: str
    within_s: float
    limit_s: float
    untold: tuple[str, ...] = ()
    at_least: int = 1

    def __post_init__(self) -> None:
        """Refuse to judge nobody, and a bound that the limit comes before."""
        if not self.failures or self.at_least < 1 or not 0 < self.within_s < self.limit_s:
            raise ConfigError(
                "failures must be named, at_least be at least 1 and within_s between 0 and limit_s, got "
                f"{self.failures}, {self.at_least}, {self.within_s} and {self.limit_s}: no order would be judged."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders of which the log tells nothing more, or too late."""
        log = self.cases.log.load(history, "order", "seq", "at_ms")
        log = log.with_columns(on_run_clock(history, pl.col("at_ms")).alias("at_ns")).sort("order", "seq")
        log = log.with_columns(pl.col("at_ns").shift(-1).over("order").alias("next_ns"))
        held_up = pl.concat([self._held_up(history, failure, log) for failure in self.failures])
        limits = earliest_limits(history, self.operation, self.limit_s)
        judged = held_up.join(limits, on="order").filter(pl.col("due_ns") < pl.col("limit_ns"))
        late = judged.filter(pl.col("next_ns").is_null() | (pl.col("next_ns") > pl.col("due_ns")))
        count = judged["order"].n_unique()
        what = " or ".join(failure.value for failure in self.failures)
        if late.is_empty() and count < self.at_least:
            raise CannotSay(
                f"{count} orders met {what} and had {self.within_s:g} s left before their limit, wanted {self.at_least}"
            )
        figures = (
            f"of {held_up['order'].n_unique()} orders that met {what}, {count} had {self.within_s:g} s left before "
            "their limit"
        )
        return conclude(
            keys(late["order"]),
            otherwise=f"{figures}; all were worked on again by then",
            wrongly=f"{figures}; {late['order'].n_unique()} of them were not worked on again by then",
            precision="± 1 ms of the log's own times",
        )

    def _held_up(self, history: History, failure: Failure, log: pl.DataFrame) -> pl.DataFrame:
        """`order`, when the log went on (`next_ns`), and by when it had to (`due_ns`)."""
        within_ns = round(self.within_s * NS_PER_S)
        away = requested_faults(history, self.cases.crash.fault)[-1]
        if away.requested_ns is None or away.healed_ns is None:
            raise CannotSay(f"no healing of {self.cases.crash.fault} was recorded")
        if failure in CRASHES:
            died_ns = in_effect(history, self.cases.crash.fault)[-1].start_ns
            next_ns = (
                log.filter(pl.col("at_ns") > died_ns).group_by("order").agg(next_ns=pl.col("at_ns").min())
            )
            met = (
                self.cases.met(history, failure)
                .select("order")
                .unique()
                .join(next_ns, on="order", how="left")
            )
            return met.with_columns(due_ns=pl.lit(away.healed_ns + within_ns, pl.Int64))
        tries = self.cases.failed_tries(history, failure).filter(~pl.col("status").is_in(list(self.untold)))
        due_ns = pl.col("at_ns") + within_ns
        waited = (pl.col("at_ns") < away.healed_ns) & (due_ns > away.requested_ns)
        return log.join(tries, on="seq", how="semi").select(
            "order",
            "next_ns",
            due_ns=pl.when(waited).then(pl.lit(away.healed_ns + within_ns, pl.Int64)).otherwise(due_ns),
        )
