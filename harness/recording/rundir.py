"""The run directory as files: where each stream lies, and how to read one that a killed run left behind.

Every stream is JSON Lines, appended to and never rewritten, so that the worst a SIGKILL can do is to tear
the last line. `run.json` says how many lines each stream had when the run ended, and their digest: a stream
that lost whole lines later looks intact, and a lost or changed line may be the one that convicts.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from harness import full_disk
from harness.errors import RecordingError, RecordingLostError
from harness.recording.records import FORMAT_VERSION, Finding, RunInfo, Stream, Verdict

RUN_FILE = "run.json"
_READ_BYTES = 1 << 22
# What a decoder says of a line that is none of ours; the last of them, when it is nested too deeply to be one.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# What a clock can show. A recording may say anything, and beyond this no sum of two moments is one.
NANOSECONDS_MAX = 2**63 - 1
Nanoseconds = Annotated[int, msgspec.Meta(ge=-NANOSECONDS_MAX, le=NANOSECONDS_MAX)]
COMPLETED = "completed"
INTERRUPTED = "interrupted"

R = TypeVar("R")


def stream_path(run_dir: Path, stream: Stream) -> Path:
    """Where a stream's lines are."""
    return run_dir / f"{stream.value}.jsonl"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that decides. Nothing concluded at all is INCONCLUSIVE, not PASS."""
    return max(verdicts, key=lambda verdict: verdict.badness, default=Verdict.INCONCLUSIVE)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that whoever reads it sees the old one or the new one, never half of either.

    Raises:
        RecordingError: The folder cannot be written to.
        RecordingLostError: The disk is full.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # a file system that is read-only refuses to remove even what is not there
            draft.unlink(missing_ok=True)
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError, kind: type[RecordingError] = RecordingError) -> RecordingError:
    """What to say of a part of a run that could not be written, and what to do about it."""
    lost = f"wanted to write {path}, got {error.strerror}. What is not recorded cannot be judged. "
    if full_disk.was_met(error):
        advice = full_disk.told(
            path.parent,
            takes="A recording takes some MB a minute.",
            instead="choose another folder with --runs",
        )
        return RecordingLostError(f"{lost}The disk is full, and the drill cannot go on: {advice}")
    return kind(f"{lost}Check the folder's permissions, or choose another one with --runs.")


def write_run(run_dir: Path, run: RunInfo) -> None:
    """Write `run.json`, replacing an earlier one.

    Raises:
        RecordingError: It cannot be written.
    """
    write_atomically(run_dir / RUN_FILE, msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")


def read_run(run_dir: Path) -> RunInfo:
    """Read `run.json`.

    Raises:
        RecordingError: The folder is no run directory, its `run.json` is damaged, or its format is not ours.
    """
    path = run_dir / RUN_FILE
    refuse_no_file(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RecordingError(
            f"{run_dir} is no run directory: {RUN_FILE} cannot be read ({error.strerror}). "
            "It is written at the start of every run; name the folder that `drill run` printed."
        ) from error
    try:
        document: Any = msgspec.json.decode(raw)
        version = document["format_version"]
    except (*UNREADABLE, TypeError, KeyError) as error:
        raise RecordingError(
            f"{path} is damaged: wanted a JSON object with a format_version, got {raw[:60]!r}. "
            "Nothing can be concluded from a run whose description is lost; run the drill again."
        ) from error
    if version != FORMAT_VERSION:
        raise RecordingError(
            f"{path} has format_version {version!r}, this drillbook reads {FORMAT_VERSION}. Fields may mean "
            "something else there: judge the run with the drillbook version named in its `versions`."
        )
    try:
        run = msgspec.convert(document, RunInfo)
    except msgspec.ValidationError as error:
        raise RecordingError(
            f"{path} is damaged: {error}. Its claims and times cannot be trusted; run the drill again."
        ) from error
    if not _on_a_clock(run):
        raise RecordingError(
            f"{path} is damaged: it tells a moment that no clock can show. Run the drill again."
        )
    return run


@dataclass(frozen=True, kw_only=True)
class Line:
    """One whole line of a stream and where it lies, so that a large one need not stay in memory."""

    offset: int
    content: bytes


def whole_lines(path: Path) -> Iterator[Line]:
    """The lines of a stream that end in a newline. What a killed writer tore off at the end is left out."""
    # A table is one line of megabytes, which would be put together from pieces of a few KiB.
    with path.open("rb", buffering=_READ_BYTES) as file:
        offset = 0
        for content in file:
            if content.endswith(b"\n"):
                yield Line(offset=offset, content=content)
            offset += len(content)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much of a stream is there.

    Attributes:
        lines: Whole lines.
        whole_bytes: Up to and including the last newline.
        torn_bytes: Behind it.
    """

    lines: int
    whole_bytes: int
    torn_bytes: int


