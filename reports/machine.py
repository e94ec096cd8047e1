"""A report for programs: every session and every run with its verdict and findings, as one JSON document.

Its fields are part of the interface: they are added to, never renamed, within a `report_version`. A run counts here for
what it counts for on its page, so that no program is told something greener than people are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import RecordingError
from harness.recording.history import History
from harness.recording.records import Verdict
from harness.recording.rundir import read_findings, worst, write_atomically
from harness.recording.session_standing import SessionStanding
from reports.standing import standing_of

REPORT_VERSION = 1


def write(run_dirs: Sequence[Path], out: Path, *, sessions: Sequence[SessionStanding] = ()) -> None:
    """Write the report.

    Args:
        run_dirs: The recordings.
        out: The file.
        sessions: What each session counts for that these are all of; none for a run by itself.

    Raises:
        RecordingError: `out` cannot be written.
    """
    document = report(run_dirs, sessions)
    write_atomically(out, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def report(run_dirs: Sequence[Path], sessions: Sequence[SessionStanding] = ()) -> dict[str, Any]:
    """The document as plain data. A run that cannot be read is INCONCLUSIVE and says why.

    A run that another one repeats is told and marked, and does not decide the verdict. What went wrong beside the runs
    keeps it from being PASS.
    """
    runs = [_run(run_dir) for run_dir in run_dirs]
    verdicts = [Verdict(run["verdict"]) for run in runs if not run["superseded"]] or [Verdict.INCONCLUSIVE]
    return {
        "report_version": REPORT_VERSION,
        "verdict": worst([*verdicts, *(session.verdict for session in sessions)]).value,
        "sessions": [_session(session) for session in sessions],
        "runs": runs,
    }


def _session(session: SessionStanding) -> dict[str, Any]:
    return {
        "session": session.name,
        "verdict": session.verdict.value,
        "exit_code": session.exit_code,
        "warnings": list(session.doubts),
        "errors": [msgspec.to_builtins(error) for error in session.errors],
        "selected": list(session.selected),
        "skipped": [{"scenario": skip.scenario, "reason": skip.told} for skip in session.skipped],
        "not_held": list(session.not_held),
        "left_out": list(session.left_out),
        "replay": session.replay,
    }


def _run(run_dir: Path) -> dict[str, Any]:
    place = {"session": _utf8(run_dir.resolve().parent.name), "run_dir": _utf8(str(run_dir))}
    try:
        history = History.load(run_dir)
        findings = read_findings(run_dir)
    except RecordingError as error:
        told = {"verdict": Verdict.INCONCLUSIVE.value, "superseded": False, "warnings": [str(error)]}
        return place | told | {"findings": []}
    run, standing = history.run, standing_of(history, findings)
    return place | {
        "run_id": run.run_id,
        "scenario": run.scenario,
        "title": run.title,
        "verdict": standing.verdict.value,
        "superseded": standing.superseded,
        "warnings": list(standing.warnings),
        "ended": run.ended,
        "seed": run.seed,
        "profile": run.profile,
        "runtime": run.runtime,
        "target": run.target,
        "variants": list(run.variants),
        "revision": run.revision,
        "versions": dict(run.versions),
        "started_wall_ns": run.anchor_wall_ns,
        "replay": run.replay,
        "findings": [msgspec.to_builtins(finding) for finding in findings],
    }


def _utf8(text: str) -> str:
    """Text that JSON can hold: the name of a folder may be no UTF-8."""
    return text.encode(errors="replace").decode()
