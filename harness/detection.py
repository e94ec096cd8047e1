"""Do the scenarios notice? Each planted defect is switched on, and the claim meant for it must turn red.

A check that was never seen to fail proves nothing. A scenario says which defects it catches, and by which claim, with
`@pytest.mark.detects(defect, by=claim)`; here each is held to it. A defect caught by the wrong claim counts as missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import sessions
from harness.errors import ConfigError
from harness.recording.records import Verdict


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What came of one planted defect in one scenario.

    Attributes:
        defect: The variant that was switched on.
        claim: The claim that had to fail.
        caught: Whether it did.
        failed: Every claim that failed.
        because: What the claim found, or why it found nothing.
        run_dir: The recording.
    """

    defect: str
    scenario: str
    claim: str
    caught: bool
    failed: tuple[str, ...]
    because: str
    run_dir: str


def promises(scenarios: Path) -> list[tuple[str, str, str]]:
    """Every (defect, scenario, claim) that the scenarios promise.

    Raises:
        ConfigError: They promise nothing, or cannot be collected.
    """
    outcome = sessions.run(scenarios, ["--collect-only"])
    if outcome.errors:
        raise ConfigError("\n".join(outcome.errors))
    found = [(defect, info.name, claim) for info in outcome.scenarios for defect, claim in info.detects]
    if not found:
        raise ConfigError(f"no scenario in {scenarios} says which defect it detects: nothing would be proven")
    return found


def detect(scenarios: Path, arguments: Sequence[str], only: Sequence[str] = ()) -> list[Detection]:
    """Run each promised scenario with its defect and see which claims turn red.

    Args:
        scenarios: Their folder.
        arguments: Further `--drill-…` arguments (profile, seed, runs).
        only: Only these defects; all if empty.
    """
    return [
        _held(
            scenarios,
            [*arguments, f"--drill-variant={defect}", f"--drill-only={scenario}"],
            defect,
            scenario,
            claim,
        )
        for defect, scenario, claim in promises(scenarios)
        if not only or defect in only
    ]


def _held(scenarios: Path, arguments: Sequence[str], defect: str, scenario: str, claim: str) -> Detection:
    outcome = sessions.run(scenarios, arguments)
    final = [judgement for judgement in outcome.judgements if not judgement.superseded]
    findings = [finding for judgement in final for finding in judgement.findings]
    failed = tuple(finding.claim for finding in findings if finding.verdict is Verdict.FAIL)
    meant = next((finding for finding in findings if finding.claim == claim), None)
    because = meant.because if meant else "; ".join(outcome.errors) or f"the scenario has no claim {claim!r}"
    return Detection(
        defect=defect,
        scenario=scenario,
        claim=claim,
        caught=claim in failed,
        failed=failed,
        because=because,
        run_dir=str(final[-1].run_dir) if final else "",
    )
