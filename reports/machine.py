"""A summary for programs: every run with its verdict and findings, as one JSON document.

Its fields are part of the interface: they are added to, never renamed, within a `summary_version`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from harness.errors import RecordingError
from harness.recording.records import Verdict
from harness.recording.rundir import read_findings, read_run, superseded, worst, write_atomically
from reports.pairing import unpaired

SUMMARY_VERSION = 1
_NONE: Mapping[str, str] = MappingProxyType({})


def write(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    skipped: Mapping[str, str] = _NONE,
    troubles: Mapping[str, str] = _NONE,
) -> None:
    """Write the summary.

    Args:
        run_dirs: The recordings.
        out: The file.
        skipped: Scenarios that did not want to be held, each with its reason.
        troubles: What went wrong, by the scenario it happened to; "" for the session as a whole.

    Raises:
        RecordingError: `out` cannot be written.
    """
    document = summary(run_dirs, skipped=skipped, troubles=troubles)
    write_atomically(out, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def summary(
    run_dirs: Sequence[Path], *, skipped: Mapping[str, str] = _NONE, troubles: Mapping[str, str] = _NONE
) -> dict[str, Any]:
    """The document as plain data. A run that cannot be read is INCONCLUSIVE and says why.

    A run that another one repeats is told and marked, and does not decide the verdict. What went wrong beside the runs
    keeps it from being PASS.
    """
    repeated = superseded(run_dirs)
    runs = [_run(run_dir) | {"superseded": run_dir in repeated} for run_dir in run_dirs]
    verdicts = [Verdict(run["verdict"]) for run in runs if not run["superseded"]]
    return {
        "summary_version": SUMMARY_VERSION,
        "verdict": worst([*verdicts, *(Verdict.INCONCLUSIVE for _ in troubles)]).value,
        "runs": runs,
        "skipped": dict(skipped),
        "troubles": dict(troubles),
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
    wrong = list(unpaired(run, findings))
    return {
        "run_dir": str(run_dir),
        "run_id": run.run_id,
        "scenario": run.scenario,
        "title": run.title,
        "verdict": worst(
            [*(finding.verdict for finding in findings), *(Verdict.INCONCLUSIVE for _ in wrong)]
        ).value,
        "unpaired": wrong,
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
