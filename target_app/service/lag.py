"""How far a member of a consumer group is behind, as it tells itself: a gauge for each partition that it owns.

It counts from what was committed, as Kafka's own tools and the lag metrics of MSK do. Kafka's Java client counts from
what was last handed out, and so leaves out the batch in hand, which is just what a slow consumer has much of. The end
is asked of the brokers: what came with the last records is as old as they are, and while a batch is worked on its
partitions are paused and nothing comes.

A lag that nobody knows is not told: an old one would look like peace.
"""

import math
import time
from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import KafkaException

from target_app.service.metrics import Metrics, Tags, tags
from target_app.variants import Variant

Place = tuple[str, int]

_ANSWER_WITHIN_S = 0.5
_PLAUSIBLE_MAX = 300.0  # to a planted defect
_AGAIN_AFTER_S = 2.0  # a broker that does not answer holds up whoever asks


class GroupLag:
    """The lag of the partitions that are ours. Asked by the thread that polls, read by the one that serves.

    Args:
        metrics: Where it is told.
        client_id: Whose it is.
        every_s: How often the brokers are asked for the ends.
        variants: Of these the planted defects `lag-of-one-partition` and `lag-outliers-are-dropped`.
    """

    def __init__(
        self, metrics: Metrics, *, client_id: str, every_s: float, variants: Collection[Variant] = ()
    ) -> None:
        self._client_id = client_id
        self._every_s = every_s
        self._without_partition = Variant.LAG_OF_ONE_PARTITION in variants
        self._most = _PLAUSIBLE_MAX if Variant.LAG_OUTLIERS_ARE_DROPPED in variants else math.inf
        self._look_at_s = 0.0
        # Never changed, only replaced: two threads share them.
        self._committed: Mapping[Place, int] = {}
        self._ends: Mapping[Place, int] = {}
        metrics.gauges(
            "kafka.consumer.fetch.manager.records.lag",
            "Records of a partition of ours that are there and not committed",
            self.read,
        )

    def look(self, consumer: Any) -> None:
        """Ask for the ends, if it is time."""
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + self._every_s
        try:
            self._ends = self._asked(consumer)
        except KafkaException:
            self._ends = {}
        if not self._ends:
            self._look_at_s = now_s + _AGAIN_AFTER_S

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """These were committed."""
        self._committed = {**self._committed, **offsets}

    def forget(self) -> None:
        """The partitions are somebody else's."""
        self._committed = {}
        self._ends = {}
        self._look_at_s = 0.0

    def read(self) -> Mapping[Tags, float]:
        """The lag of each partition that is known."""
        committed = self._committed
        lags = {
            place: float(max(0, end - committed[place]))
            for place, end in self._ends.items()
            if place in committed
        }
        if sum(lags.values()) > self._most:
            return {}
        if self._without_partition:
            return {tags(client_id=self._client_id): lag for lag in lags.values()}
        return {
            tags(client_id=self._client_id, topic=topic, partition=str(partition)): lag
            for (topic, partition), lag in lags.items()
        }

    def _asked(self, consumer: Any) -> dict[Place, int]:
        owned = consumer.assignment()
        ends: dict[Place, int] = {}
        starts: dict[Place, int] = {}
        for partition in owned:
            marks = consumer.get_watermark_offsets(partition, timeout=_ANSWER_WITHIN_S)
            if marks is None:
                return {}
            starts[partition.topic, partition.partition], ends[partition.topic, partition.partition] = marks
        strange = [one for one in owned if (one.topic, one.partition) not in self._committed]
        for found in consumer.committed(strange, timeout=_ANSWER_WITHIN_S) if strange else ():
            place = found.topic, found.partition
            # Nothing was ever committed: it is read from its first record on.
            self.committed({place: found.offset if found.offset >= 0 else starts[place]})
        return ends
