"""From a history and its claims to findings: the rules by which a verdict can be trusted.

Evidence is weighed per claim. What has been seen to go wrong in a safety claim is a FAIL whatever else
went wrong in the drill. Everything else needs the run to have been a test at all: it came to its end, what
the claim looked at is undamaged, and the claim's own evidence was seen. A green verdict is the only one
that needs all of it.
"""

from collections.abc import Iterable, Sequence

from harness.checks import CannotSay, Claim, Conclusion, Evidence, Kind, Seen, from_record
from harness.errors import ConfigError, RecordingError
from harness.recording.history import History
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import worst


def judge(history: History, claims: Sequence[Claim] | None = None) -> tuple[Finding, ...]:
    """Judge a run.

    Args:
        history: The run.
        claims: What to judge it by; by default the claims that the run itself carries.

    Returns:
        One finding a claim, in their order.

    Raises:
        RecordingError: The run's claims cannot be made again from its `run.json`.
        ConfigError: Two claims have the same id.
    """
    judged = recorded_claims(history) if claims is None else tuple(claims)
    ids = [claim.id for claim in judged]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(
            f"the claims {', '.join(twice)} occur twice: their findings could not be told apart. Rename one."
        )
    return tuple(_judge_one(claim, history) for claim in judged)


def recorded_claims(history: History) -> tuple[Claim, ...]:
    """The claims a run was held for.

    Raises:
        RecordingError: They cannot be made again.
    """
    claims = tuple(from_record(record) for record in history.run.claims)
    for claim in claims:
        if not isinstance(claim, Claim):
            raise RecordingError(f"{history.run_dir}: wanted claims in run.json, got {type(claim).__name__}")
    return claims


def overall(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict. No findings at all prove nothing: INCONCLUSIVE."""
    return worst(finding.verdict for finding in findings)


def _judge_one(claim: Claim, history: History) -> Finding:
    with history.watched() as looked_at:
        conclusion = _concluded(claim, history)
        needed = {
            place: _looked_for(evidence, history)
            for place, evidence in enumerate(claim.counts_only_if)
            if _needed(evidence, claim)
        }
    obstacles = [
        seen.sentence
        for place, seen in needed.items()
        if not seen.ok
        and not (conclusion.verdict is Verdict.PASS and _excuses_only(claim.counts_only_if[place]))
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
        evidence=tuple(
            _told(needed.get(place), evidence, claim, history)
            for place, evidence in enumerate(claim.counts_only_if)
        ),
        precision=conclusion.precision,
        examples=conclusion.examples,
    )


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
        return Conclusion(verdict=Verdict.INCONCLUSIVE, because=_broke(claim.check, error))


def _looked_for(evidence: Evidence, history: History) -> Seen:
    try:
        return evidence.seen(history)
    except CannotSay as why:
        return Seen(ok=False, sentence=str(why))
    except Exception as error:  # noqa: BLE001 - as above
        return Seen(ok=False, sentence=_broke(evidence, error))


def _broke(part: object, error: Exception) -> str:
    return f"{type(part).__name__} itself broke: {type(error).__name__}: {error}"


def _needed(evidence: Evidence, claim: Claim) -> bool:
    return claim.kind is Kind.RATE or not evidence.only_for_rates


def _excuses_only(evidence: Evidence) -> bool:
    """Whether its absence can only have made things worse: a claim that held all the same has held."""
    return bool(getattr(evidence, "excuses_only", False))


def _told(needed: Seen | None, evidence: Evidence, claim: Claim, history: History) -> str:
    if needed is None:  # looked for only to be told: what is damaged there does not touch the claim
        seen = _looked_for(evidence, history)
        return f"not needed by a {claim.kind.value} claim: {seen.sentence}"
    return f"{'seen' if needed.ok else 'MISSING'}: {needed.sentence}"
