import threading
from dataclasses import dataclass, field

import pytest

from harness.clock import NS_PER_S, wait_until
from harness.errors import ConfigError, ProbeError, RecordingError
from harness.probes import Json
from harness.probes.polling import Polling, final_readings, read_once
from harness.recording.records import Reading, Stream
from harness.stack import Stack
from tests.probes.fake_target import Addresses


@dataclass
class HandClock:
    """A clock that only moves when somebody sleeps by it."""

    at_ns: int = 0

    def now_ns(self) -> int:
        return self.at_ns

    def wall_ns(self) -> int:
        return self.at_ns

    def sleep(self, seconds: float) -> None:
        self.at_ns += round(seconds * NS_PER_S)


@dataclass
class Scripted:
    """A probe that answers as told, `errors` first; with a clock, failing takes it `hangs_s` or all of its time."""

    name: str = "lag"
    value: Json = 1
    error: Exception | None = None
    block: threading.Event | None = None
    reads: int = 0
    errors: list[Exception] = field(default_factory=list)
    clock: HandClock | None = None
    hangs_s: float = 0.0
    timeouts_s: list[float] = field(default_factory=list)

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        self.reads += 1
        self.timeouts_s.append(timeout_s)
        if self.clock is not None and (self.errors or self.error):
            self.clock.sleep(min(self.hangs_s, timeout_s))
        if self.errors:
            raise self.errors.pop(0)
        if self.block is not None:
            self.block.wait(5)
        if self.error is not None:
            raise self.error
        return self.value


@dataclass
class ListOfReadings:
    """A recorder in memory."""

    readings: list[Reading] = field(default_factory=list)
    full: bool = False

    def note(self, stream: Stream, record: object) -> None:
        assert stream is Stream.READINGS
        assert isinstance(record, Reading)
        if self.full:
            raise RecordingError("the disk is full")
        self.readings.append(record)

    def of(self, name: str) -> list[Reading]:
        return [reading for reading in self.readings if reading.probe == name]


def test_each_probe_is_read_again_and_again() -> None:
    notes, probe = ListOfReadings(), Scripted()
    with Polling([probe], every_s=0.001) as polling:
        polling.start(Addresses(), notes)
        wait_until(lambda: len(notes.readings) >= 3, within_s=5, what="three readings", every_s=0.001)
        newest = polling.latest("lag")
    assert newest is not None
    assert newest.value == 1
    assert all(a.at_ns < b.at_ns for a, b in zip(notes.readings, notes.readings[1:], strict=False))


def test_one_that_waits_does_not_keep_the_others_from_looking() -> None:
    held = threading.Event()
    notes = ListOfReadings()
    with Polling([Scripted(name="paused database", block=held), Scripted()], every_s=0.001) as polling:
        polling.start(Addresses(), notes)
        wait_until(lambda: len(notes.of("lag")) >= 3, within_s=5, what="three readings", every_s=0.001)
        assert notes.of("paused database") == []
        held.set()
    assert len(notes.of("paused database")) >= 1


@pytest.mark.parametrize(
    ("trouble", "said"),
    [(ProbeError("no coordinator"), "no coordinator"), (KeyError("leader"), "lag broke: KeyError: 'leader'")],
)
def test_a_reading_that_failed_is_recorded_with_its_error(trouble: Exception, said: str) -> None:
    reading = read_once(Scripted(error=trouble), Addresses(), timeout_s=1)
    assert reading.value is None
    assert reading.error == said
    assert reading.took_ns >= 0


def test_the_final_reading_is_marked_and_missing_ones_are_there_with_their_error() -> None:
    notes = ListOfReadings()
    found = final_readings(
        [Scripted(name="ledger", value=[]), Scripted(error=ProbeError("gone"))],
        Addresses(),
        notes,
        timeout_s=1,
        clock=HandClock(),
    )
    assert [(r.probe, r.final, r.value, r.error) for r in found] == [
        ("ledger", True, [], ""),
        ("lag", True, None, "gone"),
    ]
    assert [notes.readings[0], notes.readings[-1]] == list(found)


def test_a_hiccup_does_not_cost_the_final_reading_and_is_recorded() -> None:
    notes, probe = ListOfReadings(), Scripted(value=[1], errors=[ProbeError("no connection"), KeyError("x")])
    (found,) = final_readings([probe], Addresses(), notes, timeout_s=15, clock=HandClock())
    assert (found.value, found.error, found.final) == ([1], "", True)
    assert [(r.final, r.error) for r in notes.readings] == [
        (True, "no connection"),
        (True, "lag broke: KeyError: 'x'"),
        (True, ""),
    ]


def test_a_final_reading_that_hangs_once_leaves_time_for_another() -> None:
    clock = HandClock()
    probe = Scripted(value=[1], errors=[ProbeError("timed out")], clock=clock, hangs_s=100)
    (found,) = final_readings([probe], Addresses(), ListOfReadings(), timeout_s=15, clock=clock)
    assert found.value == [1]
    assert probe.timeouts_s[0] == 7.5


def test_all_tries_of_a_final_reading_keep_to_its_time() -> None:
    clock = HandClock()
    probe = Scripted(error=ProbeError("timed out"), clock=clock, hangs_s=100)
    began_ns = clock.now_ns()
    (found,) = final_readings([probe], Addresses(), ListOfReadings(), timeout_s=15, clock=clock)
    assert found.error == "timed out"
    assert clock.now_ns() - began_ns <= 15 * NS_PER_S


def test_stopping_does_not_wait_for_the_next_reading_and_nothing_is_read_after() -> None:
    notes, probe = ListOfReadings(), Scripted()
    polling = Polling([probe], every_s=3600)
    polling.start(Addresses(), notes)
    wait_until(lambda: bool(notes.readings), within_s=5, what="the first reading", every_s=0.001)
    polling.stop()
    polling.stop()
    assert probe.reads == 1


def test_a_reading_that_cannot_be_written_down_is_told_by_stop() -> None:
    probe = Scripted()
    polling = Polling([probe], every_s=0.001)
    polling.start(Addresses(), ListOfReadings(full=True))
    wait_until(lambda: probe.reads > 0, within_s=5, what="a reading", every_s=0.001)
    with pytest.raises(RecordingError, match="disk is full"):
        polling.stop()
    assert probe.reads == 1


def test_two_probes_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two probes are called 'lag'"):
        Polling([Scripted(), Scripted()], every_s=1)
    with pytest.raises(ConfigError, match="every_s"):
        Polling([Scripted()], every_s=0)
