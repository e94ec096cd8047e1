"""An index over runs, with a page for each: what a session came to, or how each scenario has fared over many.

A run that cannot be read is in it as well, INCONCLUSIVE and with the reason: left out, it would be missed by nobody. A
scenario that was skipped or met with trouble left no recording; `session.json` tells of it, and without that file a
session has no verdict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.errors import RecordingError
from harness.recording.records import Verdict
from harness.recording.rundir import worst
from harness.recording.session_standing import SessionStanding
from reports.html import rendered, write_html, write_page
from reports.page import Page, page_of
from reports.text import counted, plain

PAGE = "report.html"  # of a run, beside its recording
HISTORY_MAX = 30  # of the latest runs of a scenario


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run.

    Attributes:
        link: Where its page is, from the index; "" if there is none.
        told: How its claims fared, or why it could not be read.
        lasted: Its length, as people say it.
    """

    session: str
    name: str
    scenario: str
    verdict: Verdict
    link: str
    told: str
    started: str = ""
    lasted: str = ""
    variants: tuple[str, ...] = ()
    superseded: bool = False


@dataclass(frozen=True, kw_only=True)
class SessionShown:
    """The runs of one session; `untold` is what left no recording: what it is, and why."""

    name: str
    verdict: Verdict
    rows: tuple[Row, ...]
    untold: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class History:
    """The runs of one scenario, the oldest first."""

    scenario: str
    rows: tuple[Row, ...]
    passed: int


@dataclass(frozen=True, kw_only=True)
class Index:
    """What an index says.

    Attributes:
        verdict: Of the session, if it is one; of many sessions there is none.
        sessions: The latest first.
        histories: How each scenario has fared; of a single session there are none.
    """

    title: str
    verdict: Verdict | None
    sentence: str
    sessions: tuple[SessionShown, ...]
    histories: tuple[History, ...]


def write(run_dirs: Sequence[Path], out: Path, *, sessions: Sequence[SessionStanding]) -> None:
    """Write a page for each run, and an index over them.

    A page lies beside its recording if the index lies in a folder above it, and beside the index otherwise.

    Args:
        run_dirs: The recordings.
        out: The file of the index.
        sessions: What each of their sessions counts for. One that is not among them has no verdict.

    Raises:
        RecordingError: The index or a page cannot be written.
    """
    rows = []
    for run_dir in run_dirs:
        page = page_place(run_dir, out)
        try:
            found = page_of(run_dir)
        except RecordingError as error:
            page.unlink(missing_ok=True)  # of an earlier time, when it could be read
            rows.append(_unreadable(run_dir, error))
            continue
        write_page(found, page)
        rows.append(_row(run_dir, found, quote(page.resolve().relative_to(out.resolve().parent).as_posix())))
    write_html(rendered("index.html.j2", index=index_of(rows, sessions)), out)


def page_place(run_dir: Path, out: Path) -> Path:
    """Where the page of a run goes, if its index goes to `out`."""
    inside = out.resolve().parent in run_dir.resolve().parents
    return run_dir / PAGE if inside else out.parent / f"{run_dir.resolve().parent.name}-{run_dir.name}.html"


def _row(run_dir: Path, page: Page, link: str) -> Row:
    return Row(
        session=plain(run_dir.resolve().parent.name),
        name=page.name,
        scenario=page.scenario,
        verdict=page.standing.verdict,
        link=link,
        told=_told(page),
        started=page.started,
        lasted=f"{page.seconds:.0f} s" if page.seconds < 600 else f"{page.seconds / 60:.0f} min",
        variants=page.variants,
        superseded=page.standing.superseded,
    )


def _told(page: Page) -> str:
    counts = f"{page.holds} of {counted(page.claims, 'claim')} hold" if page.claims else "not judged"
    other = [told for told in page.standing.warnings if not page.standing.superseded]
    return f"{counts}; {other[0]}" if other else counts


def _unreadable(run_dir: Path, error: RecordingError) -> Row:
    told = str(error).replace(str(run_dir), run_dir.name)
    return Row(
        session=plain(run_dir.resolve().parent.name),
        name=plain(run_dir.name),
        scenario=plain(run_dir.name),
        verdict=Verdict.INCONCLUSIVE,
        link="",
        told=plain(f"cannot be read: {told}", 600),
    )


def index_of(rows: Sequence[Row], standings: Sequence[SessionStanding]) -> Index:
    """Put rows in their order, and say what they come to.

    Args:
        rows: The runs.
        standings: What each session counts for.
    """
    known = {plain(standing.name): standing for standing in standings}
    names = sorted({*known, *(row.session for row in rows)}, reverse=True)
    sessions = tuple(
        _session([row for row in rows if row.session == name], known.get(name) or _unknown(name))
        for name in names
    )
    if len(sessions) > 1:
        return Index(
            title="Runs",
            verdict=None,
            sentence=f"{counted(len(rows), 'run')} in {counted(len(sessions), 'session')}, the latest first.",
            sessions=sessions,
            histories=tuple(_histories(rows)),
        )
    verdicts = [row.verdict for row in rows if not row.superseded]
    passed = sum(found is Verdict.PASS for found in verdicts)
    return Index(
        title=f"Session {names[0]}" if names else "Session",
        verdict=sessions[0].verdict if sessions else Verdict.INCONCLUSIVE,
        sentence=f"{passed} of {counted(len(verdicts), 'scenario')} passed.",
        sessions=sessions,
        histories=(),
    )


def _unknown(name: str) -> SessionStanding:
    doubt = "nobody said what the session was to hold"
    return SessionStanding(name=name, verdict=Verdict.INCONCLUSIVE, doubts=(doubt,))


def _session(rows: Sequence[Row], standing: SessionStanding) -> SessionShown:
    verdicts = [row.verdict for row in rows if not row.superseded] or [Verdict.INCONCLUSIVE]
    return SessionShown(
        name=plain(standing.name),
        verdict=worst([*verdicts, standing.verdict]),
        rows=tuple(sorted(rows, key=lambda row: row.started)),
        untold=tuple(_untold(standing)),
    )


def _histories(rows: Sequence[Row]) -> Iterator[History]:
    """Of the target as it is: a run with a planted defect says nothing about that."""
    for scenario in sorted({row.scenario for row in rows}):
        runs = [row for row in rows if row.scenario == scenario and not row.variants and not row.superseded]
        if runs:
            latest = tuple(sorted(runs, key=lambda row: (row.session, row.started))[-HISTORY_MAX:])
            passed = sum(row.verdict is Verdict.PASS for row in latest)
            yield History(scenario=scenario, rows=latest, passed=passed)


def _untold(standing: SessionStanding) -> Iterator[tuple[str, str]]:
    for scenario, trouble in standing.troubles.items():
        yield f"Not held: {plain(scenario)}" if scenario else "The session", plain(trouble, 2000)
    for skip in standing.skipped:
        yield f"Skipped: {plain(skip.scenario)}", plain(skip.told, 2000) or "no reason given"
    if standing.left_out:
        yield "Left out", plain(f"by -k or a conftest.py: {', '.join(standing.left_out)}", 2000)
