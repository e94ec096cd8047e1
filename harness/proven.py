"""What a session proved, read from what it left behind: the source of a baseline.

Nothing is taken at its word that something else contradicts. A finding that says PASS counts only in a recording that
is whole, of a run that its session says was PASS, in a session that came to its end.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.baseline import Baseline
from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import ConfigError, ExitCode, RecordingError
from harness.recording.folders import runs_of
from harness.recording.history import History
from harness.recording.records import Finding, RunInfo, Verdict
from harness.recording.repeats import superseded
from harness.recording.rundir import RUN_FILE, read_findings, read_run, worst
from harness.recording.session_standing import session_standing
from harness.recording.sessions import SessionInfo, read_session
from harness.recording.wholeness import doubts

_AGAIN = "Hold the drills again: `drill gate --no-baseline`."


def newest_session(runs: Path) -> Path:
    """The newest folder in `runs` that holds recordings.

    Raises:
        ConfigError: There is none.
    """
    sessions = sorted({file.parent.parent for file in runs.glob(f"*/*/{RUN_FILE}")})
    if not sessions:
        raise ConfigError(f"there is no session in {runs}: hold one first, `drill gate --no-baseline`.")
    return sessions[-1]


def baseline_of(session: Path, names: Sequence[str]) -> Baseline:
    """What a session proved.

    Args:
        session: The folder that holds its runs.
        names: The scenarios of the gate. Others that the session held are not part of a baseline: the gate would miss
            them each time.

    Raises:
        ConfigError: It lacks one of them, not all of them passed, they are not of one kind, or something about the
            session or its recordings cannot be believed.
    """
    run_dirs = runs_of(session)
    if not run_dirs:
        raise ConfigError(f"{session} is no session: it holds no run. Name the folder above the runs.")
    info = _ended(session, run_dirs)
    if wrong := [error.told for error in info.errors if error.scenario in names]:
        raise ConfigError(f"no baseline can be made of {session}: {wrong[0]} {_AGAIN}")
    said = {run.run: run.verdict for run in info.judged}
    repeated = superseded(run_dirs)
    proven: dict[str, tuple[str, ...]] = {}
    runs: list[RunInfo] = []
    for run_dir in run_dirs:
        run, findings = _recorded(run_dir)
        if run_dir in repeated or run.scenario not in names:
            continue
        if run.scenario in proven:
            raise ConfigError(
                f"{session} holds {run.scenario} twice, and nothing says which of the two counts. {_AGAIN}"
            )
        _must_have_passed(run_dir, run, findings, said.get(run_dir.name))
        runs.append(run)
        proven[run.scenario] = tuple(sorted(finding.claim for finding in findings))
    if missing := [name for name in names if name not in proven]:
        raise ConfigError(
            f"{session} lacks {', '.join(missing)}, which the gate asks: hold them all, `drill gate --no-baseline`."
        )
    for what in ("profile", "target"):
        if len(kinds := {str(getattr(run, what)) for run in runs}) > 1:
            raise ConfigError(f"{session} holds runs of several {what}s: {', '.join(sorted(kinds))}.")
    return Baseline(
        profile=runs[0].profile,
        revision=runs[0].revision,
        saved=datetime.fromtimestamp(SYSTEM_CLOCK.wall_ns() // NS_PER_S, UTC).isoformat(),
        claims=dict(sorted(proven.items())),
        target=runs[0].target,
    )


def _ended(session: Path, run_dirs: Sequence[Path]) -> SessionInfo:
    """What a session said of itself when it had come to its end."""
    standing = session_standing(session, run_dirs)
    if standing.doubts:
        raise ConfigError(f"no baseline can be made of {session}: {' '.join(standing.doubts)} {_AGAIN}")
    if standing.exit_code == ExitCode.INTERRUPTED:
        raise ConfigError(f"no baseline can be made of {session}: somebody stopped it. {_AGAIN}")
    return read_session(session)


def _recorded(run_dir: Path) -> tuple[RunInfo, tuple[Finding, ...]]:
    try:
        return read_run(run_dir), read_findings(run_dir)
    except RecordingError as error:
        raise ConfigError(f"no baseline can be made of {run_dir}: {error}") from error


def _must_have_passed(run_dir: Path, run: RunInfo, findings: Sequence[Finding], said: Verdict | None) -> None:
    verdict = worst(finding.verdict for finding in findings)
    if verdict is not Verdict.PASS:
        raise ConfigError(
            f"{run.scenario} was {verdict} in {run_dir}: a baseline is what was proven. Mend it, or run it again."
        )
    if said is not Verdict.PASS:
        raise ConfigError(
            f"{run.scenario} was {said or 'not judged'} when its session was held, and its findings in {run_dir} say "
            f"PASS: they were made later. {_AGAIN}"
        )
    if run.variants:
        raise ConfigError(
            f"{run.scenario} was held with {', '.join(run.variants)} switched on: that is not your system as it is."
        )
    if against := doubts(History.load(run_dir), findings):
        raise ConfigError(
            f"{run.scenario} proves nothing as it is recorded in {run_dir}: {against[0].rstrip('.')}. A baseline is "
            f"what was proven. {_AGAIN}"
        )
