"""What clients, faults and probes did and saw, read back from disk. It is all a checker may see.

A history is loaded from the run directory even in the run that has just written it, so judging again on
another machine cannot see more or less. Bad input is expected: a killed run leaves torn lines, a copied
directory lacks a file. What is wrong is noted as damage to the stream it was found in, and whoever judges
watches which streams a claim looks at: a claim that leans on a damaged one is never green.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import polars as pl

from harness.recording.clock_jumps import jumps
from harness.recording.episodes import FaultEpisode, Span, fault_episodes, phase_spans
from harness.recording.operations import load_operations
from harness.recording.readings import Observed, ReadingIndex, ReadingLine
from harness.recording.records import FaultNoted, Phase, PhaseStarted, RunInfo, Stall, Stream
from harness.recording.rundir import COMPLETED, Extent, digest, extent, read_records, read_run, stream_path

T = TypeVar("T")
R = TypeVar("R")


class History:
    """One run, as recorded. Made by `History.load`; nothing in it changes."""

    def __init__(self, run_dir: Path, run: RunInfo) -> None:
        self.run_dir = run_dir
        self.run = run
        self._damage: dict[Stream, list[str]] = {stream: [] for stream in Stream}
        self._watchers: list[set[Stream]] = []
        self._extents: dict[Stream, Extent | None] = {
            stream: self._size_up(stream) for stream in Stream if stream is not Stream.FINDINGS
        }
        with ThreadPoolExecutor(1) as beside:  # digests take as long as counting, and nothing waits for them
            changed = {
                stream: beside.submit(self._was_changed, stream)
                for stream in self._extents
                if not self._damage[stream]
            }
            self._operations = self._columns(Stream.OPERATIONS)
            self._phases = self._assembled(Stream.PHASES, PhaseStarted, phase_spans)
            self._faults = self._assembled(Stream.FAULTS, FaultNoted, fault_episodes)
            self._machine = self._assembled(Stream.MACHINE, Stall, _in_order)
            self._disk = self._assembled(Stream.DISK, Stall, _in_order)
            self._readings = self._indexed(Stream.READINGS)
            for stream, told in jumps(run.promised, self._began_ns(), self._latest_ns()).items():
                self._damage[stream].append(told)
            for stream, answer in changed.items():
                if answer.result():
                    self._damage[stream].append(
                        "its lines are not those that were recorded: it was changed after the run had ended"
                    )

    @classmethod
    def load(cls, run_dir: Path) -> "History":
        """Read a run directory, also one that a killed run left behind.

        Raises:
            RecordingError: It has no `run.json` that can be read and is of our format, or a stream is
                there and may not be read.
        """
        return cls(run_dir, read_run(run_dir))

    @property
    def completed(self) -> bool:
        """Whether the run came to its planned end."""
        return self.run.ended == COMPLETED

    @property
    def operations(self) -> pl.DataFrame:
        """One row an operation, in the order they were sent; see `load_operations` for the columns."""
        self._touch(Stream.OPERATIONS)
        return self._operations

    def phase(self, phase: Phase) -> Span | None:
        """When a phase was; None if it was not reached or its end is unknown."""
        self._touch(Stream.PHASES)
        return self._phases.get(phase.value)

    @property
    def faults(self) -> tuple[FaultEpisode, ...]:
        """Every fault that was requested, by its number."""
        self._touch(Stream.FAULTS)
        return self._faults

    @property
    def machine(self) -> tuple[Stall, ...]:
        """The heartbeat's lines in the order of time, those without a stall too."""
        self._touch(Stream.MACHINE)
        return self._machine

    @property
    def disk(self) -> tuple[Stall, ...]:
        """The same of the disk that the target works on."""
        self._touch(Stream.DISK)
        return self._disk

    @property
    def probes(self) -> tuple[str, ...]:
        """The names of all probes that ever looked."""
        self._touch(Stream.READINGS)
        return self._readings.probes

    def reading_lines(self, probe: str) -> tuple[ReadingLine, ...]:
        """A probe's readings without their values, the failed ones too."""
        self._touch(Stream.READINGS)
        return self._readings.lines(probe)

    def readings(self, probe: str, span: Span | None = None) -> Iterator[Observed]:
        """A probe's successful readings, or those that began within `span`, in the order of time."""
        for line in self.reading_lines(probe):
            if not line.error and (span is None or span.start_ns <= line.at_ns < span.end_ns):
                yield Observed(
                    at_ns=line.at_ns, took_ns=line.took_ns, final=line.final, value=self._readings.value(line)
                )

    def final_reading(self, probe: str) -> Any | None:
        """What a probe saw after everything had its time to settle; None if it could not look."""
        self._touch(Stream.READINGS)
        line = self._readings.final(probe)
        return None if line is None else self._readings.value(line)

    def final_line(self, probe: str) -> ReadingLine | None:
        """The final reading without its value."""
        self._touch(Stream.READINGS)
        return self._readings.final(probe)

    def reading_text(self, line: ReadingLine) -> bytes:
        """The JSON text of one reading's value."""
        self._touch(Stream.READINGS)
        return self._readings.text(line)

    def reading_rows(self, line: ReadingLine) -> Sequence[msgspec.Raw] | None:
        """The JSON text of each item of one reading's value, for who wants columns; None if it is no list."""
        self._touch(Stream.READINGS)
        return self._readings.rows(line)

    @property
    def wall_offset_ns(self) -> int:
        """What to add to a moment of the wall clock to have it on the run's own clock."""
        return self.run.anchor_ns - self.run.anchor_wall_ns

    @property
    def wall_drift_ns(self) -> int | None:
        """How far the wall clock was set, or ran away, from there at most; None if nobody looked."""
        told = [beat.wall_ns - beat.at_ns + self.wall_offset_ns for beat in self.machine if beat.wall_ns]
        return max(map(abs, told), default=None)

    @property
    def damage(self) -> tuple[str, ...]:
        """Everything that is wrong with the recording, each with the stream it was found in."""
        return self.damage_to(tuple(Stream))

    def damage_to(self, streams: Collection[Stream]) -> tuple[str, ...]:
        """What is wrong with some of the streams."""
        found = [
            f"{stream.value}: {text}"
            for stream in Stream
            if stream in streams
            for text in self._damage[stream]
        ]
        if streams and self.completed and not self.run.lines:
            found.append("run.json: says completed but not how many lines each stream had; some may be lost")
        return tuple(found)

    @contextmanager
    def watched(self) -> Iterator[set[Stream]]:
        """Collect the streams that are looked at meanwhile.

        A checker does not declare what it depends on: it could forget one.
        """
        touched: set[Stream] = set()
        self._watchers.append(touched)
        try:
            yield touched
        finally:
            self._watchers.pop()

    def _touch(self, stream: Stream) -> None:
        for watcher in self._watchers:
            watcher.add(stream)

    def _size_up(self, stream: Stream) -> Extent | None:
        """How much of a stream is there; None without a file. Notes what is missing."""
        promised = self.run.lines.get(stream.value, 0 if self.run.lines else None)
        path = stream_path(self.run_dir, stream)
        found = extent(path)
        damage = self._damage[stream]
        if found is None:
            # A stream that a completed run never had was empty: a drill without a fault has no `faults`.
            if promised or stream.value in self.run.lines or not self.completed:
                damage.append("the file is missing")
            return None
        if found.torn_bytes:
            damage.append(f"the last line was torn, {found.torn_bytes} bytes were left out")
        if promised is not None and found.lines < promised:
            damage.append(f"{promised - found.lines} of {promised} lines are missing")
        elif promised is not None and found.lines > promised:
            damage.append(f"{found.lines - promised} lines came after the run had ended")
        return found

    def _was_changed(self, stream: Stream) -> bool:
        recorded = self.run.digests.get(stream.value, "")
        return bool(recorded) and digest(stream_path(self.run_dir, stream)) != recorded

    def _began_ns(self) -> int:
        return min((span.start_ns for span in self._phases.values()), default=self.run.anchor_ns)

    def _latest_ns(self) -> dict[Stream, int | None]:
        """The latest moment that each stream tells."""
        moments: dict[Stream, list[Any]] = {
            Stream.OPERATIONS: [self._operations[name].max() for name in ("sent_ns", "done_ns")],
            Stream.PHASES: [span.end_ns for span in self._phases.values()],
            Stream.FAULTS: [
                at_ns
                for fault in self._faults
                for at_ns in (fault.requested_ns, fault.active_ns, fault.healing_ns, fault.healed_ns)
            ],
            Stream.READINGS: [
                line.at_ns for probe in self._readings.probes for line in self._readings.lines(probe)
            ],
            Stream.MACHINE: [beat.at_ns for beat in self._machine],
            Stream.DISK: [beat.at_ns for beat in self._disk],
        }
        return {
            stream: max((at_ns for at_ns in found if at_ns is not None), default=None)
            for stream, found in moments.items()
        }

    def _columns(self, stream: Stream) -> pl.DataFrame:
        operations, damage = load_operations(stream_path(self.run_dir, stream), self._extents[stream])
        self._damage[stream] += damage
        return operations

    def _assembled(
        self, stream: Stream, kind: type[R], assemble: Callable[[list[R]], tuple[T, list[str]]]
    ) -> T:
        if self._extents[stream] is None:
            return assemble([])[0]
        records, broken = read_records(self.run_dir, stream, kind)
        assembled, damage = assemble(records)
        self._damage[stream] += [*broken, *damage]
        return assembled

    def _indexed(self, stream: Stream) -> ReadingIndex:
        path = stream_path(self.run_dir, stream)
        if self._extents[stream] is None:
            return ReadingIndex(path, ())
        index, damage = ReadingIndex.build(path)
        self._damage[stream] += damage
        return index


def _in_order(beats: list[Stall]) -> tuple[tuple[Stall, ...], list[str]]:
    jumped = any(later.at_ns < earlier.at_ns for earlier, later in pairwise(beats))
    return tuple(beats), ["heartbeats lie before the ones they follow: the clock jumped"] if jumped else []
