"""What a gate holds a change to: whatever an earlier session proved is proven again.

A session that passes says that its claims hold, and not that they are last week's claims: who deletes the claim that
would fail, or the scenario, has a green session. A baseline is the list of what was proven, kept in the repository
where a review sees it change. What it has and a session has not is a question left open, and so INCONCLUSIVE.

Figures are not part of it. They differ from machine to machine, and the bounds that matter are claims already.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.baseline import Baseline
from harness.catalogue import ScenarioInfo
from harness.errors import ConfigError, RecordingError
from harness.judgement import Judgement
from harness.recording.rundir import read_run
from harness.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A session beside a baseline.

    Attributes:
        lost: What the baseline has and the session did not judge: scenario, and claim or "" for the whole of it.
        new: What the session proved and the baseline does not know of.
    """

    lost: tuple[tuple[str, str], ...]
    new: tuple[tuple[str, str], ...]


def gated(scenarios: Sequence[ScenarioInfo]) -> list[str]:
    """The names of the scenarios that are marked for the gate.

    Raises:
        ConfigError: None is: a gate that asks nothing would let everything through.
    """
    names = [info.name for info in scenarios if info.gate]
    if not names:
        raise ConfigError(
            f"none of {len(scenarios)} scenarios is marked for the gate, so it would let everything through. Mark "
            "some: @pytest.mark.scenario(name, guide=heading, gate=True)."
        )
    return names


def refuse_another(baseline: Baseline | None, settings: Settings) -> None:
    """Refuse to hold a gate that would answer another question than the one that was answered before.

    Raises:
        ConfigError: The target is not as it is, or the durations are not those of the baseline.
    """
    if settings.variants:
        raise ConfigError(
            f"{', '.join(settings.variants)} is switched on (DRILLBOOK_VARIANTS), and a gate is about your system as "
            "it is. Unset it; `drill run --variant` holds drills with a planted defect."
        )
    if baseline is not None and baseline.profile != settings.profile:
        raise ConfigError(
            f"the baseline was saved with the profile {baseline.profile} and this gate has {settings.profile}: give "
            "it the same, or a baseline of its own with --baseline."
        )


def strangers(baseline: Baseline, judgements: Sequence[Judgement]) -> Iterator[str]:
    """What a session held that is not what the baseline is about, by the recordings' own word."""
    for judgement in judgements:
        try:
            run = read_run(judgement.run_dir)
        except RecordingError as error:
            yield f"{judgement.scenario}: {error}"
            continue
        known = {"profile": baseline.profile, "target": baseline.target or run.target}
        for what, wanted in known.items():
            if (came := getattr(run, what)) != wanted:
                yield (
                    f"{judgement.scenario} was held with the {what} {came}, and the baseline is about {wanted}: it "
                    "answers another question. Save a baseline of its own, with --baseline."
                )


def compared(baseline: Baseline, judgements: Sequence[Judgement]) -> Comparison:
    """What a session lost of a baseline, and what it has beyond it.

    Args:
        baseline: What was proven before.
        judgements: Those of the session that count. What they say of a claim is not looked at: a claim that fails has
            been judged.
    """
    judged = {found.scenario: {finding.claim for finding in found.findings} for found in judgements}
    lost, new = [], []
    for scenario, claims in baseline.claims.items():
        if scenario not in judged:
            lost.append((scenario, ""))
        else:
            lost += [(scenario, claim) for claim in claims if claim not in judged[scenario]]
    for scenario, found in judged.items():
        new += [(scenario, claim) for claim in sorted(found - set(baseline.claims.get(scenario, ())))]
    return Comparison(lost=tuple(lost), new=tuple(new))
