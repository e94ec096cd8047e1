"""Where records go, as whoever has something to record needs to know it."""

from typing import Protocol

from harness.recording.records import Stream


class Notes(Protocol):
    """Takes records; `harness.recording.recorder.Recorder` is one. Threads may note at the same time."""

    def note(self, stream: Stream, record: object) -> None:
        """Append one record to a stream. A kill after this returned does not lose it."""
        ...
