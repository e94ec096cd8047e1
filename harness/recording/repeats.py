"""Which runs no longer count, because the same drill was held again and that came to a verdict.

An INCONCLUSIVE run may be held once more, and then the second one decides. That is the only way in which a run stops
counting, and so the one place where a FAIL could be made to vanish: what a `run.json` claims to repeat is taken at its
word only where everything about both runs says the same.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import RecordingError
from harness.recording.records import RunInfo, Verdict
from harness.recording.rundir import read_findings, read_run, worst

# What makes a drill another one. The second attempt has all of it from the first.
_SAME = ("run_id", "scenario", "seed", "profile", "runtime", "target", "variants", "claims")


def superseded(run_dirs: Iterable[Path]) -> set[Path]:
    """Those of some runs that another of them repeats.

    A run counts no more if it was judged INCONCLUSIVE, and one beside it names it, is the same drill with the same
    seed, and came to a verdict of its own, whatever that is. A run that was not judged, or cannot be read, may have
    been a FAIL; and of runs that name each other in a circle none was the last. These go on counting.
    """
    found = {run_dir: run for run_dir in run_dirs if (run := _read(run_dir)) is not None}
    later: dict[Path, list[Path]] = {}
    for run_dir, run in found.items():
        # Whatever a recording from elsewhere says: only the name of a folder beside it can be one.
        for other in found:
            if other.name == run.supersedes and other.parent == run_dir.parent and other != run_dir:
                later.setdefault(other, []).append(run_dir)
    repeats = {
        run_dir: [again for again in runs if _repeats(found[again], found[run_dir]) and _verdict(again)]
        for run_dir, runs in later.items()
        if _verdict(run_dir) is Verdict.INCONCLUSIVE
    }
    return {run_dir for run_dir in repeats if _has_an_end(run_dir, repeats)}


def _read(run_dir: Path) -> RunInfo | None:
    try:
        return read_run(run_dir)
    except RecordingError:
        return None


def _verdict(run_dir: Path) -> Verdict | None:
    """What a run was judged; None if it was not, or nobody can tell."""
    try:
        findings = read_findings(run_dir)
    except RecordingError:
        return None
    return worst(finding.verdict for finding in findings) if findings else None


def _repeats(again: RunInfo, first: RunInfo) -> bool:
    return all(getattr(again, name) == getattr(first, name) for name in _SAME)


def _has_an_end(run_dir: Path, repeats: Mapping[Path, list[Path]]) -> bool:
    """Whether some run that repeats it, or repeats one that does, is itself repeated by none."""
    seen, ahead = {run_dir}, list(repeats[run_dir])
    while ahead:
        again = ahead.pop()
        if not repeats.get(again):
            return True
        if again not in seen:
            seen.add(again)
            ahead += repeats[again]
    return False
