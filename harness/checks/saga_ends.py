"""How an order may end whose saga failed at a step.

It is confirmed, with every step done, none undone and its price paid once; or it is cancelled, with every step that was
done undone, the last one first, and no money kept. A refusal is final: after it only the second is legal, and of a step
whose outcome nobody can doubt nothing but what was done is undone. A technical failure is not: unless something else is
refused, the order is given up at its limit and not before. Behind the effect of a step both ends are legal.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.books import CANCELLED, CONFIRMED, Ledger, Orders
from harness.checks.limits import earliest_limits
from harness.checks.moments import WALL_DRIFT_NS_MAX, on_run_clock
from harness.checks.saga import steps_of
from harness.checks.saga_cases import Failure, SagaCases
from harness.checks.tables import keys
from harness.recording.history import History

# After these the step is asked for again until the limit.
NEVER_FINAL = (Failure.ERROR, Failure.TIME_OUT, Failure.CRASH_BEFORE)


@dataclass(frozen=True, kw_only=True)
class EndsLegally:
    """Every order whose step failed in a way ends in one of the ways that are legal after it.

    Attributes:
        failure: Which way.
        uncertain: Words of the log's `status` after which a step may have had its effect: it may be undone.
        operation: What clients did, with the order as its key: a saga's limit counts from then at the earliest.
        limit_s: The target's time limit for a saga; None if it is not known, and nobody is found to have given up.
    """

    cases: SagaCases
    failure: Failure
    orders: Orders
    ledger: Ledger
    uncertain: tuple[str, ...] = ()
    operation: str = ""
    limit_s: float | None = None

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders that ended otherwise, and says in which way."""
        met = self.cases.met(history, self.failure)
        if met.is_empty():
            raise CannotSay(f"no order met this: {self.failure.value}")
        failed = met.select("order").unique().join(self._ends(history), on="order", how="left")
        wrongs = self._wrongs(failed)
        if self.failure in NEVER_FINAL and not any(rows.height for rows in wrongs.values()):
            wrongs["were given up with time left"] = self._given_up(history, failed)
        told = self._told(met.join(failed.select("order", "state"), on="order", how="left"))
        crimes = "; ".join(f"{rows.height} {what}" for what, rows in wrongs.items() if rows.height)
        return conclude(
            [key for rows in wrongs.values() for key in keys(rows["order"])],
            otherwise=told,
            wrongly=f"of {failed.height} orders {crimes}. {told}",
        )

    def _ends(self, history: History) -> pl.DataFrame:
        """One row for each order: how it ended, what its steps came to, and what it cost."""
        uncertain = self.uncertain if self.failure is not Failure.REFUSED else ()
        steps = steps_of(self.cases.log, history, uncertain)
        completed, undone = pl.col("completed_seq").is_not_null(), pl.col("undone") > 0
        by_order = steps.group_by("order").agg(
            (completed & pl.col("step").is_in(list(self.cases.steps))).sum().alias("completed"),
            undone.sum().alias("undone"),
            (completed & ~undone).sum().alias("standing"),
            (undone & pl.col("done_seq").is_null()).sum().alias("baseless"),
            (pl.col("undone") > 1).sum().alias("twice"),
        )
        backwards = (
            steps.filter(undone & pl.col("done_seq").is_not_null())
            .sort("order", "done_seq")
            .group_by("order", maintain_order=True)
            .agg((pl.col("undone_seq").diff() > 0).any().fill_null(False).alias("shuffled"))
        )
        money = self.ledger.by_order(history)
        return (
            self.orders.load(history)
            .join(by_order, on="order", how="left")
            .join(backwards, on="order", how="left")
            .join(money, on="order", how="left")
            .with_columns(pl.col("shuffled").fill_null(False))
            .with_columns(
                pl.col(
                    "completed", "undone", "standing", "baseless", "twice", "charges", "refunds", "net"
                ).fill_null(0)
            )
        )

    def _wrongs(self, failed: pl.DataFrame) -> dict[str, pl.DataFrame]:
        state = pl.col("state").fill_null("")
        confirmed, cancelled = state == CONFIRMED, state == CANCELLED
        wrongs = {
            "have not ended": failed.filter(~confirmed & ~cancelled),
            "were cancelled with a step left standing": failed.filter(cancelled & (pl.col("standing") > 0)),
            "had a step undone that was never done": failed.filter(pl.col("baseless") > 0),
            "had a step undone twice": failed.filter(pl.col("twice") > 0),
            "were unwound in another order": failed.filter(pl.col("shuffled")),
            "were cancelled and cost or gained money": failed.filter(cancelled & (pl.col("net") != 0)),
            "were charged more than once": failed.filter(pl.col("charges") > 1),
            "were confirmed with a step undone or never done": failed.filter(
                confirmed & ((pl.col("undone") > 0) | (pl.col("completed") < len(self.cases.steps)))
            ),
            "were confirmed unpaid": failed.filter(
                confirmed & ((pl.col("charges") == 0) | (pl.col("refunds") > 0))
            ),
        }
        if self.failure is Failure.REFUSED:
            wrongs["were confirmed in spite of a refusal"] = failed.filter(confirmed)
        return wrongs

    def _given_up(self, history: History, failed: pl.DataFrame) -> pl.DataFrame:
        """Those that were being undone, or were cancelled, before their limit can have come, and without a refusal."""
        if self.limit_s is None:
            return failed.clear()
        refused = self.cases.failed_tries(history, Failure.REFUSED)
        perhaps = failed.filter(pl.col("state") == CANCELLED).join(refused, on="order", how="anti")
        if perhaps.is_empty():
            return perhaps
        log = self.cases.log.load(history, "order", "status", "at_ms")
        undone = pl.col("status").is_in(list(self.cases.log.compensated))
        at_ns = on_run_clock(history, pl.col("at_ms"))
        turned = log.group_by("order").agg(
            turned_ns=pl.min_horizontal(at_ns.filter(undone).min(), at_ns.max())
        )
        limits = earliest_limits(history, self.operation, self.limit_s)
        before = pl.col("turned_ns") < pl.col("limit_ns") - WALL_DRIFT_NS_MAX
        return perhaps.join(turned, on="order").join(limits, on="order").filter(before)

    def _told(self, met: pl.DataFrame) -> str:
        """What came of the orders, step by step."""
        parts = []
        for step in self.cases.steps:
            here = met.filter(pl.col("step") == step)
            confirmed = here.filter(pl.col("state") == CONFIRMED).height
            cancelled = here.filter(pl.col("state") == CANCELLED).height
            parts.append(f"{step}: {here.height} ({confirmed} confirmed, {cancelled} compensated)")
        return f"{self.failure.value}: {'; '.join(parts)}"
