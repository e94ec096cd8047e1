"""What came of a scenario, as it is passed to whoever reports or exits: a verdict, or why there is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DrillError, ExitCode
from harness.recording.records import Finding, Verdict

EXIT_CODES = {
    Verdict.PASS: ExitCode.PASS,
    Verdict.FAIL: ExitCode.FAIL,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One judged run.

    Attributes:
        replay: The command that runs the same drill again.
        superseded: Whether the drill was run again because this run was INCONCLUSIVE.
        doubts: What keeps it from being PASS though every claim holds.
    """

    scenario: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    run_dir: Path
    replay: str
    superseded: bool = False
    doubts: tuple[str, ...] = ()


def as_data(judgement: Judgement) -> dict[str, Any]:
    """A judgement for machines."""
    return {
        "scenario": judgement.scenario,
        "verdict": judgement.verdict,
        "superseded": judgement.superseded,
        "warnings": judgement.doubts,
        "run_dir": str(judgement.run_dir),
        "replay": judgement.replay,
        "findings": judgement.findings,
    }


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that keeps a session from being a proof, other than a verdict.

    Attributes:
        scenario: Whose, by name; the id of a test that is no scenario; or "", the session's as a whole.
        told: What happened; for people.
        code: The exit code it asks for.
    """

    scenario: str
    told: str
    code: ExitCode = ExitCode.INCONCLUSIVE


class NotPassed(AssertionError):  # noqa: N818 - it says what it says
    """A drill was judged FAIL or INCONCLUSIVE."""

    def __init__(self, judgement: Judgement) -> None:
        bad = [finding for finding in judgement.findings if finding.verdict is not Verdict.PASS]
        lines = [f"{judgement.verdict}: {judgement.scenario}"]
        lines += [f"  {finding.verdict}: {finding.sentence}: {finding.because}" for finding in bad]
        lines += [f"  against the recording speaks: {doubt}" for doubt in judgement.doubts]
        lines.append(f"  recorded in {judgement.run_dir}; replay: {judgement.replay}")
        super().__init__("\n".join(lines))
        self.judgement = judgement


class NothingHeldError(DrillError):
    """A scenario came to its end without a drill: green would say that something was shown."""

    def __init__(self, scenario: str) -> None:
        super().__init__(
            f"{scenario} came to its end without a judged drill, so nothing was shown. A scenario has to call "
            "`chaos.run(...)`; one that cannot be held here says so with `pytest.skip(reason)`."
        )
