"""What a target told the log, what it wrote down to tell, and what it ought to have told are the same.

The log is read from the brokers themselves, record by record. What a target marks as published is a promise of its own:
that it was acknowledged, and so is there whatever becomes of a broker.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion, Seen, conclude
from harness.checks.brokers import election, lost_leader
from harness.checks.hazard import Hazard
from harness.checks.liveness import accepted
from harness.checks.tables import final_table, keys, named_table, only_once
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class Log:
    """The reading of topics' records (`KafkaRecords`), and what its columns are called.

    Attributes:
        event: The column that tells events apart, whoever wrote them how often.
        version: The column that counts the events of a key.
        topic: Which topic has all changes of every key.
    """

    reading: str
    topic: str
    event: str = "event-id"
    version: str = "version"

    def load(self, history: History) -> pl.DataFrame:
        """`topic`, `partition`, `epoch`, `key`, `event` and `version` (-1 where it is no number) of each record."""
        words, numbers = ("topic", "key", self.event, self.version), ("partition", "epoch")
        columns = dict.fromkeys(words, pl.String) | dict.fromkeys(numbers, pl.Int64)
        found = final_table(history, self.reading, columns)
        return found.select(
            "topic",
            "partition",
            "epoch",
            "key",
            pl.col(self.event).alias("event"),
            pl.col(self.version).cast(pl.Int64, strict=False).fill_null(-1).alias("version"),
        )


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """The reading of what a target wrote down to be published, and what its columns are called."""

    reading: str
    event: str = "event_id"
    key: str = "order_id"
    topic: str = "topic"
    published: str = "published"

    def load(self, history: History) -> pl.DataFrame:
        """`event`, `key`, `topic` and `published` of each row."""
        found = named_table(
            history,
            self.reading,
            event=(self.event, pl.String),
            key=(self.key, pl.String),
            topic=(self.topic, pl.String),
            published=(self.published, pl.Boolean),
        )
        return only_once(found, "event", self.reading)


# Whoever reads a topic finds nothing in another, nor in another key's order.
SAME = ("event", "key", "topic")


@dataclass(frozen=True, kw_only=True)
class PublishedIsKept:
    """Every event that the target takes for published is in its topic, under its key."""

    outbox: Outbox
    log: Log

    def check(self, history: History) -> Conclusion:
        """FAIL names events that are not there."""
        published = self.outbox.load(history).filter("published")
        if published.is_empty():
            raise CannotSay(f"nothing in {self.outbox.reading!r} was published")
        lost = published.join(self.log.load(history), on=SAME, how="anti")
        return conclude(
            keys(lost["event"]),
            otherwise=f"all {published.height} events that were marked as published are in their topics",
            wrongly=(
                f"{lost.height} of {published.height} events that were marked as published are not in their topics; "
                f"they are of {lost['key'].n_unique()} keys, such as {', '.join(sorted(keys(lost['key']))[:3])}"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class OnlyFromOutbox:
    """Nothing is in a topic that was never written down to be published there."""

    outbox: Outbox
    log: Log

    def check(self, history: History) -> Conclusion:
        """FAIL names events that nobody wrote down."""
        log = self.log.load(history)
        if log.is_empty():
            raise CannotSay(f"{self.log.reading!r} has no records: nothing was published")
        stray = log.join(self.outbox.load(history), on=SAME, how="anti")
        repeated = log.height - log["event"].n_unique()
        return conclude(
            keys(stray["event"]),
            otherwise=(
                f"each of {log.height} records is of an event that was written down first; {repeated} are repeated"
            ),
            wrongly=f"{stray.height} of {log.height} records are of events that were never written down",
        )


@dataclass(frozen=True, kw_only=True)
class EveryChangeIsTold:
    """The log has every version of everything that changed, from the first to what it is now.

    Attributes:
        changed: The reading of what changes, one row a key with the number of its changes.
    """

    changed: str
    log: Log
    key: str = "order_id"
    version: str = "version"

    def check(self, history: History) -> Conclusion:
        """FAIL names keys of which a change is not told."""
        changed = named_table(
            history, self.changed, key=(self.key, pl.String), changes=(self.version, pl.Int64)
        )
        if only_once(changed, "key", self.changed).is_empty():
            raise CannotSay(f"{self.changed!r} has no rows: there was nothing to tell")
        told = (
            self.log.load(history)
            .filter(pl.col("topic") == self.log.topic)
            .join(changed, on="key")
            .filter(pl.col("version").is_between(1, pl.col("changes")))
            .group_by("key")
            .agg(pl.col("version").n_unique().alias("told"))
        )
        both = changed.join(told, on="key", how="left").with_columns(pl.col("told").fill_null(0))
        gaps = both.filter(pl.col("told") < pl.col("changes"))
        return conclude(
            keys(gaps["key"]),
            otherwise=f"all {both['changes'].sum()} changes of {both.height} keys are in {self.log.topic}",
            wrongly=(
                f"{(gaps['changes'] - gaps['told']).sum()} changes of {gaps.height} of {both.height} keys are not in "
                f"{self.log.topic}"
            ),
        )


@dataclass(frozen=True, kw_only=True)
class UnacknowledgedAtLoss(Hazard):
    """Events were on their way to a leader when it was lost.

    Seen from outside: clients had been told that their order was accepted, after the leader was lost and before another
    was seen; and the order's first event was written in the time of another leader of that partition. One that was
    never written may have been for any partition, most of which never lost their leader: it is told and not counted.

    Attributes:
        operation: What clients did, with the key of the log as its key.
        log: What was written in the end.
        leaders: The reading of `KafkaLeaders`.
        fault: Title of the fault that takes the leader away.
        at_least: How many such events.
    """

    operation: str
    log: Log
    leaders: str
    fault: str

    def seen(self, history: History) -> Seen:
        """Count them."""
        lost = lost_leader(history, self.fault)
        until_ns = election(history, self.leaders, lost).before_ns
        waiting = accepted(history, self.operation, {}).filter(
            pl.col("done_ns").is_between(lost.lost_ns, until_ns)
        )
        mine = (pl.col("topic") == lost.topic) & (pl.col("version") == 1)
        first = self.log.load(history).filter(mine).group_by("key").agg(pl.col("partition", "epoch").first())
        both = waiting.join(first, on="key", how="left")
        never = both.filter(pl.col("epoch").is_null()).height
        later = both.filter((pl.col("partition") == lost.partition) & (pl.col("epoch") > lost.epoch)).height
        return Seen(
            ok=later >= self.at_least,
            sentence=(
                f"{both.height} orders were accepted after kafka-{lost.broker} was lost and before another was seen to "
                f"lead {lost.topic}-{lost.partition}; the event of {later} was written in another leader's time "
                f"(wanted {self.at_least}) and of {never} never"
            ),
        )
