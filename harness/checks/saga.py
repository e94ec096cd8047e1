"""What a saga had done is undone when it fails: all of it and nothing else, each step once, the last one first.

Two checks, because they need different histories: a saga with one step to undo shows that it was undone, and nothing of
the order in which two would have been.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, Orders, SagaLog
from harness.checks.tables import keys
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class UndoneExactly:
    """Compensation undoes exactly the completed steps, each once.

    Judged are the sagas with a compensated step and those of cancelled orders: a compensation that never began is
    found as well, and so is one of which the log tells nothing.

    Attributes:
        uncertain: Further words of the log's `status` after which a step may have had its effect (a
            time-out). Such a step may be compensated and need not be.
    """

    log: SagaLog
    orders: Orders
    uncertain: tuple[str, ...] = ()

    def check(self, history: History) -> Conclusion:
        """FAIL names the sagas that were unwound wrongly, and cancelled orders without a saga."""
        steps = steps_of(self.log, history, self.uncertain)
        orders = self.orders.load(history)
        cancelled = orders.filter(pl.col("state") == CANCELLED)
        unwound = steps.filter(pl.col("undone") > 0)
        given_up = steps.join(cancelled, on="order", how="semi")
        judged = pl.concat([unwound, given_up]).select("saga", "order").unique()
        untold = cancelled.join(steps, on="order", how="anti")
        if judged.is_empty() and untold.is_empty():
            raise CannotSay("no order was cancelled: there was nothing to unwind")
        steps = steps.join(judged, on="saga", how="semi")
        undone = pl.col("undone")
        again = pl.col("completed_seq") > pl.col("last_undone_seq")  # done once more after it had been undone
        standing = steps.filter(pl.col("completed_seq").is_not_null() & ((undone == 0) | again))
        twice = steps.filter(undone > 1)
        baseless = steps.filter((undone > 0) & pl.col("done_seq").is_null())
        wrong = [key for part in (standing, twice, baseless) for key in keys(part["saga"])]
        if not wrong and untold.is_empty() and steps.filter(undone > 0).is_empty():
            raise CannotSay(
                f"{judged.height} sagas were given up before a step was done: there was nothing to undo"
            )
        return conclude(
            wrong + keys(untold["order"]),
            otherwise=f"{judged.height} sagas were unwound, {steps.filter(undone > 0).height} steps in all",
            wrongly=(
                f"of {judged.height} compensated sagas {standing['saga'].n_unique()} left a completed step "
                f"standing, {twice['saga'].n_unique()} undid one twice, {baseless['saga'].n_unique()} undid "
                f"one that was never done; of {untold.height} cancelled orders the log does not tell anything"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class UndoneInReverse:
    """Of two steps that were undone, the one that was done last was undone first.

    Attributes:
        sagas_min: How many sagas with two such steps it takes to say so.
        uncertain: As of `UndoneExactly`.
    """

    log: SagaLog
    sagas_min: int = 1
    uncertain: tuple[str, ...] = ()

    def check(self, history: History) -> Conclusion:
        """FAIL names the sagas that were unwound in another order."""
        steps = steps_of(self.log, history, self.uncertain)
        undone = steps.filter((pl.col("undone") > 0) & pl.col("done_seq").is_not_null())
        ordered = undone.filter(pl.len().over("saga") > 1).sort("saga", "done_seq")
        sagas = ordered["saga"].n_unique()
        shuffled = ordered.filter(pl.col("undone_seq").diff().over("saga") > 0)
        if sagas < self.sagas_min and shuffled.is_empty():
            raise CannotSay(
                f"{sagas} sagas had two steps to undo (wanted {self.sagas_min}): of fewer no order can be told"
            )
        return conclude(
            keys(shuffled["saga"]),
            otherwise=f"{sagas} sagas had two steps or more to undo; all were undone from the last to the first",
            wrongly=f"{shuffled['saga'].n_unique()} of {sagas} sagas with two steps to undo did so in another order",
        )


def steps_of(saga_log: SagaLog, history: History, uncertain: tuple[str, ...]) -> pl.DataFrame:
    """One row for each step of a saga: when it was done and undone first and last, and how often undone.

    Args:
        saga_log: Which.
        history: The run.
        uncertain: Further words of the log's `status` after which a step may have had its effect.
    """
    log = saga_log.load(history, "saga", "order", "step", "status", "seq")
    completed = pl.col("status").is_in(list(saga_log.completed))
    perhaps = completed | pl.col("status").is_in(list(uncertain))
    undone = pl.col("status").is_in(list(saga_log.compensated))
    return log.group_by("saga", "order", "step").agg(
        pl.col("seq").filter(completed).max().alias("completed_seq"),
        pl.col("seq").filter(perhaps).min().alias("done_seq"),
        pl.col("seq").filter(undone).min().alias("undone_seq"),
        pl.col("seq").filter(undone).max().alias("last_undone_seq"),
        undone.sum().cast(pl.Int64).alias("undone"),
    )
