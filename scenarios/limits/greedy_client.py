"""Ordinary customers, and one client whose requests come when its bucket is best abused.

It asks once, which makes its bucket, holds back for half of an interval, and then asks for more than it may: what it
did not use is there just before the tokens come, and all of it is there again just after.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import ConfigError
from harness.load.operations import Answer, Operation, Request
from harness.recording.records import Outcome
from scenarios.shop import ORDINARY_CLIENT, STANDARD_CLIENT, PlaceOrder, order_key

READ_ORDER = "read_order"
# One request in so many is an order, all others are reads.
ORDER_EVERY = 5
# When the client asks on and on, in periods since it asked first: from the half of one interval to where more than a
# whole bucket has been asked for in the next.
BURST_FROM, BURST_TO = 0.5, 1.6
_TOLD = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")


@dataclass(frozen=True, kw_only=True)
class GreedyClient(Operation):
    """Orders of many customers, and between them reads: ordinary ones, and the greedy client's.

    Attributes:
        first: The number of the request at which, or right after which, the greedy client asks once.
        burst_from, burst_to: The numbers between which all reads are its.
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
        """What the reads are called; orders are what they always are."""
        return READ_ORDER

    def request(self, number: int, rng: random.Random) -> Request:
        """An order, or a read of the very first one."""
        if number % ORDER_EVERY == 0:
            orders = PlaceOrder()
            return replace(orders.request(number, rng), name=orders.name)
        greedy = number == self._first_read or self.burst_from <= number < self.burst_to
        client = STANDARD_CLIENT if greedy else ORDINARY_CLIENT
        return Request(
            method="GET",
            path=f"/api/v1/orders/{order_key(0)}",
            headers={"X-Client-ID": client},
            key=f"read-{number:06d}",
            detail={"client": client},
        )

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """As of an order, and what the client was told of its limit."""
        told = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        return PlaceOrder().outcome(answer)[0], told

    @property
    def _first_read(self) -> int:
        return self.first if self.first % ORDER_EVERY else self.first + 1
