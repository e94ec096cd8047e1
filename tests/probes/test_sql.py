import json
import math
import socket
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ProbeError
from harness.probes.sql import SqlTable, as_plain
from harness.stack import Address
from tests.probes.fake_target import stack_of
from tests.stack.loopback import Loopback, free_port, silent_server

ORDERS = SqlTable(name="orders", database="shop", query="select * from orders order by id")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("x", "x"),
        (1.5, 1.5),
        (math.inf, "inf"),
        (Decimal("12.00"), 12),
        (Decimal("12.50"), "12.50"),
        (Decimal("NaN"), "NaN"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (datetime(1970, 1, 1, 0, 0, 1, 500_999, tzinfo=UTC), 1500),
        (datetime(1970, 1, 1, 0, 0, 1), 1000),  # noqa: DTZ001 - a column without a zone
        (datetime(1970, 1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=1))), 0),
        (timedelta(seconds=2, microseconds=1), 2000),
        (date(2026, 11, 22), "2026-11-22"),
        (b"\x01\xff", "01ff"),
        ([Decimal(1), UUID(int=1)], [1, "00000000-0000-0000-0000-000000000001"]),
        ({"a": Decimal("0.1")}, {"a": "0.1"}),
    ],
)
def test_a_value_is_said_exactly_in_json(value: object, plain: object) -> None:
    assert as_plain(value) == plain
    assert json.loads(json.dumps(as_plain(value), allow_nan=False)) == plain


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_no_money_is_lost_on_the_way_through_json(amount: Decimal) -> None:
    plain = as_plain(amount)
    assert isinstance(plain, int | str)
    assert Decimal(plain) == amount


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_rounded_down_to_whole_milliseconds(moment: datetime) -> None:
    plain = as_plain(moment)
    assert isinstance(plain, int)
    back = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=plain)
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)


def test_a_value_without_an_agreed_form_is_refused_and_not_guessed() -> None:
    with pytest.raises(ProbeError, match="Cast it in the query"):
        as_plain(object())


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with silent_server() as silent, pytest.raises(ProbeError, match=r"did not answer within 0\.2 s"):
        ORDERS.read(stack_of(postgres=silent.address), timeout_s=0.2)


def test_a_dead_server_and_a_stranger_are_probe_errors() -> None:
    def babble(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ProbeError, match="database 'shop' of postgres"):
        ORDERS.read(stack_of(postgres=Address("127.0.0.1", free_port())), timeout_s=1)
    with Loopback(babble) as stranger, pytest.raises(ProbeError, match="orders: "):
        ORDERS.read(stack_of(postgres=stranger.address), timeout_s=1)
