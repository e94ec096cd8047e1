"""The top of a page: the verdict in a sentence, and the four questions that anybody asks next.

What does the guide claim, what was done, what was seen, and how sure is that? Each answer is put together from the
findings and the recording; nothing here judges.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.recording.history import History
from harness.recording.records import Finding, Outcome, Phase, Verdict
from reports.answers import answered_in, was_sent
from reports.axis import Axis
from reports.faults import faults_told, was_there
from reports.looks import looks_told
from reports.planned import load_told, planned_phases
from reports.standing import Standing
from reports.text import counted, figure, listed, plain

UNIVERSAL = "universal"
SEEN, MISSING = "seen: ", "MISSING: "
BAD_TOLD_MAX = 4  # of each verdict: a machine that was busy makes the same said of every claim


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question that anybody asks of a verdict, and what there is to say; `intro` goes before it, or is ""."""

    question: str
    intro: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The top of a page."""

    sentence: str
    answers: tuple[Answer, ...]


def summary_of(history: History, findings: Sequence[Finding], standing: Standing, axis: Axis) -> Summary:
    """Say what a run came to."""
    special = own(findings)
    answers = (
        ("What the guide claims", _under(special), _claimed(findings, special)),
        ("What was done", "", _done(history, axis)),
        ("What was seen", "", _seen(history, findings)),
        ("How sure that is", "", _sure(history, findings, standing, axis)),
    )
    return Summary(
        sentence=plain(_sentence(history, findings, standing), 700),
        answers=tuple(
            Answer(
                question=question,
                intro=plain(intro),
                sentences=tuple(plain(told, 800) for told in sentences),
            )
            for question, intro, sentences in answers
        ),
    )


def own(findings: Sequence[Finding]) -> list[Finding]:
    """The findings about what this scenario is for; the others are claimed of every run."""
    return [finding for finding in findings if finding.source != UNIVERSAL]


def _sentence(history: History, findings: Sequence[Finding], standing: Standing) -> str:
    under = _under_faults(history)
    by_verdict = {verdict: [f for f in findings if f.verdict is verdict] for verdict in Verdict}
    hold = f"{len(by_verdict[Verdict.PASS])} of {counted(len(findings), 'claim')}"
    if failed := by_verdict[Verdict.FAIL]:
        decisive = (own(failed) or failed)[0]
        others = f" {counted(len(failed) - 1, 'other claim')} failed too." if len(failed) > 1 else ""
        return f"It is not true that “{decisive.sentence.rstrip('.')}”: {decisive.because}.{others}"
    if not findings:
        return "Nothing was concluded: this run has not been judged."
    if said_nothing := by_verdict[Verdict.INCONCLUSIVE]:
        decisive = (own(said_nothing) or said_nothing)[0]
        return (
            f"Nothing can be said about {counted(len(said_nothing), 'claim')}, such as "
            f"“{decisive.sentence.rstrip('.')}”: {decisive.because}. {hold} held {under}."
        )
    if standing.verdict is not Verdict.PASS:
        return f"{hold} held {under}, but that proves nothing: {standing.warnings[0]}"
    return f"All {counted(len(findings), 'claim')} held {under}."


def _under_faults(history: History) -> str:
    """What the claims were held against: of a fault that was gone too early nobody knows whether it was there."""
    bitten = list(dict.fromkeys(f"“{fault.title}”" for fault in history.faults if was_there(fault)))
    gone = [
        f"“{fault.title}”" for fault in history.faults if fault.since_ns is not None and not was_there(fault)
    ]
    told = [f"while {listed(bitten)} had {'its' if len(bitten) == 1 else 'their'} effect"] if bitten else []
    told += [f"with {listed(gone)} gone before the time"] if gone else []
    rates = {planned.phase: planned.rate_per_s for planned in planned_phases(history.run)}
    steady, impact = rates.get(Phase.STEADY), rates.get(Phase.IMPACT)
    if impact is not None and steady is not None and impact != steady:
        told.append(
            f"with {figure(impact)} requests a second asked for in impact instead of {figure(steady)}"
        )
    return listed(told) or "with no fault that had an effect"


def _under(special: Sequence[Finding]) -> str:
    sources = dict.fromkeys(finding.source for finding in special)
    return f"Under {listed([f'“{source}”' for source in sources])}" if sources else ""


def _claimed(findings: Sequence[Finding], special: Sequence[Finding]) -> Iterator[str]:
    yield from (finding.sentence for finding in special)
    if general := len(findings) - len(special):
        more = "And what must hold of every run: " if special else "What must hold of every run: "
        yield f"{more}{counted(general, 'claim')}, listed below."


def _done(history: History, axis: Axis) -> Iterator[str]:
    operations = history.operations
    names = listed([str(name) for name in operations["name"].unique().sort().to_list()])
    sent = operations.filter(was_sent()).height
    not_sent = operations.height - sent
    own = f" The drill itself could not send {not_sent:,} more." if not_sent else ""
    yield f"{sent:,} {names or 'operations'} were sent.{own}"
    yield from load_told(history)
    told = list(faults_told(history, axis))
    yield from told
    if not told:
        yield "Nothing was broken: without a fault, all that the target has to bear is its load."
    if history.run.variants:
        yield f"The target ran with {listed(list(history.run.variants))} switched on: a defect planted on purpose."


def _seen(history: History, findings: Sequence[Finding]) -> Iterator[str]:
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        bad = [finding for finding in findings if finding.verdict is verdict]
        first = [*own(bad), *(finding for finding in bad if finding.source == UNIVERSAL)][:BAD_TOLD_MAX]
        yield from (f"{verdict}: {finding.sentence.rstrip('.')}: {finding.because}." for finding in first)
        if more := len(bad) - len(first):
            yield f"{verdict}: {counted(more, 'other claim')}, told below."
    for finding in own(findings):
        if finding.verdict is Verdict.PASS:
            yield f"{finding.because}."
    outcomes = Counter(history.operations["outcome"].to_list())
    told = [f"{outcomes[outcome.value]:,} {outcome.value}" for outcome in Outcome if outcomes[outcome.value]]
    yield f"Operations: {listed(told) or 'none'}."
    yield from _latencies(history)


def _latencies(history: History) -> Iterator[str]:
    """How soon answers came in each phase. Of what had none nobody knows it, so that is told beside."""
    found = [
        (phase.value, answered)
        for phase in (Phase.STEADY, Phase.IMPACT, Phase.HEAL)
        if (answered := answered_in(history, phase, 0.99))
    ]
    if soon := [f"{figure(answered.ms)} ms in {name}" for name, answered in found if answered.ms is not None]:
        yield f"99 of 100 answers came within {listed(soon)}."
    if lacking := [
        f"{answered.without:,} of {answered.due:,} due in {name}"
        for name, answered in found
        if answered.without
    ]:
        yield f"Without an answer, and in none of these times: {listed(lacking)}."


def _sure(history: History, findings: Sequence[Finding], standing: Standing, axis: Axis) -> Iterator[str]:
    evidence = {line for finding in findings for line in finding.evidence}
    if evidence:
        missing = sum(line.startswith(MISSING) for line in evidence)
        seen = sum(line.startswith(SEEN) for line in evidence)
        harder = len(evidence) - seen - missing
        lacks = f", {missing} missing" if missing else ""
        lacks += f", {harder} not, which can only have made claims harder to hold" if harder else ""
        yield f"The claims rest on {counted(len(evidence), 'condition')}: {seen} were seen to be met{lacks}."
    yield from (f"Precision of {f.claim}: {f.precision}." for f in findings if f.precision)
    yield from looks_told(history)
    if history.machine:
        late_ms = round(max(beat.late_ms for beat in history.machine), 1)
        held_up = f"at most {figure(late_ms)} ms at a time" if late_ms else "no moment that was noticed"
        yield f"The machine itself held the drill up for {held_up}."
    if not history.completed:
        yield f"What was recorded goes as far as {axis.seconds:.1f} s."
    if standing.warnings:
        yield f"Against this recording speaks what is told below, {counted(len(standing.warnings), 'thing')} in all."
    else:
        yield "The recording is whole: every stream has the lines, and the digest, that it had when the run ended."
