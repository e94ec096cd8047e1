"""A consumer's kill at the moment that matters: between an effect and the offset that would have told of it.

Whether it has come is asked of the store of its effects and of the broker; the kill follows at once (`moments`).
"""

from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, ProbeError
from harness.faults import Effect
from harness.faults.moments import LOOK_TIMEOUT_S, awaited
from harness.faults.processes import Killed
from harness.probes.kafka_lag import KafkaLag
from harness.probes.sql import SqlTable
from harness.stack import Stack


@dataclass(frozen=True, kw_only=True)
class KilledMidBatch:
    """A consumer is killed (SIGKILL) when its effects and its committed offsets are apart.

    Effects are ahead where it commits after them, and behind where it commits before: both are in the middle of a
    batch, and what becomes of the records in between is what a drill wants to know.

    Attributes:
        service: The consumer.
        group: Its consumer group.
        topic: Whose partitions count.
        database: Where its effects are.
        effects: Query there for `partition` and `last_offset`: how far effects have come.
        records: By how many records they must be apart.
        within_s: How long to wait for that.
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
        apart = awaited(
            lambda: self._apart(stack),
            within_s=self.within_s,
            what=f"{self.service} to be in the middle of a batch",
            title=self.title,
            advice="Its batches may be too short to be met: slow it down, or give it more to do.",
        )
        gone = Killed(service=self.service).inject(stack)
        return Effect(
            sentence=f"effects and committed offsets were {apart} records apart; {gone.sentence}",
            seen=True,
            measured={**gone.measured, "records_apart": float(apart)},
        )

    def lapsed(self, stack: Stack) -> str:
        """Whether somebody has started it again."""
        return Killed(service=self.service).lapsed(stack)

    def heal(self, stack: Stack) -> Effect:
        """Start it again, and see that it serves. Safe twice and before `inject`."""
        return Killed(service=self.service).heal(stack)

    def _apart(self, stack: Stack) -> int:
        """How many records lie between the committed offsets and the effects, if there are enough of them; else 0."""
        effects = SqlTable(name="effects", database=self.database, query=self.effects)
        lag = KafkaLag(name="lag", group=self.group, topics=(self.topic,))
        try:
            reached: Any = effects.read(stack, timeout_s=LOOK_TIMEOUT_S)
            rows = lag.rows(stack, timeout_s=LOOK_TIMEOUT_S)
        except ProbeError:
            return 0
        committed = {row["partition"]: row["committed"] or 0 for row in rows if row["topic"] == self.topic}
        apart = sum(
            abs(row["last_offset"] + 1 - committed[row["partition"]])
            for row in reached
            if row["partition"] in committed
        )
        return apart if apart >= self.records else 0
