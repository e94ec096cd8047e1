"""What came of one drill, as it is passed from the runner to whoever reports or exits."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import ExitCode
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
    """

    scenario: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    run_dir: Path
    replay: str
    superseded: bool = False


class NotPassed(AssertionError):  # noqa: N818 - it says what it says
    """A drill was judged FAIL or INCONCLUSIVE."""

    def __init__(self, judgement: Judgement) -> None:
        bad = [finding for finding in judgement.findings if finding.verdict is not Verdict.PASS]
        lines = [f"{judgement.verdict}: {judgement.scenario}"]
        lines += [f"  {finding.verdict}: {finding.sentence}: {finding.because}" for finding in bad]
        lines.append(f"  recorded in {judgement.run_dir}; replay: {judgement.replay}")
        super().__init__("\n".join(lines))
        self.judgement = judgement
