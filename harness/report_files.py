"""The files that a session leaves for others: pages for people, JUnit XML for CI servers, Markdown for a pull request.

Writers are found through the entry-point group `drillbook.reports`, so that the harness knows none of them: a writer is
a function of run directories and an output path. It reads recordings, and is told what there is no recording of: what
a session skipped and what went wrong in it.
"""

import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from harness.errors import ConfigError
from harness.keeping import standing_of
from harness.outcome import SessionOutcome
from harness.recording.folders import refuse_recorded, runs_of
from harness.recording.rundir import shown
from harness.recording.session_standing import SessionStanding, session_standing

REPORTS = "drillbook.reports"
INDEX = "index.html"


class Writer(Protocol):
    """Makes a report of runs, and of the sessions that they are all of."""

    def __call__(self, run_dirs: Sequence[Path], out: Path, *, sessions: Sequence[SessionStanding]) -> None:
        """Write it.

        Args:
            run_dirs: The recordings.
            out: The file to write.
            sessions: What each session that is reported on as a whole counts for; none for a run by itself.
        """
        ...


def writer(name: str) -> Writer:
    """The report writer of that name.

    Raises:
        ConfigError: None of that name is installed.
    """
    found = {point.name: point for point in entry_points(group=REPORTS)}
    if name not in found:
        raise ConfigError(f"no report writer {name!r} is installed; there are: {', '.join(found) or 'none'}")
    loaded: Writer = found[name].load()
    return loaded


def ready_for(*files: Path | None, about: Path | None = None) -> None:
    """Make sure that reports can be written, before a drill takes its minutes.

    An earlier session's report is removed: whoever finds one later must not take it for this one's.

    Args:
        files: Those that are to be written.
        about: The one run that they are about, if they are about one.

    Raises:
        ConfigError: One cannot, or would take the place of something that was recorded.
    """
    for out in filter(None, files):
        refuse_recorded(out, about=about)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.exists() and not out.is_file():  # a folder, or a device, which would be replaced by a file
                raise OSError(f"{out} is there and is no file")
            if not os.access(out.parent, os.W_OK | os.X_OK):
                raise PermissionError(f"{out.parent} is not writable")
            out.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(
                f"no report can be written to {out}: {error}. Name a file in another folder."
            ) from error


def write_report(name: str, outcome: SessionOutcome, out: Path) -> None:
    """Let a writer tell of a whole session.

    Raises:
        RecordingError: The file cannot be written.
    """
    run_dirs = [judgement.run_dir for judgement in outcome.judgements]
    writer(name)(run_dirs, out, sessions=[standing_of(outcome)])


def write_pages(outcome: SessionOutcome) -> Path | None:
    """Write a page for each recording of a session and an index over them; the index, or None without a recording.

    The index is made of what lies on the disk, `session.json` included, so that a later one is the same.

    Raises:
        RecordingError: One cannot be written.
    """
    if outcome.recordings is None or not (run_dirs := runs_of(outcome.recordings)):
        return None
    index = outcome.recordings / INDEX
    writer("index")(run_dirs, index, sessions=[session_standing(outcome.recordings, run_dirs)])
    return shown(index)


def pages_of(outcome: SessionOutcome) -> Path | None:
    """The index of a session's pages, if they have been written."""
    if outcome.recordings is None or not (index := outcome.recordings / INDEX).is_file():
        return None
    return shown(index)
