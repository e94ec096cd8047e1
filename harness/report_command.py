"""`drill report`: pages about recordings, made again from disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness import flags
from harness.answers import print_json
from harness.completion import RUNS
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.recording.session_standing import SessionStanding

# For each format: the writer and the file of one run, and of several.
_FORMATS = {
    "html": (("html", "report.html"), ("index", "index.html")),
    "markdown": (("markdown", "report.md"), ("markdown", "report.md")),
    "json": (("json", "report.json"), ("json", "report.json")),
}


def report(
    recorded: flags.Recorded = RUNS,
    format_: flags.ReportFormat = "html",
    out: flags.Out = None,
    json: flags.Json = False,
) -> None:
    """Write pages about recordings, with nothing running.

    RECORDED is the folder of one run, of a session, or of many sessions (the default: runs). Of one run it writes a
    page; of more an index, and a page for each; as Markdown or JSON one file about all of them. They go beside the
    recordings, or to --out, but never in the place of something recorded. --json tells what was written; the report
    itself for programs is --format json. Exit code 0: it is written, whatever the verdicts are. 2: it is not.
    """
    from harness.console import terminal  # noqa: PLC0415 - see harness.cli
    from harness.patience import patiently  # noqa: PLC0415
    from harness.recording.folders import recordings  # noqa: PLC0415
    from harness.recording.rundir import read_run  # noqa: PLC0415
    from harness.report_files import ready_for, writer  # noqa: PLC0415

    if format_ not in _FORMATS:
        raise ConfigError(f"format must be one of {', '.join(_FORMATS)}, got {format_[:40]!r}.")
    run_dirs = recordings(recorded)
    alone = run_dirs == [recorded]
    name, file = _FORMATS[format_][0 if alone else 1]
    if alone:
        read_run(recorded)  # refused before an earlier page is removed
    page = out or recorded / file
    ready_for(page, about=recorded if alone else None)
    with patiently(terminal(), f"reading {len(run_dirs)} recording{'' if alone else 's'} …"):
        writer(name)(run_dirs, page, sessions=[] if alone else _sessions(run_dirs))
    if json:
        print_json({"format": format_, "written": str(page), "run_dirs": [str(path) for path in run_dirs]})
    else:
        typer.echo(str(page))


def _sessions(run_dirs: Sequence[Path]) -> "list[SessionStanding]":
    """What the sessions of some runs count for."""
    from harness.recording.session_standing import session_standing  # noqa: PLC0415 - see harness.cli

    folders = {run_dir.resolve().parent: run_dir.parent for run_dir in run_dirs}
    return [
        session_standing(folder, [run_dir for run_dir in run_dirs if run_dir.parent == folder])
        for folder in folders.values()
    ]
