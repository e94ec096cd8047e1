"""Which step of a saga failed in which way, order by order.

One load meets every case at once if each order says by itself what it met. A refusal, an error and a time-out are
answers, or none, to the saga's own question: its log has them, in the words of each try. A crash is written down by
nobody. What the process had in its hands is read while it is dead, and whether a step had its effect by then is told by
the books of whoever it was asked of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from harness.checks import CannotSay, Seen
from harness.checks.books import Ledger, SagaLog
from harness.checks.hazard import Hazard
from harness.checks.moments import in_effect, on_run_clock
from harness.checks.tables import named_table
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History


class Failure(StrEnum):
    """How a step can fail."""

    REFUSED = "refused"
    ERROR = "error"
    TIME_OUT = "time-out"
    CRASH_BEFORE = "crash before the effect"
    CRASH_AFTER = "crash after the effect, before the answer"


CRASHES = (Failure.CRASH_BEFORE, Failure.CRASH_AFTER)


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A failure as the saga's log has it.

    Attributes:
        statuses: Words of the log's `status`.
        error: Regular expression that is found in what the try came to.
    """

    failure: Failure
    statuses: tuple[str, ...]
    error: str

    def __post_init__(self) -> None:
        """Refuse a crash, and what every row would be."""
        if self.failure in CRASHES or not self.statuses or not self.error:
            raise ConfigError(
                f"wanted an answer that a log can have, with statuses and words of its error, got {self}: who crashed "
                "writes nothing, and any row would do."
            )


@dataclass(frozen=True, kw_only=True)
class Crash:
    """The death of the process that works on sagas.

    Attributes:
        fault: Title of the fault that killed it.
        in_hand: Watched reading of the sagas that the process holds, with `order_id` and `step`: one each.
        effects: Final reading of when steps had their effect, with `order_id`, `step` and `at_ms`. One that was undone
            later is among them: what is not there never was.
        ledger: Of the one who charges.
        charging_step: The step whose effect is in the ledger.
    """

    fault: str
    in_hand: str
    effects: str
    ledger: Ledger
    charging_step: str


@dataclass(frozen=True, kw_only=True)
class SagaCases:
    """Where it stands in a recording what each order met.

    Attributes:
        steps: The saga's, in their order.
    """

    log: SagaLog
    steps: tuple[str, ...]
    logged: tuple[Logged, ...]
    crash: Crash

    def __post_init__(self) -> None:
        """Refuse a saga in which nothing can fail."""
        if not self.steps:
            raise ConfigError("steps must be named, got none: a saga without a step meets no failure")

    def met(self, history: History, failure: Failure) -> pl.DataFrame:
        """`order` and `step`, one row for each order whose step failed in that way.

        Raises:
            CannotSay: The recording does not tell.
        """
        found = self._crashed(history, failure) if failure in CRASHES else self.failed_tries(history, failure)
        return found.filter(pl.col("step").is_in(list(self.steps))).select("order", "step").unique()

    def failed_tries(self, history: History, failure: Failure) -> pl.DataFrame:
        """`order`, `step`, `status`, `seq` and `error` of each line of the log that tells of such an answer."""
        log = self.log.load(history, "order", "step", "status", "seq", "error")
        is_it = pl.lit(False)
        for logged in self.logged:
            if logged.failure is failure:
                is_it |= pl.col("status").is_in(list(logged.statuses)) & pl.col("error").str.contains(
                    logged.error
                )
        return log.filter(is_it)

    def _crashed(self, history: History, failure: Failure) -> pl.DataFrame:
        """One whose effect came while the process was dead is of neither kind; it may never come, if all is undone.

        Nor is one that was refused: it could not have had its effect, whether anybody died or not.
        """
        dead = in_effect(history, self.crash.fault)[-1]
        stood = self._in_hand(history, dead).join(self._effects(history), on=["order", "step"], how="left")
        if failure is Failure.CRASH_AFTER:
            return stood.filter(pl.col("at_ns") < dead.start_ns)
        before = stood.filter(pl.col("at_ns").is_null() | (pl.col("at_ns") >= dead.end_ns))
        return before.join(self.failed_tries(history, Failure.REFUSED), on=["order", "step"], how="anti")

    def _in_hand(self, history: History, dead: Span) -> pl.DataFrame:
        name = self.crash.in_hand
        inside = [
            reading
            for reading in history.readings(name, dead)
            if reading.at_ns + reading.took_ns <= dead.end_ns
        ]
        if not inside:
            raise CannotSay(f"{name!r} was not read while the process was dead")
        value: Any = inside[-1].value
        wanted = {"order_id", "step"}
        if not isinstance(value, list) or not all(
            isinstance(row, Mapping) and row.keys() >= wanted for row in value
        ):
            raise CannotSay(f"a reading of {name!r} has no rows with {', '.join(sorted(wanted))}")
        rows = [{"order": str(row["order_id"]), "step": str(row["step"])} for row in value]
        return pl.DataFrame(rows, schema={"order": pl.String, "step": pl.String})

    def _effects(self, history: History) -> pl.DataFrame:
        """`order`, `step` and `at_ns` of the first effect of each."""
        table = named_table(
            history,
            self.crash.effects,
            order=("order_id", pl.String),
            step=("step", pl.String),
            at_ms=("at_ms", pl.Int64),
        )
        effects = table.select("order", "step", on_run_clock(history, pl.col("at_ms")).alias("at_ns"))
        charges = self.crash.ledger.load_charges(history).select(
            "order", pl.lit(self.crash.charging_step).alias("step"), "at_ns"
        )
        return pl.concat([effects, charges]).group_by("order", "step").agg(pl.col("at_ns").min())


@dataclass(frozen=True, kw_only=True)
class EachStepFailed(Hazard):
    """Each step of a saga failed in a way, for enough orders.

    Attributes:
        at_least: How many orders at each step.
    """

    cases: SagaCases
    failure: Failure

    def seen(self, history: History) -> Seen:
        """Count the orders, step by step."""
        met = self.cases.met(history, self.failure)
        counts = {step: met.filter(pl.col("step") == step).height for step in self.cases.steps}
        told = ", ".join(f"{count} orders at {step}" for step, count in counts.items())
        return Seen(
            ok=min(counts.values()) >= self.at_least,
            sentence=f"{self.failure.value}: {told} (wanted {self.at_least} at each step)",
        )
