"""The load of flood: who orders and who only looks."""

import json

import pytest

from harness.chance import Chance
from harness.errors import ConfigError
from harness.load import operations
from harness.load.operations import Request
from scenarios.limits.clients import READ_ORDER
from scenarios.limits.flooding_clients import FloodingClients
from scenarios.shop import CLIENTS, PlaceOrder

FLOOD = FloodingClients(flood_from=10, flood_to=30)


def sent(number: int) -> Request:
    return FLOOD.request(number, Chance(number).stream("flood"))


def test_every_other_request_of_the_flood_is_a_read_and_all_others_are_orders() -> None:
    reads = [number for number in range(60) if sent(number).name == READ_ORDER]
    assert reads == list(range(11, 30, 2))
    orders = [sent(number).key for number in range(60) if number not in reads]
    assert orders == [
        PlaceOrder().request(n, Chance(n).stream("flood")).key for n in range(60) if n not in reads
    ]


def test_the_queue_answers_since_nobody_in_the_flood_has_a_rate_limit() -> None:
    assert {CLIENTS[sent(number).headers["X-Client-ID"]] for number in range(60)} == {"unlimited"}


def test_it_survives_its_way_to_the_load_generator() -> None:
    assert operations.from_record(json.loads(json.dumps(operations.to_record(FLOOD)))) == FLOOD


@pytest.mark.parametrize(("flood_from", "flood_to"), [(0, 9), (9, 9)])
def test_a_flood_that_never_comes_is_refused(flood_from: int, flood_to: int) -> None:
    with pytest.raises(ConfigError):
        FloodingClients(flood_from=flood_from, flood_to=flood_to)
