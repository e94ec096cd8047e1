"""Whether a recording and its findings are all there: what a verdict of a run is worth beyond its own words.

Findings are a file like any other. They may be of a run that was killed, of streams that were changed later, or of
fewer claims than the run was judged by; each of them may say PASS, and together they prove nothing.
"""

from collections.abc import Sequence

from harness.recording.history import History
from harness.recording.pairing import unpaired
from harness.recording.records import Finding


def doubts(history: History, findings: Sequence[Finding]) -> list[str]:
    """What speaks against taking the findings of a run at their word; nothing where all is well."""
    found = list(history.damage)
    if not history.completed:
        found.append(f"The run did not come to its planned end: {history.run.ended or 'it was cut off'}.")
    if not findings:
        found.append("The run has not been judged. `drill judge` does that.")
    found += unpaired(history.run, findings)
    return found