def refuse_no_file(path: Path) -> None:
    """Make sure that reading comes to an end: a pipe waits for somebody to write, a device never runs out.

    Raises:
        RecordingError: It is there and is no file.
    """
    with suppress(OSError, ValueError):  # whoever opens it says so better
        if not stat.S_ISREG(path.stat().st_mode):
            raise RecordingError(
                f"{path} is no file (but {stat.filemode(path.stat().st_mode)}). A stream is a file of lines, and what "
                "else is there may wait or go on for ever: copy the run directory again."
            )


def extent(path: Path) -> Extent | None:
    """Count a stream's lines without holding it in memory. None if there is no such file.

    Raises:
        RecordingError: It may not be read, or is no file.
    """
    refuse_no_file(path)
    try:
        lines = whole = size = 0
        with path.open("rb") as file:
            # In pieces: the pages of a mapped file count as memory of who looks at them.
            while piece := file.read(_READ_BYTES):
                lines += piece.count(b"\n")
                whole = size + last + 1 if (last := piece.rfind(b"\n")) >= 0 else whole
                size += len(piece)
        return Extent(lines=lines, whole_bytes=whole, torn_bytes=size - whole)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read ({error.strerror}). Judging without it would ignore what it says: "
            "check its permissions, or copy the run directory again."
        ) from error


def digest(path: Path) -> str:
    """SHA-256 of a stream that is there, in hexadecimal.

    Raises:
        RecordingError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read ({error.strerror}). Nobody could tell whether it was changed since it was "
            "recorded: check its permissions, or copy the run directory again."
        ) from error


def read_records(run_dir: Path, stream: Stream, kind: type[R]) -> tuple[list[R], list[str]]:
    """The whole lines of a stream that is small enough to be held as objects, and what was wrong with them.

    A missing file is an empty stream here, and a torn last line is left out: `extent` tells.
    """
    path = stream_path(run_dir, stream)
    decoder = msgspec.json.Decoder(kind)
    records: list[R] = []
    broken = 0
    for line in whole_lines(path) if path.exists() else ():
        try:
            record = decoder.decode(line.content)
        except UNREADABLE:
            broken += 1
            continue
        if _on_a_clock(record):
            records.append(record)
        else:
            broken += 1
    return records, [f"{broken} lines could not be read and were left out"] if broken else []


def _on_a_clock(record: Any) -> bool:
    """Whether every moment of a record is one that a clock can show."""
    moments = (value for name, value in vars(record).items() if name.endswith("_ns"))
    return all(abs(moment) <= NANOSECONDS_MAX for moment in moments)


def read_findings(run_dir: Path) -> tuple[Finding, ...]:
    """What was concluded about a run. Empty if it has not been judged.

    Raises:
        RecordingError: A finding cannot be read; a summary that left it out might be greener than the run.
    """
    path = stream_path(run_dir, Stream.FINDINGS)
    found = extent(path)
    findings, damage = read_records(run_dir, Stream.FINDINGS, Finding)
    if found is not None and (damage or found.torn_bytes):
        raise RecordingError(f"{path} is damaged. Judge the run again: `drill judge {run_dir}`.")
    return tuple(findings)


def shown(path: Path) -> Path:
    """A path as short as a person would type it here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def write_findings(run_dir: Path, findings: Sequence[Finding]) -> None:
    """Put what was concluded beside the recording, in place of what an earlier judgement put there.

    Raises:
        RecordingError: It cannot be written.
    """
    content = b"".join(msgspec.json.encode(finding) + b"\n" for finding in findings)
    write_atomically(stream_path(run_dir, Stream.FINDINGS), content)
