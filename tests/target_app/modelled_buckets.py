"""Buckets in memory, by the harness's reference: a gateway can be asked at any time that a test likes."""

from dataclasses import dataclass, field
from math import ceil

from harness.models.bucket import BucketConfig, BucketModel
from target_app.gateway.buckets import Taken
from target_app.service.redis_client import RedisLost


@dataclass
class ModelledBuckets:
    """A bucket for each client, at the time `now_s`; none at all while Redis `is_lost`."""

    period_s: float = 60.0
    now_s: float = 1_000.0
    is_lost: bool = False
    made: dict[str, BucketModel] = field(default_factory=dict)

    async def take(self, client: str, limit: int) -> Taken:
        """As the real ones do."""
        if self.is_lost:
            raise RedisLost("redis: no answer in time (TimeoutError)")
        config = BucketConfig(capacity=limit, refill_tokens=limit, period_s=self.period_s)
        bucket = self.made.setdefault(client, BucketModel(config, made_at_s=self.now_s))
        admitted = bucket.try_consume(self.now_s)
        wait_s = bucket.next_refill_in_s(self.now_s)
        return Taken(
            admitted=admitted,
            remaining=bucket.available(self.now_s),
            refill_in_s=wait_s,
            refill_at_s=ceil(self.now_s + wait_s),
        )
