"""Where recordings lie: a folder of sessions, a session of runs, a run of streams.

Whatever is in there was written once, by whoever held the drill, and is what every verdict rests on. So this is also
where it is decided what a report may be called without taking the place of something recorded.
"""

from pathlib import Path

from harness.errors import ConfigError, RecordingError
from harness.recording.records import Stream
from harness.recording.rundir import RUN_FILE, stream_path
from harness.recording.sessions import SESSION_FILE

REPORTS_OF_A_RUN = ("report.html", "report.md", "report.json")
_MARKS = (RUN_FILE, *(stream_path(Path(), stream).name for stream in Stream))
_RECORDED = {name.casefold() for name in (*_MARKS, SESSION_FILE)}  # a Mac takes RUN.JSON for run.json


def is_run_dir(folder: Path) -> bool:
    """Whether a run was recorded in a folder. One with streams and without its description is one, too."""
    return any((folder / mark).exists() for mark in _MARKS)


def recordings(place: Path) -> list[Path]:
    """The run directories in a folder: itself, those of a session, or those of many.

    Raises:
        RecordingError: There is none.
    """
    try:
        if not place.is_dir():
            raise RecordingError(
                f"there is no folder {str(place)[:200]}. Name that of a run or of a session, as `drill run` printed "
                "it, or the one that holds the sessions."
            )
        if is_run_dir(place):
            return [place]
        found = {
            file.parent for depth in ("*", "*/*") for mark in _MARKS for file in place.glob(f"{depth}/{mark}")
        }
    except (OSError, ValueError) as error:  # too long a name, one with a zero in it, or no permission
        raise RecordingError(f"{str(place)[:200]} cannot be looked into: {error}.") from error
    if not found:
        raise RecordingError(
            f"{place} holds no recording: neither a run, nor sessions with runs. `drill run` makes one."
        )
    return sorted(found)


def runs_of(session: Path) -> list[Path]:
    """The run directories of one session; none if there is no such folder."""
    return sorted({file.parent for mark in _MARKS for file in session.glob(f"*/{mark}")})


def refuse_recorded(out: Path, *, about: Path | None = None) -> None:
    """Make sure that a report takes the place of nothing that was recorded, whatever way its name leads.

    Args:
        out: The file that is to be written.
        about: The one run that it is about, if it is about one: it may lie there under a report's own name.

    Raises:
        ConfigError: It would.
    """
    try:
        place = out.resolve()
        inside = next((folder for folder in place.parents if is_run_dir(folder)), None)
        run_dir = about.resolve() if about else None
    except (OSError, RuntimeError, ValueError) as error:  # links that lead to each other, too long a name
        raise ConfigError(
            f"no report can be written to {str(out)[:200]}: {error}. Name another file."
        ) from error
    own = inside is not None and run_dir == inside == place.parent and place.name in REPORTS_OF_A_RUN
    if (inside is None or own) and place.name.casefold() not in _RECORDED:
        return
    leads = "" if place == Path.cwd() / out else f", which leads to {place}"
    raise ConfigError(
        f"no report may be written to {out}{leads}: that is a recording's, and a verdict rests on what is there. In a "
        f"run's own folder its report is called {' or '.join(REPORTS_OF_A_RUN)}; anything else goes elsewhere."
    )
