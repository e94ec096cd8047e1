"""The end of a session: it is told, written down for good, and only then left.

Whoever holds a deployment back looks at the exit code, and later at the files. So what the session came to is kept
beside its runs; a report that somebody asked for and that could not be written keeps a session from being PASS, for it
may be all that a gate looks at; and whatever breaks while this is done hides no verdict that is worse.
"""

from pathlib import Path

from harness.console import complain, say_whole, terminal
from harness.errors import ExitCode
from harness.keeping import kept, lessened, surviving
from harness.outcome import SessionOutcome
from harness.report_files import write_pages, write_report
from harness.reporting import print_summary


def closed(
    outcome: SessionOutcome, *, junit: Path | None = None, markdown: Path | None = None
) -> SessionOutcome:
    """Tell what a session came to, write what was asked for, keep `session.json`, draw the pages.

    Nobody asked for the pages: where they cannot be drawn it is told, and what the session came to stands.

    Returns:
        The same session, or one that is no longer PASS because something that was asked for is missing.
    """
    console = terminal()
    for error in outcome.errors:
        complain(console, error)
    print_summary(console, outcome)
    for label, name, out in (("JUnit XML", "junit", junit), ("Markdown", "markdown", markdown)):
        if out is None:
            continue
        with surviving(f"{out}, which was asked for, was not written") as broken:
            write_report(name, outcome, out)
            say_whole(console, f"{label}: {out}")
        outcome = lessened(outcome, broken)
    outcome = kept(outcome)
    with surviving("the pages of this session are missing or incomplete"):
        if index := write_pages(outcome):
            say_whole(console, str(index), indent=2, label="report")
    if outcome.code is ExitCode.INTERRUPTED:
        recorded = ", ".join(str(run_dir) for run_dir in outcome.interrupted)
        complain(
            console,
            "interrupted. Every fault was healed and the stack has ended"
            + (f"; recorded up to there: {recorded}" if recorded else "; nothing had been recorded yet"),
        )
    return outcome
