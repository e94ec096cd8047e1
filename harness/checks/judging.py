"""From a history and its claims to findings: the rules by which a verdict can be trusted.

Evidence is weighed per claim. What has been seen to go wrong in a safety claim is a FAIL whatever else
went wrong in the drill. Everything else needs the run to have been a test at all: it came to its end, what
the claim looked at is undamaged, and the claim's own evidence was seen, as far as its absence can have brought
about what was concluded.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.checks import CannotSay, Claim, Conclusion, Evidence, Kind, Missing, Seen, from_record
from harness.checks.evidence import unspoken
from harness.checks.lookout import Lookout, broke
from harness.errors import ConfigError, RecordingError
from harness.recording.history import History
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import worst
from harness.recording.wholeness import doubts


def judge(history: History, claims: Sequence[Claim] | None = None) -> tuple[Finding, ...]:
    """Judge a run.

    Args:
        history: The run.
        claims: What to judge it by; by default the claims that the run itself carries. One of these that cannot be
            made any more is INCONCLUSIVE: it must not keep the others from being judged, and nobody may overlook it.

    Returns:
        One finding a claim, in their order.

    Raises:
        ConfigError: Two claims have the same id.
    """
    lookout = Lookout(history)
    if claims is None:
        findings = tuple(
            _judge_record(record, lookout, place) for place, record in enumerate(history.run.claims, start=1)
        )
    else:
        findings = tuple(_judge_one(claim, lookout) for claim in claims)
    ids = [finding.claim for finding in findings]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(
            f"the claims {', '.join(twice)} occur twice: their findings could not be told apart. Rename one."
        )
    return findings


def overall(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict. No findings at all prove nothing: INCONCLUSIVE."""
    return worst(finding.verdict for finding in findings)


def weighed(history: History, findings: Sequence[Finding]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict of a run, and what keeps it from being PASS though every claim holds.

    A claim is not touched by damage to what it did not look at; a run as a whole is. It would be PASS here and
    INCONCLUSIVE on its page.
    """
    verdict = overall(findings)
    against = tuple(doubts(history, findings)) if verdict is Verdict.PASS else ()
    return (Verdict.INCONCLUSIVE if against else verdict), against


def _judge_record(record: Mapping[str, Any], lookout: Lookout, place: int) -> Finding:
    try:
        claim = from_record(record)
        if not isinstance(claim, Claim):
            raise RecordingError(f"wanted a claim in run.json, got {type(claim).__name__}")
    except RecordingError as error:
        return _unmade(record, str(error), place)
    return _judge_one(claim, lookout)


def _unmade(record: Mapping[str, Any], why: str, place: int) -> Finding:
    fields = record.get("fields")
    told = {name: str(value) for name, value in fields.items()} if isinstance(fields, Mapping) else {}
    return Finding(
        claim=told.get("id") or f"claim-{place}",
        sentence=told.get("sentence") or "A claim that cannot be read any more.",
        source=told.get("source", ""),
        verdict=Verdict.INCONCLUSIVE,
        because=why,
    )


def _judge_one(claim: Claim, lookout: Lookout) -> Finding:
    history = lookout.history
    with history.watched() as looked_at:
        conclusion = _concluded(claim, history)
        evidences = _evidence(claim, history)
    looks = [(evidence, lookout.look(evidence)) for evidence in evidences if _bears_on(evidence, claim)]
    weighed = [(evidence, look.seen) for evidence, look in looks]
    looked_at = looked_at.union(*(look.streams for _, look in looks))
    obstacles = [
        seen.sentence for evidence, seen in weighed if not seen.ok and _is_obstacle(evidence, conclusion)
    ]
    obstacles += history.damage_to(looked_at)
    if not history.completed:
        obstacles.append(f"the run did not come to its end ({history.run.ended or 'it was cut off'})")
    verdict, because = _decided(claim, conclusion, obstacles)
    return Finding(
        claim=claim.id,
        sentence=claim.sentence,
        source=claim.source,
        verdict=verdict,
        because=because,
        evidence=(
            *(_told(evidence, seen, conclusion) for evidence, seen in weighed),
            *(  # looked for only to be told: what is damaged there does not touch the claim
                f"not needed by a {claim.kind.value} claim: {lookout.look(evidence).seen.sentence}"
                for evidence in claim.counts_only_if
                if not _bears_on(evidence, claim)
            ),
        ),
        precision=conclusion.precision,
        examples=conclusion.examples,
    )


def _evidence(claim: Claim, history: History) -> list[Evidence]:
    """The claim's own, and before it what goes without saying."""
    without_saying = [evidence for evidence in unspoken(history) if evidence not in claim.counts_only_if]
    return [*without_saying, *claim.counts_only_if]


def _decided(claim: Claim, conclusion: Conclusion, obstacles: Sequence[str]) -> tuple[Verdict, str]:
    convicted = conclusion.verdict is Verdict.FAIL and claim.kind is Kind.SAFETY
    if convicted or not obstacles:
        return conclusion.verdict, conclusion.because
    reasons = "; ".join(dict.fromkeys(obstacles))
    if conclusion.verdict is Verdict.INCONCLUSIVE:
        return Verdict.INCONCLUSIVE, f"{conclusion.because}; also: {reasons}"
    return Verdict.INCONCLUSIVE, f"does not count: {reasons}. What was seen: {conclusion.because}"


def _concluded(claim: Claim, history: History) -> Conclusion:
    try:
        return claim.check.check(history)
    except CannotSay as why:
        return Conclusion(verdict=Verdict.INCONCLUSIVE, because=str(why))
    except Exception as error:  # noqa: BLE001 - a checker that breaks proves nothing, and stops no other
        return Conclusion(verdict=Verdict.INCONCLUSIVE, because=broke(claim.check, error))


def _bears_on(evidence: Evidence, claim: Claim) -> bool:
    return claim.kind is Kind.RATE or not evidence.only_for_rates


def _is_obstacle(evidence: Evidence, conclusion: Conclusion) -> bool:
    """Whether its absence can have brought about what was concluded."""
    pointless = {Verdict.PASS: Missing.EXCUSES, Verdict.FAIL: Missing.VOIDS}
    return evidence.if_missing is not pointless.get(conclusion.verdict)


def _told(evidence: Evidence, seen: Seen, conclusion: Conclusion) -> str:
    if seen.ok:
        return f"seen: {seen.sentence}"
    if _is_obstacle(evidence, conclusion):
        return f"MISSING: {seen.sentence}"
    made_it = "harder" if conclusion.verdict is Verdict.PASS else "easier"
    return f"not seen, which can only have made it {made_it} to hold: {seen.sentence}"
