"""Judging a recording again: the one verb that needs nothing but the recording.

It stands alone because of what it need not bring along. All that starts servers, holds sessions and fetches programs
takes longer to import than most recordings take to judge.
"""

from pathlib import Path

from harness.checks.judging import judge, weighed
from harness.console import ConsoleNarrator, complain, terminal
from harness.errors import ExitCode, RecordingError
from harness.judgement import EXIT_CODES, Judgement
from harness.patience import patiently
from harness.recording.history import History
from harness.recording.rundir import RUN_FILE, write_findings


def judge_again(run_dir: Path) -> Judgement:
    """Judge a recording from disk and put the findings beside it, where that can be done.

    Raises:
        RecordingError: It is not a run directory, or cannot be read.
    """
    try:
        inside = [] if (run_dir / RUN_FILE).exists() else sorted(run_dir.glob(f"*/{RUN_FILE}"))
    except OSError as error:
        raise RecordingError(f"{str(run_dir)[:200]} cannot be looked into: {error.strerror}.") from error
    if inside:
        raise RecordingError(
            f"{run_dir} is a whole session: name one of its runs, {' or '.join(str(run.parent) for run in inside)}."
        )
    with patiently(terminal(), f"judging {run_dir} …"):
        history = History.load(run_dir)
        findings = judge(history)
    verdict, doubts = weighed(history, findings)
    for doubt in doubts:
        complain(terminal(), f"every claim holds, and against the recording speaks: {doubt}")
    try:
        write_findings(run_dir, findings)
    except (
        RecordingError
    ) as error:  # an archive, or a disk that is full by now: the verdict does not depend on it
        complain(terminal(), f"the findings are only told, not kept beside the recording: {error.__cause__}")
    return Judgement(
        scenario=history.run.scenario,
        verdict=verdict,
        doubts=doubts,
        findings=findings,
        run_dir=run_dir,
        replay=history.run.replay,
    )


def print_judgement(judgement: Judgement) -> ExitCode:
    """Print one judgement for people; the exit code that belongs to it."""
    ConsoleNarrator(terminal()).judged(
        judgement.scenario, judgement.verdict, judgement.findings, judgement.run_dir, judgement.replay
    )
    return EXIT_CODES[judgement.verdict]
