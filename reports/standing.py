"""Whether a page may be green, and what to say if not.

A page is green only if the run came to its planned end, was judged about every claim, nothing in its recording is
damaged and no later run repeats it. A recording alone can look fine in each of its parts and still prove nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.recording.history import History
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import superseded, worst
from reports.axis import axis_of
from reports.pairing import unpaired
from reports.text import plain

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a run counts for.

    Attributes:
        verdict: The verdict of its findings, or INCONCLUSIVE where they are green and the recording is not whole.
        warnings: What is wrong with the recording or with the run as a whole.
        superseded: Whether a later run repeats it.
    """

    verdict: Verdict
    warnings: tuple[str, ...]
    superseded: bool


def standing_of(history: History, findings: Sequence[Finding]) -> Standing:
    """Weigh a run."""
    found = list(history.damage)
    if not history.completed:
        found.append(f"The run did not come to its planned end: {history.run.ended or 'it was cut off'}.")
    if (axis := axis_of(history)).jumped:
        found.append(
            f"A clock jumped: some of it was recorded more than {axis.seconds:.0f} s after the beginning, which is "
            "longer than the plan allows for. That part is not drawn."
        )
    if not findings:
        found.append("The run has not been judged. `drill judge` does that.")
    found += unpaired(history.run, findings)
    run_dir = history.run_dir.resolve()
    again = run_dir in superseded([file.parent for file in sorted(run_dir.parent.glob("*/run.json"))])
    if again:
        found.append("This run was held again, and the later one counts.")
    verdict = worst(finding.verdict for finding in findings)
    if verdict is Verdict.PASS and found:
        verdict = Verdict.INCONCLUSIVE
    return Standing(verdict=verdict, warnings=tuple(plain(told, 1000) for told in found), superseded=again)
