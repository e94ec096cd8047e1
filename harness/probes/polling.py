"""Reading probes again and again during a drill, and once more when everything has had its time.

Each probe has a thread of its own: one that waits for a paused database must not keep the others from
looking. A reading that failed is recorded as well, with its error; a gap in the recording would look like
peace.
"""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Clock, Deadline, wait_until
from harness.errors import ConfigError, DrillError, ProbeError
from harness.probes import Probe
from harness.recording.notes import Notes
from harness.recording.records import Reading, Stream
from harness.stack import Stack

_PAUSE_S = 0.25  # between two tries of a final reading
_SHORTEST_TRY_S = 0.5  # with less time left another try would only fail for want of it


def read_once(
    probe: Probe, stack: Stack, *, timeout_s: float, final: bool = False, clock: Clock = SYSTEM_CLOCK
) -> Reading:
    """One reading; what the probe could not see is in its `error`."""
    at_ns = clock.now_ns()
    value, error = None, ""
    try:
        value = probe.read(stack, timeout_s=timeout_s)
    except ProbeError as trouble:
        error = str(trouble)
    except Exception as trouble:  # noqa: BLE001 - a probe that breaks must not end the watching
        error = f"{probe.name} broke: {type(trouble).__name__}: {trouble}"
    return Reading(
        probe=probe.name, at_ns=at_ns, took_ns=clock.now_ns() - at_ns, value=value, final=final, error=error
    )


def final_readings(
    probes: Sequence[Probe], stack: Stack, recorder: Notes, *, timeout_s: float, clock: Clock = SYSTEM_CLOCK
) -> tuple[Reading, ...]:
    """Read every probe one last time, in order, and record it. Call it when load and polling have ended.

    A whole drill rests on each of them, so a hiccup must not cost it: a probe that could not look looks again while its
    time lasts. Each try is recorded, with the reason why it failed.

    Args:
        probes: What to read.
        stack: Where to look.
        recorder: Where the readings go.
        timeout_s: For all tries of one probe; half of it for each, so that one which hangs leaves time for another.
        clock: What stamps the readings and measures the time.

    Returns:
        The last reading of each probe.

    Raises:
        RecordingError: A reading could not be written down.
    """
    return tuple(_final_reading(probe, stack, recorder, timeout_s, clock) for probe in probes)


def _final_reading(probe: Probe, stack: Stack, recorder: Notes, timeout_s: float, clock: Clock) -> Reading:
    deadline = Deadline.after(timeout_s, clock)

    def look() -> Reading | None:
        reading = read_once(
            probe, stack, timeout_s=min(timeout_s / 2, deadline.left_s), final=True, clock=clock
        )
        recorder.note(Stream.READINGS, reading)
        over = deadline.left_s < _PAUSE_S + _SHORTEST_TRY_S
        return reading if over or not reading.error else None

    return wait_until(
        look, within_s=timeout_s, what=f"a final reading of {probe.name}", every_s=_PAUSE_S, clock=clock
    )


class Polling:
    """Probes being read from `start` to `stop`.

    Args:
        probes: What to read; their names must differ.
        every_s: From the beginning of one reading to the beginning of the next; a reading that takes longer
            is followed by the next at once, and the ones in between are left out.
        timeout_s: For one reading.
        clock: What stamps the readings and decides when the next is due.
    """

    def __init__(
        self, probes: Sequence[Probe], *, every_s: float, timeout_s: float = 5.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        names = [probe.name for probe in probes]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ConfigError(
                f"two probes are called {doubled[0]!r}: their readings could not be told apart. Name them."
            )
        if every_s <= 0:
            raise ConfigError(f"every_s must be above 0, got {every_s}. Try 1.")
        self._probes = tuple(probes)
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._latest: dict[str, Reading] = {}
        self._trouble: list[BaseException] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except DrillError:
            if error is None:  # else something is being told already, perhaps that somebody stopped us
                raise

    def start(self, stack: Stack, recorder: Notes) -> None:
        """Begin; each probe is read at once and then every `every_s`."""
        for probe in self._probes:
            thread = threading.Thread(
                target=self._poll, args=(probe, stack, recorder), name=f"probe {probe.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def latest(self, name: str) -> Reading | None:
        """The newest reading of a probe, for the live display."""
        return self._latest.get(name)

    def stop(self) -> None:
        """End, once the readings that are under way are recorded. Safe twice.

        Raises:
            RecordingError: A reading could not be written down; the first such trouble.
            ProbeError: A probe does not end.
        """
        self._stopping.set()
        for thread in self._threads:
            thread.join(self._timeout_s + 5.0)
        hanging = [thread.name for thread in self._threads if thread.is_alive()]
        self._threads.clear()
        if self._trouble:
            raise self._trouble.pop(0)
        if hanging:  # left behind as a daemon, whose line would come when the recording is closed
            raise ProbeError(
                f"{', '.join(hanging)} is still looking {self._timeout_s + 5.0:g} s after it was to end: it does not "
                "keep to its time-out, and what it sees would come after the end of the recording"
            )

    def _poll(self, probe: Probe, stack: Stack, recorder: Notes) -> None:
        due_ns = self._clock.now_ns()
        try:
            while not self._stopping.is_set():
                reading = read_once(probe, stack, timeout_s=self._timeout_s, clock=self._clock)
                recorder.note(Stream.READINGS, reading)
                self._latest[probe.name] = reading
                due_ns = max(due_ns + round(self._every_s * NS_PER_S), self._clock.now_ns())
                # An event and not the clock's sleep, so that stopping does not wait for the next reading.
                self._stopping.wait((due_ns - self._clock.now_ns()) / NS_PER_S)
        except Exception as trouble:  # noqa: BLE001 - told by stop(), in the thread that can act on it
            self._trouble.append(trouble)
