"""A saga is undone in reverse, all of what was done and nothing else, each step once."""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, Orders, SagaLog
from harness.checks.tables import keys
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class UnwoundInReverse:
    """Compensation undoes exactly the completed steps, the last one first, each once.

    Judged are the sagas with a compensated step and, where `orders` is given, those of cancelled orders: a
    compensation that never began is found as well.

    Attributes:
        uncertain: Further words of the log's `status` after which a step may have had its effect (a
            time-out). Such a step may be compensated and need not be.
    """

    log: SagaLog
    orders: Orders | None = None
    uncertain: tuple[str, ...] = ()

    def check(self, history: History) -> Conclusion:
        """FAIL names the sagas that were unwound wrongly."""
        steps = self._steps(history)
        judged = steps.filter(pl.col("undone") > 0).select("saga", "order").unique()
        if self.orders is not None:
            orders = self.orders.load(history).filter(pl.col("state") == CANCELLED)
            cancelled = steps.select("saga", "order").unique().join(orders, on="order", how="semi")
            judged = pl.concat([judged, cancelled]).unique()
        if judged.is_empty():
            raise CannotSay("no saga was compensated: there was nothing to unwind")
        steps = steps.join(judged, on="saga", how="semi")
        undone = pl.col("undone")
        again = pl.col("completed_seq") > pl.col("last_undone_seq")  # done once more after it had been undone
        standing = steps.filter(pl.col("completed_seq").is_not_null() & ((undone == 0) | again))
        twice = steps.filter(undone > 1)
        baseless = steps.filter((undone > 0) & pl.col("done_seq").is_null())
        ordered = steps.filter((undone > 0) & pl.col("done_seq").is_not_null()).sort("saga", "done_seq")
        shuffled = ordered.filter(pl.col("undone_seq").diff().over("saga") > 0)
        wrong = [key for part in (standing, twice, baseless, shuffled) for key in keys(part["saga"])]
        return conclude(
            wrong,
            otherwise=f"{judged.height} sagas were unwound, {ordered.height} steps in all, the last first",
            wrongly=(
                f"of {judged.height} compensated sagas {standing['saga'].n_unique()} left a completed step "
                f"standing, {twice['saga'].n_unique()} undid one twice, {baseless['saga'].n_unique()} undid "
                f"one that was never done, {shuffled['saga'].n_unique()} undid them in the wrong order"
            ),
        )

    def _steps(self, history: History) -> pl.DataFrame:
        """One row for each step of a saga: when it was done and undone first and last, and how often undone."""
        log = self.log.load(history, "saga", "order", "step", "status", "seq")
        completed = pl.col("status").is_in(list(self.log.completed))
        perhaps = completed | pl.col("status").is_in(list(self.uncertain))
        undone = pl.col("status").is_in(list(self.log.compensated))
        return log.group_by("saga", "order", "step").agg(
            pl.col("seq").filter(completed).max().alias("completed_seq"),
            pl.col("seq").filter(perhaps).min().alias("done_seq"),
            pl.col("seq").filter(undone).min().alias("undone_seq"),
            pl.col("seq").filter(undone).max().alias("last_undone_seq"),
            undone.sum().cast(pl.Int64).alias("undone"),
        )
