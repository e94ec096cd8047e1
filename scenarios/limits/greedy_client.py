"""Ordinary customers, and one client whose requests come when its bucket is best abused.

It asks once, which makes its bucket, holds back for nearly half of an interval, and then asks for more than it may:
what it did not use is there just before the tokens come, and all of it is there again just after.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError
from harness.load.operations import Answer, Operation, Request
from harness.recording.records import Outcome
from scenarios.limits.clients import read_of_the_first_order
from scenarios.shop import STANDARD_CLIENT, PlaceOrder

# During the burst one request in so many is an order, all others are the greedy client's reads.
ORDER_EVERY = 5
# How long it holds back, and how long it then asks on and on, in intervals of its bucket: for a third more than a
# bucket holds, before the refill and after.
HELD_BACK, BURST = 0.45, 1.1
_TOLD = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")


@dataclass(frozen=True, kw_only=True)
class GreedyClient(Operation):
    """Orders of many customers, and between them the greedy client's reads.

    Attributes:
        first: The number of the request with which the greedy client asks once.
        burst_from, burst_to: The numbers between which all but the orders are its.
    """

    first: int
    burst_from: int
    burst_to: int

    def __post_init__(self) -> None:
        """Refuse a client that is not greedy."""
        if not 0 < self.first < self.burst_from < self.burst_to:
            raise ConfigError(
                f"first, burst_from and burst_to must ascend from above 0, got {self.first}, {self.burst_from} and "
                f"{self.burst_to}: the client would not hold back first, or would not come at all."
            )

    @property
    def name(self) -> str:
        """What orders are always called; reads have a name of their own."""
        return PlaceOrder().name

    def request(self, number: int, rng: random.Random) -> Request:
        """An order, or a read of the very first one."""
        in_burst = self.burst_from <= number < self.burst_to
        if number != self.first and not (in_burst and number % ORDER_EVERY):
            return PlaceOrder().request(number, rng)
        return read_of_the_first_order(number, STANDARD_CLIENT)

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """As of an order, and what the client was told of its limit."""
        told = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        return PlaceOrder().outcome(answer)[0], told
