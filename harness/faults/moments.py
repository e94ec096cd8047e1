"""A kill at a moment that matters: between an effect and what would have told of it.

A process that is killed at some time was nearly always doing nothing of interest. Whether a moment has come is asked of
the target's own stores, again and again, so that no hook in the target's code is needed; the kill follows at once. The
moment may have passed by then: whether the hazard was really there is for the drill's evidence to say, not for us.
"""

from dataclasses import dataclass
from typing import Any

from harness.clock import wait_until
from harness.errors import ConfigError, DeadlineError, FaultError, ProbeError
from harness.faults import Effect
from harness.faults.processes import Killed
from harness.probes.kafka import KafkaLag
from harness.probes.sql import SqlTable
from harness.stack import Stack

_LOOK_EVERY_S = 0.02
_LOOK_TIMEOUT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class KilledMidBatch:
    """A consumer is killed (SIGKILL) when records have had their effect whose offsets it has not committed yet.

    Attributes:
        service: The consumer.
        group: Its consumer group.
        topic: Whose partitions count.
        database: Where its effects are.
        effects: Query there for `partition` and `last_offset`: how far effects have come.
        records: How many such records there must be.
        within_s: How long to wait for them.
    """

    service: str
    group: str
    topic: str
    database: str
    effects: str
    records: int = 1
    within_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a moment that is always there."""
        if self.records < 1 or self.within_s <= 0:
            raise ConfigError(
                f"records must be at least 1 and within_s above 0, got {self.records} and {self.within_s}: any moment "
                "would do. Use Killed for that."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.service} killed in the middle of a batch"

    def inject(self, stack: Stack) -> Effect:
        """Await the moment, kill it, and see it gone.

        Raises:
            FaultError: The moment did not come, or it is still there.
        """
        try:
            ahead = wait_until(
                lambda: self._ahead(stack),
                within_s=self.within_s,
                what=f"{self.service} to be in the middle of a batch",
                every_s=_LOOK_EVERY_S,
            )
        except DeadlineError as error:
            raise FaultError(
                f"{self.title}: {error}. Its batches may be too short to be met: slow it down, or give it more to do."
            ) from error
        gone = Killed(service=self.service).inject(stack)
        return Effect(
            sentence=f"{ahead} records had had their effect and were not committed; {gone.sentence}",
            seen=True,
            measured={**gone.measured, "records_ahead": float(ahead)},
        )

    def lapsed(self, stack: Stack) -> str:
        """Whether somebody has started it again."""
        return Killed(service=self.service).lapsed(stack)

    def heal(self, stack: Stack) -> Effect:
        """Start it again, and see that it serves. Safe twice and before `inject`."""
        return Killed(service=self.service).heal(stack)

    def _ahead(self, stack: Stack) -> int:
        """How many records lie between the committed offsets and the effects, if there are enough of them; else 0."""
        effects = SqlTable(name="effects", database=self.database, query=self.effects)
        lag = KafkaLag(name="lag", group=self.group, topics=(self.topic,))
        try:
            # Effects first: what is committed meanwhile can only make it fewer.
            reached: Any = effects.read(stack, timeout_s=_LOOK_TIMEOUT_S)
            rows = lag.rows(stack, timeout_s=_LOOK_TIMEOUT_S)
        except ProbeError:
            return 0
        committed = {row["partition"]: row["committed"] or 0 for row in rows if row["topic"] == self.topic}
        ahead = sum(
            max(0, row["last_offset"] + 1 - committed[row["partition"]])
            for row in reached
            if row["partition"] in committed
        )
        return ahead if ahead >= self.records else 0
