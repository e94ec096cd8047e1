"""`drill report`: pages about recordings, made again from disk."""

from pathlib import Path

import typer

from harness import flags
from harness.answers import print_json
from harness.completion import RUNS
from harness.errors import ConfigError, RecordingError

# For each format: the writer and the file of one run, and of several.
_FORMATS = {
    "html": (("html", "report.html"), ("index", "index.html")),
    "markdown": (("markdown", "report.md"), ("markdown", "report.md")),
}


def report(
    recorded: flags.Recorded = RUNS,
    format_: flags.ReportFormat = "html",
    out: flags.Out = None,
    json: flags.Json = False,
) -> None:
    """Write pages about recordings, with nothing running.

    RECORDED is the folder of one run, of a session, or of many sessions (the default: runs). Of one run it writes a
    page; of more an index, and a page for each. They go beside the recordings, or to --out. Exit code 0: it is written,
    whatever the verdicts are.
    """
    from harness.recording.rundir import read_run  # noqa: PLC0415 - see harness.cli
    from harness.report_files import ready_for, writer  # noqa: PLC0415

    if format_ not in _FORMATS:
        raise ConfigError(f"format must be one of {', '.join(_FORMATS)}, got {format_[:40]!r}.")
    run_dirs = recordings(recorded)
    alone = run_dirs == [recorded]
    name, file = _FORMATS[format_][0 if alone else 1]
    if alone:
        read_run(recorded)  # refused before an earlier page is removed
    page = out or recorded / file
    ready_for(page)
    writer(name)(run_dirs, page, skipped={}, troubles={})
    if json:
        print_json({"format": format_, "written": str(page), "run_dirs": [str(path) for path in run_dirs]})
    else:
        typer.echo(str(page))


def recordings(place: Path) -> list[Path]:
    """The run directories in a folder: itself, those of a session, or those of many.

    A folder with streams and without its description is one, too: it is to be missed by somebody.

    Raises:
        RecordingError: There is none.
    """
    from harness.recording.records import Stream  # noqa: PLC0415
    from harness.recording.rundir import RUN_FILE, stream_path  # noqa: PLC0415

    marks = [RUN_FILE, *(stream_path(Path(), stream).name for stream in Stream)]
    try:
        if not place.is_dir():
            raise RecordingError(
                f"there is no folder {str(place)[:200]}. Name that of a run or of a session, as `drill run` printed "
                "it, or the one that holds the sessions."
            )
        if any((place / mark).exists() for mark in marks):
            return [place]
        found = sorted(
            {
                file.parent
                for depth in ("*", "*/*")
                for mark in marks
                for file in place.glob(f"{depth}/{mark}")
            }
        )
    except (OSError, ValueError) as error:  # too long a name, one with a zero in it, or no permission
        raise RecordingError(f"{str(place)[:200]} cannot be looked into: {error}.") from error
    if not found:
        raise RecordingError(
            f"{place} holds no recording: neither a run, nor sessions with runs. `drill run` makes one."
        )
    return found
