"""What a gate holds a change to: whatever an earlier session proved is proven again.

A session that passes says that its claims hold, and not that they are last week's claims: who deletes the claim that
would fail, or the scenario, has a green session. A baseline is the list of what was proven, kept in the repository
where a review sees it change. What it has and a session has not is a question left open, and so INCONCLUSIVE.

Figures are not part of it. They differ from machine to machine, and the bounds that matter are claims already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness.catalogue import ScenarioInfo
from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import ConfigError, RecordingError
from harness.judgement import Judgement
from harness.recording.records import Finding, RunInfo, Verdict
from harness.recording.repeats import superseded
from harness.recording.rundir import RUN_FILE, read_findings, read_run, worst, write_atomically

BASELINE = Path("drill-baseline.json")
BASELINE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a session proved.

    Attributes:
        profile: The table of durations that it was proven with.
        revision: Of the repository, or "".
        saved: When, as ISO 8601.
        claims: The ids of the claims that were PASS, by scenario.
    """

    profile: str
    revision: str
    saved: str
    claims: Mapping[str, tuple[str, ...]]
    baseline_version: int = BASELINE_VERSION


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


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    advice = "`drill baseline save` makes one of the newest session; --no-baseline goes without."
    try:
        document: Any = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"the baseline {path} cannot be read ({error.strerror}). Without it nobody would notice a claim that is "
            f"gone. {advice}"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"the baseline {path} is no JSON: {error}. {advice}") from error
    version = document.get("baseline_version") if isinstance(document, dict) else None
    if version != BASELINE_VERSION:
        raise ConfigError(
            f"the baseline {path} has baseline_version {version!r}, this drillbook reads {BASELINE_VERSION}. {advice}"
        )
    try:
        baseline = msgspec.convert(document, Baseline)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the baseline {path} is damaged: {error}. {advice}") from error
    if not any(baseline.claims.values()):
        raise ConfigError(f"the baseline {path} holds no claim: nothing would be compared. {advice}")
    return baseline


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, in a form that a review can read line by line.

    Raises:
        RecordingError: It cannot be written.
    """
    write_atomically(path, msgspec.json.format(msgspec.json.encode(asdict(baseline)), indent=2) + b"\n")


def newest_session(runs: Path) -> Path:
    """The newest folder in `runs` that holds recordings.

    Raises:
        ConfigError: There is none.
    """
    sessions = sorted({file.parent.parent for file in runs.glob(f"*/*/{RUN_FILE}")})
    if not sessions:
        raise ConfigError(f"there is no session in {runs}: hold one first, `drill gate --no-baseline`.")
    return sessions[-1]


def baseline_of(session: Path, names: Sequence[str]) -> Baseline:
    """What a session proved, from its recordings.

    Args:
        session: The folder that holds its runs.
        names: The scenarios of the gate. Others that the session held are not part of a baseline: the gate would miss
            them each time.

    Raises:
        ConfigError: It lacks one of them, not all of them passed, or they are not of one kind.
    """
    run_dirs = sorted(file.parent for file in session.glob(f"*/{RUN_FILE}"))
    repeated = superseded(run_dirs)
    counting = [run_dir for run_dir in run_dirs if run_dir not in repeated]
    if not counting:
        raise ConfigError(f"{session} is no session: it holds no run. Name the folder above the runs.")
    proven: dict[str, tuple[str, ...]] = {}
    runs: list[RunInfo] = []
    for run_dir in counting:
        run, findings = _recorded(run_dir)
        if run.scenario not in names:
            continue
        verdict = worst(finding.verdict for finding in findings)
        if verdict is not Verdict.PASS:
            raise ConfigError(
                f"{run.scenario} was {verdict} in {run_dir}: a baseline is what was proven. Mend it, or run it again."
            )
        if run.variants:
            raise ConfigError(
                f"{run.scenario} was held with {', '.join(run.variants)} switched on: that is not your system as it is."
            )
        runs.append(run)
        proven[run.scenario] = tuple(sorted(finding.claim for finding in findings))
    if missing := [name for name in names if name not in proven]:
        raise ConfigError(
            f"{session} lacks {', '.join(missing)}, which the gate asks: hold them all, `drill gate --no-baseline`."
        )
    if len(profiles := {run.profile for run in runs}) > 1:
        raise ConfigError(f"{session} holds runs of several profiles: {', '.join(sorted(profiles))}.")
    return Baseline(
        profile=runs[0].profile,
        revision=runs[0].revision,
        saved=datetime.fromtimestamp(SYSTEM_CLOCK.wall_ns() // NS_PER_S, UTC).isoformat(),
        claims=dict(sorted(proven.items())),
    )


def _recorded(run_dir: Path) -> tuple[RunInfo, tuple[Finding, ...]]:
    try:
        return read_run(run_dir), read_findings(run_dir)
    except RecordingError as error:
        raise ConfigError(f"no baseline can be made of {run_dir}: {error}") from error


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
