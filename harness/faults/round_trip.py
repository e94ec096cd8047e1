"""How long one question and its answer take, or how they fail, in the words of each protocol.

A fault's effect is measured from outside, on the wire, because a control plane only says what it was told.
Each question is the cheapest one a server answers without knowing who asks: HTTP `HEAD /`, PostgreSQL's
SSLRequest, Redis' PING, Kafka's ApiVersions.

A question has a connection of its own. PostgreSQL answers only one SSLRequest a connection, and a connection
that was open before would not show that new ones are refused. The time counts from when the question is sent:
connecting is left out, because a proxy accepts at once whatever is wrong behind it. What is left of the
proxy's own connecting is a few tenths of a millisecond. The clock ticks in nanoseconds; the scheduler decides
the precision, so a figure always comes with the spread of several round trips.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Clock, Deadline
from harness.faults.questions import LANGUAGES, Language
from harness.stack import Address, WireProtocol

_READ_BYTES = 65_536


class Ending(StrEnum):
    """How one round trip ended."""

    ANSWERED = "answered"
    REFUSED = "refused"  # nobody listens
    CLOSED = "closed"  # accepted, then ended without an answer
    RESET = "reset"  # accepted, then ended by a TCP reset
    SILENT = "silent"  # no answer and no end within the time-out
    FOREIGN = "foreign"  # an answer that is not in the protocol


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """One question and what came of it.

    Attributes:
        seconds: From sending the question to the last byte of the answer, or to the end it found.
        bytes_moved: Sent and received together.
    """

    ending: Ending
    seconds: float
    bytes_moved: int = 0


def round_trip(
    address: Address,
    protocol: WireProtocol,
    *,
    timeout_s: float,
    padding: int = 0,
    clock: Clock = SYSTEM_CLOCK,
) -> RoundTrip:
    """Ask once and wait for the whole answer.

    Args:
        address: A server's, or a proxy's entrance.
        protocol: What is spoken there.
        timeout_s: For connecting and answering together; when it is over the ending is `SILENT`.
        padding: Bytes to make the question longer by, at most `padding_limit`.
        clock: What measures.
    """
    language = LANGUAGES[protocol]
    deadline = Deadline.after(timeout_s, clock)
    began = clock.now_ns()
    moved = 0
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s) as connection:
            # Without this the end of a padded question could wait for the acknowledgement of its beginning.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = clock.now_ns()
            ending, moved = _converse(connection, language, language.question(padding), deadline)
    except ConnectionRefusedError:
        ending = Ending.REFUSED
    except TimeoutError:
        ending = Ending.SILENT
    except ConnectionError:
        ending = Ending.RESET
    except OSError:  # no way there at all, as after a container's network is taken away
        ending = Ending.REFUSED
    return RoundTrip(ending=ending, seconds=(clock.now_ns() - began) / NS_PER_S, bytes_moved=moved)


def _converse(
    connection: socket.socket, language: Language, question: bytes, deadline: Deadline
) -> tuple[Ending, int]:
    """Ask on an open connection; the bytes moved are those of the question and what came of its answer."""
    connection.settimeout(max(deadline.left_s, 0.001))
    connection.sendall(question)
    answer = b""
    while True:
        connection.settimeout(max(deadline.left_s, 0.001))
        part = connection.recv(_READ_BYTES)
        answer += part
        moved = len(question) + len(answer)
        complete = language.complete(answer)
        if complete is None:
            return Ending.FOREIGN, moved
        if complete:
            return Ending.ANSWERED, moved
        if not part:
            return Ending.CLOSED, moved


@dataclass(frozen=True, kw_only=True)
class RoundTrips:
    """Several round trips to one address."""

    each: tuple[RoundTrip, ...]

    def count(self, *endings: Ending) -> int:
        """How many ended in one of these ways."""
        return sum(trip.ending in endings for trip in self.each)

    @property
    def answered_ms(self) -> list[float]:
        """How long the answered ones took."""
        return [trip.seconds * 1000 for trip in self.each if trip.ending is Ending.ANSWERED]

    @property
    def all_answered(self) -> bool:
        """Whether there was an answer to each."""
        return len(self.answered_ms) == len(self.each)

    @property
    def median_ms(self) -> float:
        """The median of the answered ones; ask `all_answered` first."""
        return median(self.answered_ms)

    @property
    def spread_ms(self) -> float:
        """Half the width of the middle half of the answered ones: half of them lie within ± this."""
        if len(self.answered_ms) < 2:
            return 0.0
        low, _, high = quantiles(self.answered_ms, n=4, method="inclusive")
        return (high - low) / 2

    def endings(self) -> str:
        """For people: "2 answered, 1 silent"."""
        return ", ".join(f"{count} {ending}" for ending in Ending if (count := self.count(ending)))


def round_trips(
    address: Address,
    protocol: WireProtocol,
    *,
    times: int,
    timeout_s: float,
    at_once: int = 1,
    padding: int = 0,
) -> RoundTrips:
    """Ask `times` times, `at_once` at a time; the whole takes `timeout_s` × times / at_once at most."""

    def one(_: int) -> RoundTrip:
        return round_trip(address, protocol, timeout_s=timeout_s, padding=padding)

    if at_once == 1:  # in this thread: a hand-over between threads would be measured as well
        return RoundTrips(each=tuple(one(number) for number in range(times)))
    with ThreadPoolExecutor(at_once, thread_name_prefix="round-trip") as pool:
        return RoundTrips(each=tuple(pool.map(one, range(times))))


class HeldConnection:
    """A connection opened before a fault, to see what the fault does to those that are open."""

    def __init__(self, address: Address, timeout_s: float = 1.0) -> None:
        """Connect; `ended_within` is False for ever if nobody listens."""
        self._socket: socket.socket | None = None
        with suppress(OSError):
            self._socket = socket.create_connection((address.host, address.port), timeout=timeout_s)

    @property
    def connected(self) -> bool:
        """Whether there was a connection in the first place."""
        return self._socket is not None

    def ended_within(self, seconds: float) -> bool:
        """Whether the other side ends it (EOF or reset) within `seconds`."""
        if self._socket is None:
            return False
        self._socket.settimeout(max(seconds, 0.001))
        try:
            return self._socket.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Let go of it. Safe twice."""
        if self._socket is not None:
            self._socket.close()


def listens(address: Address, timeout_s: float) -> bool:
    """Whether somebody accepts a connection; that alone does not mean that it answers."""
    try:
        socket.create_connection((address.host, address.port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def refusals(address: Address, *, times: int, timeout_s: float) -> int:
    """How many of `times` connections are refused."""
    refused = 0
    for _ in range(times):
        try:
            socket.create_connection((address.host, address.port), timeout=timeout_s).close()
        except ConnectionRefusedError:
            refused += 1
        except OSError:
            continue
    return refused
