"""The load of limit-burst: whose requests come when."""

import json

import pytest

from harness.chance import Chance
from harness.errors import ConfigError
from harness.load import operations
from harness.load.operations import Answer, Request
from harness.recording.records import Outcome
from scenarios.limits.clients import READ_ORDER
from scenarios.limits.greedy_client import GreedyClient
from scenarios.shop import ORDINARY_CLIENT, STANDARD_CLIENT, PlaceOrder

CLIENT = GreedyClient(first=40, burst_from=80, burst_to=120)


def sent(number: int) -> Request:
    return CLIENT.request(number, Chance(number).stream("read"))


def test_the_greedy_client_asks_once_then_holds_back_and_then_asks_on_and_on() -> None:
    reads = [number for number in range(160) if sent(number).name == READ_ORDER]
    assert reads == [40, *(number for number in range(80, 120) if number % 5)]
    assert {sent(number).headers["X-Client-ID"] for number in reads} == {STANDARD_CLIENT}
    assert {sent(number).detail["client"] for number in reads} == {STANDARD_CLIENT}
    assert CLIENT.name == PlaceOrder().name


def test_everything_else_is_an_ordinary_order() -> None:
    orders = {number: sent(number) for number in range(160) if sent(number).name != READ_ORDER}
    assert [order.key for order in orders.values()] == [f"order-{number:06d}" for number in orders]
    assert {order.headers["X-Client-ID"] for order in orders.values()} == {ORDINARY_CLIENT}


def test_what_a_client_is_told_of_its_limit_is_recorded() -> None:
    headers = {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "0", "retry-after": "3", "date": "today"}
    outcome, told = CLIENT.outcome(Answer(status=429, headers=headers, body=b'{"outcome": "rejected"}'))
    assert outcome is Outcome.REJECTED
    assert told == {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "0", "retry-after": "3"}


def test_it_survives_its_way_to_the_load_generator() -> None:
    assert operations.from_record(json.loads(json.dumps(operations.to_record(CLIENT)))) == CLIENT


@pytest.mark.parametrize(("first", "burst_from", "burst_to"), [(0, 1, 2), (5, 5, 9), (1, 9, 9)])
def test_a_client_that_is_not_greedy_is_refused(first: int, burst_from: int, burst_to: int) -> None:
    with pytest.raises(ConfigError):
        GreedyClient(first=first, burst_from=burst_from, burst_to=burst_to)
