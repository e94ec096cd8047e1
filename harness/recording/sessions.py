"""`session.json`: what a session was to hold and what it came to, beside the runs that it left.

Runs alone cannot tell. The scenario that could not be held left no recording, and the green ones beside it look like a
green session. So the file is written when a session begins, and again, whole, when it is over: one that was killed says
that it was begun and no more. A digest of its own shows that nobody took a sentence out of it since.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import RecordingError
from harness.recording.records import Verdict
from harness.recording.rundir import UNREADABLE, refuse_no_file, write_atomically

SESSION_FILE = "session.json"
SESSION_VERSION = 1
_OVER = "Nobody can tell any more what the session came to; each run still has its own verdict."


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """What one run was judged in its session.

    Attributes:
        run: Its folder's name.
        superseded: Whether another run repeats it.
    """

    run: str
    scenario: str
    verdict: Verdict
    superseded: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """A sentence about a scenario; of an error that belongs to none, `scenario` is ""."""

    scenario: str
    told: str


@dataclass(frozen=True, kw_only=True)
class SessionInfo:
    """What is in the file.

    Attributes:
        selected: The scenarios that were to be held.
        left_out: Those that an expression or a conftest.py took away.
        replay: The command that holds the same scenarios again; each run has its own, with its seed.
        exit_code: What `drill` ended with; None until it has.
        runs: The folders of all runs that were there at the end, also of those that were not judged.
        judged: The runs that came to a verdict, in order.
        skipped: Scenarios that did not want to be held, each with its reason.
        not_held: Selected scenarios that came to no verdict.
        errors: What went wrong, by the scenario it happened to.
        digest: Of everything else in the file.
    """

    selected: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    replay: str = ""
    exit_code: int | None = None
    runs: tuple[str, ...] = ()
    judged: tuple[JudgedRun, ...] = ()
    skipped: tuple[Told, ...] = ()
    not_held: tuple[str, ...] = ()
    errors: tuple[Told, ...] = ()
    digest: str = ""
    session_version: int = SESSION_VERSION


def write_session(folder: Path, info: SessionInfo) -> None:
    """Write the file, in place of an earlier one of the same session.

    Raises:
        RecordingError: It cannot be written.
    """
    sealed = replace(info, digest=_digest(info))
    with suppress(OSError):  # told below, where no folder is found to write to
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(
        folder / SESSION_FILE, msgspec.json.format(msgspec.json.encode(sealed), indent=2) + b"\n"
    )


def read_session(folder: Path) -> SessionInfo:
    """Read the file.

    Raises:
        RecordingError: There is none, it is damaged, of another version, or was changed after it was written.
    """
    path = folder / SESSION_FILE
    refuse_no_file(path)
    try:
        document: Any = msgspec.json.decode(path.read_bytes())
        version = document["session_version"]
    except FileNotFoundError as error:
        raise RecordingError(
            f"there is no {SESSION_FILE}, which says what the session was to hold and what went wrong. It was held by "
            f"an older drillbook, or the file was not copied along. {_OVER}"
        ) from error
    except OSError as error:
        raise RecordingError(f"{SESSION_FILE} cannot be read ({error.strerror}). {_OVER}") from error
    except (*UNREADABLE, TypeError, KeyError) as error:
        raise RecordingError(
            f"{SESSION_FILE} is damaged: wanted a JSON object with a session_version. {_OVER}"
        ) from error
    if version != SESSION_VERSION:
        raise RecordingError(
            f"{SESSION_FILE} has session_version {str(version)[:40]!r}, this drillbook reads {SESSION_VERSION}. Fields "
            "may mean something else there: read it with the drillbook that wrote it."
        )
    try:
        info = msgspec.convert(document, SessionInfo)
        changed = info.digest != _digest(info)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise RecordingError(f"{SESSION_FILE} is damaged: {error}. {_OVER}") from error
    if changed:
        raise RecordingError(
            f"{SESSION_FILE} was changed after it had been written: its digest does not fit what it says. {_OVER}"
        )
    return info


def _digest(info: SessionInfo) -> str:
    return sha256(msgspec.json.encode(replace(info, digest=""))).hexdigest()
