import threading
from dataclasses import dataclass, field

import pytest

from harness.clock import wait_until
from harness.errors import ConfigError, ProbeError, RecordingError
from harness.probes import Json
from harness.probes.polling import Polling, final_readings, read_once
from harness.recording.records import Reading, Stream
from harness.stack import Stack
from tests.probes.fake_target import Addresses


@dataclass
class Scripted:
    """A probe that answers as told."""

    name: str = "lag"
    value: Json = 1
    error: Exception | None = None
    block: threading.Event | None = None
    reads: int = 0

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        self.reads += 1
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
    )
    assert [(r.probe, r.final, r.value, r.error) for r in found] == [
        ("ledger", True, [], ""),
        ("lag", True, None, "gone"),
    ]
    assert notes.readings == list(found)


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
