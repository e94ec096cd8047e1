"""Ordinary customers, and among the flood as many who only look as who order.

A few look before it as well: that looks are refused for want of room can be told only of a shop that answers them.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError
from harness.load.operations import Answer, Operation, Request
from harness.recording.records import Outcome
from scenarios.limits.clients import read_of_the_first_order
from scenarios.shop import ORDINARY_CLIENT, PlaceOrder

# In steady one request in so many is a read: few, since what is compared with the end are the orders.
LOOK_EVERY = 16


@dataclass(frozen=True, kw_only=True)
class FloodingClients(Operation):
    """Orders, now and then in steady a read, and in the flood every other request one.

    Attributes:
        steady_from: The number of the first request of steady.
        flood_from, flood_to: The numbers between which requests are the flood's.
    """

    steady_from: int
    flood_from: int
    flood_to: int

    def __post_init__(self) -> None:
        """Refuse a flood that never comes."""
        if not 0 < self.steady_from < self.flood_from < self.flood_to:
            raise ConfigError(
                f"steady_from, flood_from and flood_to must ascend from above 0, got {self.steady_from}, "
                f"{self.flood_from} and {self.flood_to}: there would be no flood, or no order to look at."
            )

    @property
    def name(self) -> str:
        """What orders are always called; reads have a name of their own."""
        return PlaceOrder().name

    def request(self, number: int, rng: random.Random) -> Request:
        """An order, or a look at the very first one."""
        steady = self.steady_from <= number < self.flood_from
        looks_in_steady = steady and (number - self.steady_from) % LOOK_EVERY == LOOK_EVERY // 2
        looks_in_flood = self.flood_from <= number < self.flood_to and number % 2
        if looks_in_steady or looks_in_flood:
            return read_of_the_first_order(number, ORDINARY_CLIENT)
        return PlaceOrder().request(number, rng)

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """As of an order."""
        return PlaceOrder().outcome(answer)
