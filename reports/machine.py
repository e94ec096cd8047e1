"""A summary for programs: every run with its verdict and findings, as one JSON document.

Its fields are part of the interface: they are added to, never renamed, within a `summary_version`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import RecordingError
from harness.recording.records import Verdict
from harness.recording.rundir import read_findings, read_run, superseded, worst, write_atomically

SUMMARY_VERSION = 1


def write(run_dirs: Sequence[Path], out: Path) -> None:
    """Write the summary.

    Raises:
        RecordingError: `out` cannot be written.
    """
    write_atomically(out, msgspec.json.format(msgspec.json.encode(summary(run_dirs)), indent=2) + b"\n")


def summary(run_dirs: Sequence[Path]) -> dict[str, Any]:
    """The document as plain data. A run that cannot be read is INCONCLUSIVE and says why.

    A run that another one repeats is told and marked, and does not decide the verdict.
    """
    repeated = superseded(run_dirs)
    runs = [_run(run_dir) | {"superseded": run_dir in repeated} for run_dir in run_dirs]
    return {
        "summary_version": SUMMARY_VERSION,
        "verdict": worst(Verdict(run["verdict"]) for run in runs if not run["superseded"]).value,
        "runs": runs,
    }


def _run(run_dir: Path) -> dict[str, Any]:
    try:
        run = read_run(run_dir)
        findings = read_findings(run_dir)
    except RecordingError as error:
        return {
            "run_dir": str(run_dir),
            "verdict": Verdict.INCONCLUSIVE.value,
            "error": str(error),
            "findings": [],
        }
    return {
        "run_dir": str(run_dir),
        "run_id": run.run_id,
        "scenario": run.scenario,
        "title": run.title,
        "verdict": worst(finding.verdict for finding in findings).value,
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
