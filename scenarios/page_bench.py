"""How large the page of a run is, and how soon it is there in a browser.

The run is longer than the two minutes that the bound is about and has more to show: a thousand seconds of it, with
faults, tables and claims as a drill leaves them. Opened is a page when all of it has been laid out, in a browser that
has just been started and has nothing in its caches.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.checks.judging import judge
from harness.recording.history import History
from harness.recording.rundir import write_findings
from harness.report_files import writer
from scenarios.chromium import browser, installed
from scenarios.figures import Figure, others_percent
from scenarios.large_run import Shape, write_large_run

SHAPE = Shape(orders=5_000, refused=20_000)
KIB_MAX, SECONDS_MAX = 400.0, 1.0
_OPENED_MS = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def page_figures(runs: int) -> list[Figure]:
    """Size, and time to open where a Chromium is installed."""
    with tempfile.TemporaryDirectory() as folder:
        page = written_page(Path(folder))
        told = f"page of a run of 1000 s, {SHAPE.operations:,} operations"
        busy = others_percent()
        figures = [
            Figure(
                what=f"{told}; size",
                wanted=f"≤ {KIB_MAX:g} KiB",
                most=KIB_MAX,
                unit="KiB",
                others_percent=busy,
                values=(page.stat().st_size / 1024,),
            )
        ]
        if path := installed():
            figures.append(
                Figure(
                    what=f"{told}; opened in Chromium",
                    wanted=f"≤ {SECONDS_MAX:g} s",
                    most=SECONDS_MAX,
                    unit="s",
                    others_percent=busy,
                    values=tuple(opened_s(path, page, runs)),
                )
            )
    return figures


def written_page(folder: Path) -> Path:
    """The page of a run that was judged, as `drill report` writes it."""
    run_dir, page = folder / "run", folder / "page.html"
    write_large_run(run_dir, SHAPE)
    write_findings(run_dir, judge(History.load(run_dir)))
    writer("html")([run_dir], page, sessions=[])
    return page


def opened_s(path: str, page: Path, runs: int) -> Sequence[float]:
    """Seconds to open a page, each time in a browser of its own."""
    found = []
    for _ in range(runs):
        with browser(path) as fresh:
            seen = fresh.new_page()
            seen.goto(page.as_uri(), wait_until="load")
            found.append(float(seen.evaluate(_OPENED_MS)) / 1000)
    return found
