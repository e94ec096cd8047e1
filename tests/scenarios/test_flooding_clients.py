"""The load of flood: who orders and who only looks."""

import json

import pytest

from harness.chance import Chance
from harness.checks.steady import OPERATIONS_MIN
from harness.errors import ConfigError
from harness.load import operations
from harness.load.operations import Request
from scenarios.limits.clients import READ_ORDER
from scenarios.limits.flooding_clients import FloodingClients
from scenarios.limits.test_flood import RATE_PER_S, READS_MIN
from scenarios.profiles import profile
from scenarios.shop import CLIENTS, PlaceOrder

FLOOD = FloodingClients(steady_from=10, flood_from=50, flood_to=70)


def sent(number: int) -> Request:
    return FLOOD.request(number, Chance(number).stream("flood"))


def test_every_other_request_of_the_flood_is_a_read_and_a_few_before_it() -> None:
    reads = [number for number in range(100) if sent(number).name == READ_ORDER]
    assert reads == [18, 34, *range(51, 70, 2)]
    orders = [sent(number).key for number in range(100) if number not in reads]
    assert orders == [
        PlaceOrder().request(n, Chance(n).stream("flood")).key for n in range(100) if n not in reads
    ]


@pytest.mark.parametrize("name", ["ci", "guide"])
def test_steady_has_the_reads_that_are_wanted_and_the_orders_that_the_end_is_compared_with(name: str) -> None:
    phases = profile(name).flooded
    steady_from = round(phases.warm_up_s * RATE_PER_S)
    flood_from = steady_from + round(phases.steady_s * RATE_PER_S)
    clients = FloodingClients(steady_from=steady_from, flood_from=flood_from, flood_to=flood_from + 1)
    names = [clients.request(number, Chance(1).stream("f")).name for number in range(steady_from, flood_from)]
    reads = names.count(READ_ORDER)
    assert reads > READS_MIN
    assert len(names) - reads > max(OPERATIONS_MIN, 0.93 * RATE_PER_S * phases.steady_s)


def test_the_queue_answers_since_nobody_in_the_flood_has_a_rate_limit() -> None:
    assert {CLIENTS[sent(number).headers["X-Client-ID"]] for number in range(100)} == {"unlimited"}


def test_it_survives_its_way_to_the_load_generator() -> None:
    assert operations.from_record(json.loads(json.dumps(operations.to_record(FLOOD)))) == FLOOD


@pytest.mark.parametrize(("steady_from", "flood_from", "flood_to"), [(0, 5, 9), (5, 5, 9), (5, 9, 9)])
def test_a_flood_that_never_comes_is_refused(steady_from: int, flood_from: int, flood_to: int) -> None:
    with pytest.raises(ConfigError):
        FloodingClients(steady_from=steady_from, flood_from=flood_from, flood_to=flood_to)
