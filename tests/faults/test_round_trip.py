import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.faults.questions import padding_limit
from harness.faults.round_trip import (
    Ending,
    HeldConnection,
    RoundTrip,
    RoundTrips,
    refusals,
    round_trip,
    round_trips,
)
from harness.stack import Address, WireProtocol
from tests.stack.loopback import Loopback, free_port, ping_server, reset, silent_server

PROTOCOLS = pytest.mark.parametrize("protocol", list(WireProtocol))


@PROTOCOLS
def test_each_protocol_is_asked_in_its_own_words(protocol: WireProtocol) -> None:
    with ping_server(protocol) as server:
        trip = round_trip(server.address, protocol, timeout_s=2)
    assert trip.ending is Ending.ANSWERED
    assert 0 < trip.seconds < 2


@PROTOCOLS
def test_a_padded_question_moves_as_many_bytes_as_are_needed_to_tell_a_rate(protocol: WireProtocol) -> None:
    with ping_server(protocol) as server:
        trip = round_trip(server.address, protocol, timeout_s=2, padding=padding_limit(protocol))
    assert trip.ending is Ending.ANSWERED
    assert trip.bytes_moved >= 8_000


def test_nobody_there_is_refused() -> None:
    trip = round_trip(Address("127.0.0.1", free_port()), WireProtocol.HTTP, timeout_s=1)
    assert trip.ending is Ending.REFUSED
    assert refusals(Address("127.0.0.1", free_port()), times=3, timeout_s=1) == 3


@PROTOCOLS
def test_accepting_and_saying_nothing_is_silence_and_not_waited_for_without_end(
    protocol: WireProtocol,
) -> None:
    with silent_server() as server:
        trip = round_trip(server.address, protocol, timeout_s=0.1)
    assert trip.ending is Ending.SILENT


def test_ending_without_an_answer_and_ending_by_a_reset_are_told_apart() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(65_536)

    def slam(connection: socket.socket) -> None:
        connection.recv(65_536)
        reset(connection)

    with Loopback(hang_up) as closing, Loopback(slam) as resetting:
        assert round_trip(closing.address, WireProtocol.REDIS, timeout_s=2).ending is Ending.CLOSED
        assert round_trip(resetting.address, WireProtocol.REDIS, timeout_s=2).ending is Ending.RESET


@PROTOCOLS
def test_an_answer_in_another_protocol_is_foreign_and_no_answer(protocol: WireProtocol) -> None:
    def babble(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"\x15\x03\x01 this is nobody's protocol")

    with Loopback(babble) as server:
        assert round_trip(server.address, protocol, timeout_s=2).ending is Ending.FOREIGN


def test_an_answer_in_pieces_counts_when_the_last_has_come() -> None:
    def in_pieces(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"+PO")
        time.sleep(0.05)  # what is measured: an answer is timed to its last byte
        connection.sendall(b"NG\r\n")

    with Loopback(in_pieces) as server:
        trip = round_trip(server.address, WireProtocol.REDIS, timeout_s=2)
    assert trip.ending is Ending.ANSWERED
    assert trip.seconds >= 0.05


def test_round_trips_at_once_overlap() -> None:
    all_there = threading.Barrier(5)

    def answer_all_or_nobody(connection: socket.socket) -> None:
        connection.recv(65_536)
        all_there.wait(10)
        connection.sendall(b"+PONG\r\n")

    with Loopback(answer_all_or_nobody) as server:
        found = round_trips(server.address, WireProtocol.REDIS, times=5, timeout_s=10, at_once=5)
    assert found.all_answered


@given(st.lists(st.floats(0.001, 10), min_size=2, max_size=15))
def test_the_median_lies_among_the_round_trips_and_the_spread_within_their_range(
    seconds: list[float],
) -> None:
    found = RoundTrips(each=tuple(RoundTrip(ending=Ending.ANSWERED, seconds=s) for s in seconds))
    low, high = min(seconds) * 1000, max(seconds) * 1000
    assert low <= found.median_ms <= high
    assert 0 <= found.spread_ms <= (high - low) / 2 + 1e-6


def test_what_did_not_answer_is_counted_and_kept_out_of_the_median() -> None:
    found = RoundTrips(
        each=(
            RoundTrip(ending=Ending.ANSWERED, seconds=0.001),
            RoundTrip(ending=Ending.SILENT, seconds=2.0),
            RoundTrip(ending=Ending.REFUSED, seconds=0.0),
        )
    )
    assert not found.all_answered
    assert found.median_ms == pytest.approx(1.0)
    assert found.endings() == "1 answered, 1 refused, 1 silent"


def test_a_held_connection_tells_when_the_other_side_ends_it() -> None:
    with ping_server(WireProtocol.REDIS) as server:
        held = HeldConnection(server.address)
        assert held.connected
        assert not held.ended_within(0.05)
        server.refuse()
        assert held.ended_within(2)
        held.close()
    assert not HeldConnection(server.address).connected
