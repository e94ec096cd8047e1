"""The files that a session leaves for others: pages for people, JUnit XML for CI servers, Markdown for a pull request.

Writers are found through the entry-point group `drillbook.reports`, so that the harness knows none of them: a writer is
a function of run directories and an output path. It reads recordings, and is told what there is no recording of: what
was skipped and what went wrong.
"""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from harness.errors import ConfigError
from harness.outcome import SessionOutcome
from harness.recording.rundir import RUN_FILE

REPORTS = "drillbook.reports"
INDEX = "index.html"


class Writer(Protocol):
    """Makes a report of a session."""

    def __call__(
        self, run_dirs: Sequence[Path], out: Path, *, skipped: Mapping[str, str], troubles: Mapping[str, str]
    ) -> None:
        """Write it.

        Args:
            run_dirs: The session's recordings.
            out: The file to write.
            skipped: Scenarios that did not want to be held, each with its reason.
            troubles: What went wrong, by the scenario it happened to; "" for the session as a whole.
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


def ready_for(*files: Path | None) -> None:
    """Make sure that reports can be written, before a drill takes its minutes.

    An earlier session's report is removed: whoever finds one later must not take it for this one's.

    Raises:
        ConfigError: One cannot.
    """
    for out in filter(None, files):
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
    writer(name)(run_dirs, out, skipped=dict(outcome.skipped), troubles=_by_scenario(outcome))


def write_pages(outcome: SessionOutcome) -> Path | None:
    """Write a page for each recording of a session and an index over them; the index, or None without a recording.

    Raises:
        RecordingError: One cannot be written.
    """
    run_dirs = [run_dir for run_dir in _recorded(outcome) if (run_dir / RUN_FILE).exists()]
    if not run_dirs:
        return None
    index = run_dirs[0].parent / INDEX
    writer("index")(run_dirs, index, skipped=dict(outcome.skipped), troubles=_by_scenario(outcome))
    return index


def pages_of(outcome: SessionOutcome) -> Path | None:
    """The index of a session's pages, if they have been written."""
    places = (run_dir.parent / INDEX for run_dir in _recorded(outcome))
    return next((place for place in places if place.is_file()), None)


def _recorded(outcome: SessionOutcome) -> list[Path]:
    return [*(judgement.run_dir for judgement in outcome.judgements), *outcome.interrupted]


def _by_scenario(outcome: SessionOutcome) -> dict[str, str]:
    told: dict[str, list[str]] = {}
    for trouble in outcome.troubles:
        told.setdefault(trouble.scenario, []).append(trouble.told)
    return {scenario: "\n".join(sentences) for scenario, sentences in told.items()}
