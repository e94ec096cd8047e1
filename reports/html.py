"""One run as one HTML page that needs nothing else: no network, no file beside it, and no script to be complete.

A page says of itself what it may do: the style and the small script that it holds, by their digests, and nothing else.
Whatever a target managed to write into a recording, a browser neither runs it nor asks anybody for anything.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.errors import RecordingError
from harness.recording.rundir import write_atomically
from harness.recording.session_standing import SessionStanding
from reports.page import Page, page_of
from reports.standing import MARKS

_ASSETS = "assets"


def write(run_dirs: Sequence[Path], out: Path, *, sessions: Sequence[SessionStanding]) -> None:
    """Write the page of one run.

    Args:
        run_dirs: The recording: one.
        out: The file.
        sessions: Not shown: a page is of one run, the index is of a session.

    Raises:
        RecordingError: It is not one run, cannot be read, or `out` cannot be written.
    """
    del sessions
    if len(run_dirs) != 1:
        raise RecordingError(
            f"a page is of one run, got {len(run_dirs)}. An index is of several: `drill report` with their folder."
        )
    write_page(page_of(run_dirs[0]), out)


def write_page(page: Page, out: Path) -> None:
    """Put a page into a file.

    Raises:
        RecordingError: It cannot be written.
    """
    write_html(rendered("page.html.j2", page=page), out)


def write_html(text: str, out: Path) -> None:
    """Put HTML into a file. What has no place in UTF-8 is shown as a question mark.

    Raises:
        RecordingError: It cannot be written.
    """
    write_atomically(out, text.encode(errors="replace"))


def rendered(template: str, **values: Any) -> str:
    """A template with its values, and with style and script in place."""
    style, script = asset("style.css"), asset("page.js")
    return (
        _environment()
        .get_template(template)
        .render(style=style, script=script, policy=policy(style, script), **values)
    )


def policy(style: str, script: str) -> str:
    """What a browser is allowed to do with the page: use this style and this script, and ask nobody for anything."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )


@cache
def asset(name: str) -> str:
    """A file that goes into every page."""
    return files("reports").joinpath(_ASSETS, name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", _ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["marks"] = {verdict.value: mark for verdict, mark in MARKS.items()}
    return environment
