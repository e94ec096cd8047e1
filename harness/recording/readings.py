"""What probes saw. The values stay on disk until they are asked for.

A final reading can be a whole table; as Python objects it takes ten times the space of its JSON text. The
index holds where each value lies, and a checker that wants columns parses the text straight into them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.recording.rundir import UNREADABLE, Nanoseconds, whole_lines


@dataclass(frozen=True, kw_only=True)
class ReadingLine:
    """One reading without its value.

    Attributes:
        offset, length: Where its line lies in the file, in bytes.
    """

    probe: str
    at_ns: int
    took_ns: int
    final: bool
    error: str
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One reading that succeeded, with its value as Python objects."""

    at_ns: int
    took_ns: int
    final: bool
    value: Any


class _Head(msgspec.Struct):
    probe: str
    at_ns: Nanoseconds
    took_ns: Nanoseconds
    value: msgspec.Raw = msgspec.Raw(b"null")
    final: bool = False
    error: str = ""


class _Rows(msgspec.Struct):
    value: list[msgspec.Raw]


class ReadingIndex:
    """Every reading of a run, by probe and in the order of time."""

    def __init__(self, path: Path, lines: Sequence[ReadingLine]) -> None:
        self._path = path
        self._by_probe: dict[str, list[ReadingLine]] = {}
        for line in lines:
            self._by_probe.setdefault(line.probe, []).append(line)

    @classmethod
    def build(cls, path: Path) -> tuple["ReadingIndex", list[str]]:
        """Index a file, and say what was wrong with it."""
        decoder = msgspec.json.Decoder(_Head)
        lines: list[ReadingLine] = []
        broken = jumps = 0
        last_ns: dict[str, int] = {}
        for line in whole_lines(path):
            try:
                head = decoder.decode(line.content)
                line.content.decode()  # the decoder skips over the value, this does not
            except UNREADABLE:
                broken += 1
                continue
            # Each probe looks once at a time, so its own readings are in order; those of two need not be.
            jumps += head.at_ns < last_ns.get(head.probe, head.at_ns)
            last_ns[head.probe] = head.at_ns
            lines.append(
                ReadingLine(
                    probe=head.probe,
                    at_ns=head.at_ns,
                    took_ns=head.took_ns,
                    final=head.final,
                    error=head.error,
                    offset=line.offset,
                    length=len(line.content),
                )
            )
        damage = []
        if broken:
            damage.append(f"{broken} lines could not be read and were left out")
        if jumps:
            damage.append(f"{jumps} readings lie before the ones they follow: the clock jumped")
        return cls(path, lines), damage

    @property
    def probes(self) -> tuple[str, ...]:
        """Every probe that ever looked."""
        return tuple(sorted(self._by_probe))

    def lines(self, probe: str) -> tuple[ReadingLine, ...]:
        """All readings of a probe, failed ones too, without their values."""
        return tuple(self._by_probe.get(probe, ()))

    def final(self, probe: str) -> ReadingLine | None:
        """The last final reading that succeeded."""
        finals = [line for line in self.lines(probe) if line.final and not line.error]
        return finals[-1] if finals else None

    def text(self, line: ReadingLine) -> bytes:
        """The value's JSON text, read from disk."""
        return bytes(msgspec.json.decode(self._content(line), type=_Head).value)

    def rows(self, line: ReadingLine) -> list[msgspec.Raw] | None:
        """The JSON text of each item of a value that is a list, read from disk; None if it is none."""
        try:
            return msgspec.json.decode(self._content(line), type=_Rows).value
        except msgspec.ValidationError:
            return None

    def _content(self, line: ReadingLine) -> bytes:
        with self._path.open("rb") as file:
            file.seek(line.offset)
            return file.read(line.length)

    def value(self, line: ReadingLine) -> Any:
        """The value as Python objects; None if its text cannot be parsed."""
        try:
            return msgspec.json.decode(self.text(line))
        except UNREADABLE:
            return None
