"""Records that a crashed consumer gets once more, and what may not come of it.

A consumer that commits after the effect has a moment in which the effect is there and the offset is not. Dying in it
hands the record to its successor, who cannot know. That it was there is seen from outside: while the consumer is dead,
what has had its effect lies beyond what is committed, and neither can change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.checks import CannotSay, Conclusion, Seen, conclude
from harness.checks.books import CONFIRMED, Orders
from harness.checks.hazard import Hazard
from harness.checks.moments import in_effect
from harness.checks.tables import final_table, keys, named_table
from harness.recording.episodes import Span
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class OffsetsDeliveredTwice(Hazard):
    """While the consumer was dead, records beyond its committed offsets had had their effect.

    Whoever takes its place begins at the committed offsets, so each of these records is delivered a second time.

    Attributes:
        lag: Reading of the group's committed offsets (`harness.probes.kafka.KafkaLag`).
        effects: Reading of rows with `partition` and `last_offset`: how far effects have come.
        applied: Final reading of all effects, with `partition` and `kafka_offset`.
        topic: Whose partitions they are.
        fault: Title of the fault that killed the consumer.
        at_least: How many records.
    """

    lag: str
    effects: str
    applied: str
    topic: str
    fault: str

    def seen(self, history: History) -> Seen:
        """Count the records."""
        dead = in_effect(history, self.fault)[-1]
        committed = {
            row["partition"]: row["committed"]
            for row in self._last(history, self.lag, dead)["partitions"]
            if row["topic"] == self.topic and row["committed"] is not None
        }
        reached = {row["partition"]: row["last_offset"] for row in self._last(history, self.effects, dead)}
        applied = final_table(history, self.applied, {"partition": pl.Int64, "kafka_offset": pl.Int64})
        again = 0
        for partition, last in reached.items():
            between = pl.col("kafka_offset").is_between(committed.get(partition, 0), last)
            again += applied.filter((pl.col("partition") == partition) & between).height
        return Seen(
            ok=again >= self.at_least,
            sentence=(
                f"{again} records had had their effect and lay beyond the committed offsets while the consumer was "
                f"dead: they were delivered twice (wanted {self.at_least})"
            ),
        )

    def _last(self, history: History, probe: str, span: Span) -> Any:
        """What a probe saw last while the consumer was dead."""
        inside = [
            reading
            for reading in history.readings(probe, span)
            if reading.at_ns + reading.took_ns <= span.end_ns
        ]
        if not inside:
            raise CannotSay(f"{probe!r} was not read while the consumer was dead")
        value = inside[-1].value
        rows = value.get("partitions") if isinstance(value, Mapping) else value
        wanted = ("topic", "partition", "committed") if probe == self.lag else ("partition", "last_offset")
        if not isinstance(rows, list) or not all(
            isinstance(row, Mapping) and row.keys() >= set(wanted) for row in rows
        ):
            raise CannotSay(f"a reading of {probe!r} has no rows with {', '.join(wanted)}")
        return value


@dataclass(frozen=True, kw_only=True)
class ToldOnce:
    """Each confirmed order was confirmed to its customer once, and no other was.

    Attributes:
        told: Final reading of the messages that left, one row each.
        key: The column of the order.
    """

    orders: Orders
    told: str
    key: str = "order_id"

    def check(self, history: History) -> Conclusion:
        """FAIL names the orders of which a customer was told twice, falsely, or not at all."""
        orders = self.orders.load(history)
        messages = named_table(history, self.told, order=(self.key, pl.String))
        told = messages.group_by("order").agg(pl.len().alias("messages"))
        confirmed = orders.filter(pl.col("state") == CONFIRMED)
        if confirmed.is_empty():
            raise CannotSay("no order was confirmed: nobody had anything to be told")
        twice = told.filter(pl.col("messages") > 1)
        falsely = told.join(confirmed, on="order", how="anti")
        untold = confirmed.join(told, on="order", how="anti")
        return conclude(
            [key for part in (twice, falsely, untold) for key in keys(part["order"])],
            otherwise=f"the customers of {confirmed.height} confirmed orders were told, each once",
            wrongly=(
                f"of {confirmed.height} confirmed orders {twice.height} were confirmed to their customer more than "
                f"once and {untold.height} never; {falsely.height} that are not confirmed were"
            ),
        )
