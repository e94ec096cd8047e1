"""A token bucket that is refilled at intervals, as Bucket4j's `refillIntervally` is.

All tokens of an interval come at its end at once, counted from when the bucket was made, and not one by one as time
passes: a client that spends everything just before a refill and again just after it has twice the capacity within a
moment. Source: Bucket4j's reference, "Refill styles", and the guide's heading "Rate Limiting and Throttling".
"""

from dataclasses import dataclass

from harness.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class BucketConfig:
    """What a bucket is made of.

    Attributes:
        capacity: The most tokens it holds; it begins full.
        refill_tokens: How many come at the end of each interval.
        period_s: How long an interval is.
    """

    capacity: int
    refill_tokens: int
    period_s: float

    def __post_init__(self) -> None:
        """Refuse what Bucket4j refuses."""
        if self.capacity < 1 or self.refill_tokens < 1 or self.period_s <= 0:
            raise ConfigError(
                f"capacity and refill_tokens must be at least 1 and period_s above 0, got {self.capacity}, "
                f"{self.refill_tokens} and {self.period_s}: nobody would ever be let through, or nobody ever refused."
            )


class BucketModel:
    """One bucket. Times are seconds on any one clock, and never go back.

    Args:
        config: What it is made of.
        made_at_s: When it was made: intervals are counted from then.
    """

    def __init__(self, config: BucketConfig, *, made_at_s: float) -> None:
        self.config = config
        self._made_at_s = made_at_s
        self._tokens = config.capacity
        self._intervals = 0  # whole ones whose tokens have come

    def available(self, at_s: float) -> int:
        """How many tokens there are."""
        self._refill(at_s)
        return self._tokens

    def try_consume(self, at_s: float, tokens: int = 1) -> bool:
        """Take tokens if there are as many; else take none."""
        self._refill(at_s)
        if tokens > self._tokens:
            return False
        self._tokens -= tokens
        return True

    def next_refill_in_s(self, at_s: float) -> float:
        """How long until tokens come, whether or not there is room for them."""
        self._refill(at_s)
        return self._made_at_s + (self._intervals + 1) * self.config.period_s - at_s

    def _refill(self, at_s: float) -> None:
        intervals = int((at_s - self._made_at_s) // self.config.period_s)
        if intervals > self._intervals:
            come = (intervals - self._intervals) * self.config.refill_tokens
            self._tokens = min(self.config.capacity, self._tokens + come)
            self._intervals = intervals
