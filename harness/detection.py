"""Do the scenarios notice? Each planted defect is switched on, and the claim meant for it must turn red.

A check that was never seen to fail proves nothing. A scenario says which defects it catches, and by which claim, with
`@pytest.mark.detects(defect, by=claim)`; here each is held to it. A defect caught by the wrong claim counts as missed.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import sessions
from harness.errors import ConfigError, ExitCode
from harness.keeping import kept
from harness.recording.records import Verdict

# A claim that fails is what is wanted here; one that passes has missed the defect.
_CODES = {
    Verdict.FAIL: ExitCode.PASS,
    Verdict.PASS: ExitCode.FAIL,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}
# What keeps a drill from being held, and would keep the next one too.
_NOT_HELD = (ExitCode.NO_STACK, ExitCode.USAGE, ExitCode.INTERRUPTED)
# Which of several codes is the answer of all; what was stopped or missed decides.
_URGENCY = (
    ExitCode.PASS,
    ExitCode.INCONCLUSIVE,
    ExitCode.NO_STACK,
    ExitCode.USAGE,
    ExitCode.FAIL,
    ExitCode.INTERRUPTED,
)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What came of one planted defect in one scenario.

    Attributes:
        defect: The variant that was switched on.
        claim: The claim that had to fail.
        code: PASS if it did, FAIL if it held in spite of the defect, INCONCLUSIVE if it says nothing; else what kept
            the drill from being held.
        failed: Every claim that failed.
        because: What the claim found, or why it found nothing, or why the drill was not held.
        run_dir: The recording, or "".
    """

    defect: str
    scenario: str
    claim: str
    code: ExitCode
    failed: tuple[str, ...]
    because: str
    run_dir: str

    @property
    def caught(self) -> bool:
        """Whether the claim that is meant for the defect turned red."""
        return self.code is ExitCode.PASS


@dataclass(frozen=True, kw_only=True)
class Promise:
    """That a scenario catches a defect by a claim."""

    defect: str
    scenario: str
    claim: str


def promises(scenarios: Path, only: Sequence[str] = ()) -> list[Promise]:
    """What the scenarios promise.

    Args:
        scenarios: Their folder.
        only: Only these defects; all if empty.

    Raises:
        ConfigError: They promise nothing, nothing about one of `only`, or cannot be collected; or all are wanted, and
            some are left out: what they promise would go unproven and unseen.
    """
    found = [
        Promise(defect=defect, scenario=info.name, claim=claim)
        for info in sessions.collected(scenarios, whole=not only)
        for defect, claim in info.detects
    ]
    if not found:
        raise ConfigError(f"no scenario in {scenarios} says which defect it detects: nothing would be proven")
    known = sorted({promise.defect for promise in found})
    for defect in only:
        if defect not in known:
            near = difflib.get_close_matches(defect, known, n=1)
            advice = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise ConfigError(f"no scenario in {scenarios} promises to detect {defect!r}. {advice}")
    return [promise for promise in found if not only or promise.defect in only]


def detect(scenarios: Path, arguments: Sequence[str], only: Sequence[str] = ()) -> list[Detection]:
    """Run each promised scenario with its defect and see which claims turn red.

    Args:
        scenarios: Their folder.
        arguments: Further `--drill-…` arguments (profile, seed, runs).
        only: Only these defects; all if empty.

    Returns:
        One for each promise. After a drill that could not be held no more are begun, and the rest say so.

    Raises:
        ConfigError: As of `promises`.
    """
    detections: list[Detection] = []
    not_held: Detection | None = None
    for promise in promises(scenarios, only):
        if not_held:
            because = f"not begun, because {not_held.scenario} with {not_held.defect} was not held"
            detections.append(_unanswered(promise, not_held.code, because))
            continue
        found = _held(scenarios, arguments, promise)
        detections.append(found)
        if found.code in _NOT_HELD:
            not_held = found
    return detections


def exit_code_of(detections: Sequence[Detection]) -> ExitCode:
    """The exit code of them all: a miss decides, then what could not be held, then a drill that said nothing."""
    codes = [found.code for found in detections] or [ExitCode.INCONCLUSIVE]
    return max(codes, key=_URGENCY.index)


def _held(scenarios: Path, arguments: Sequence[str], promise: Promise) -> Detection:
    chosen = [f"--drill-variant={promise.defect}", f"--drill-only={promise.scenario}"]
    outcome = kept(sessions.run(scenarios, [*arguments, *chosen]))
    if outcome.code in _NOT_HELD:
        why = "; ".join(outcome.errors) or "somebody stopped it"
        return _unanswered(promise, outcome.code, f"not held: {why}")
    final = outcome.counting
    findings = [finding for judgement in final for finding in judgement.findings]
    failed = tuple(finding.claim for finding in findings if finding.verdict is Verdict.FAIL)
    about_it = [finding for finding in findings if finding.claim == promise.claim]
    meant = max(about_it, key=lambda finding: finding.verdict.badness, default=None)
    if meant is None:
        code = ExitCode.INCONCLUSIVE
        because = "; ".join(outcome.errors) or f"the scenario has no claim {promise.claim!r}"
    else:
        code = _CODES[meant.verdict]
        because = meant.because
    return Detection(
        defect=promise.defect,
        scenario=promise.scenario,
        claim=promise.claim,
        code=code,
        failed=failed,
        because=because,
        run_dir=str(final[-1].run_dir) if final else "",
    )


def _unanswered(promise: Promise, code: ExitCode, because: str) -> Detection:
    return Detection(
        defect=promise.defect,
        scenario=promise.scenario,
        claim=promise.claim,
        code=code,
        failed=(),
        because=because,
        run_dir="",
    )
