"""What was held, well enough to be held again: the first record of a run, written before anything happens.

A failure that cannot be played again is an anecdote. Everything that decides how a drill goes is in here: the seed and
the settings, the claims, what the target was told, and the versions of all that ran.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness import __version__
from harness.checks import to_record
from harness.recording.records import Phase, RunInfo
from harness.settings import Settings

_NAME_MAX = 200  # bytes; a file system takes 255

if TYPE_CHECKING:
    from harness.drill import Drill


def folder_name(scenario: str, attempt: int) -> str:
    """The run directory of an attempt, beside those of the session's other drills."""
    name = quote(scenario, safe="[]-_.=, ")
    if len(name) > _NAME_MAX:
        name = f"{name[:_NAME_MAX]}-{sha256(scenario.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return name + (f".again-{attempt}" if attempt else "")


def replay_line(drill: "Drill") -> str:
    """The command that holds the same drill again; what is as by default is left out."""
    return _command(drill.settings, [drill.scenario], drill.seed, drill.scenarios)


def session_replay(settings: Settings, names: Sequence[str], scenarios: str) -> str:
    """The command that holds the same scenarios again, with the same seed if one was given."""
    return _command(settings, names, settings.seed, scenarios)


def _command(settings: Settings, names: Sequence[str], seed: int | None, scenarios: str) -> str:
    words = ["drill", "run", *names, "--profile", settings.profile]
    words += [] if seed is None else ["--seed", str(seed)]
    if settings.brokers != _default("brokers"):
        words += ["--brokers", str(settings.brokers)]
    for variant in settings.variants:
        words += ["--variant", variant]
    if scenarios:
        words += ["--scenarios", scenarios]
    target = (
        "" if settings.target == _default("target") else f"DRILLBOOK_TARGET={shlex.quote(settings.target)} "
    )
    return target + shlex.join(words)


def _default(name: str) -> object:
    return Settings.model_fields[name].default


def described(drill: "Drill") -> RunInfo:
    """What is about to be held, anchored to this moment."""
    settings, stack = drill.settings, drill.stack
    return RunInfo(
        run_id=stack.run_id,
        scenario=drill.scenario,
        title=drill.title,
        seed=drill.seed,
        profile=settings.profile,
        runtime=settings.runtime.value,
        target=stack.target_name,
        variants=settings.variants,
        anchor_wall_ns=drill.clock.wall_ns(),
        anchor_ns=drill.clock.now_ns(),
        replay=replay_line(drill),
        promised={
            "phases": {phase.value: at_s for phase, at_s in drill.phases.timetable()},
            "rate_per_s": drill.load.rate_per_s,
            "impact_rate_per_s": drill.load.rate_in(Phase.IMPACT),
            "load_s": drill.phases.load_s,
            "converge_s": drill.phases.converge_s,
            "faults": [
                {
                    "title": planned.fault.title,
                    "at_s": planned.at_s,
                    "seconds": drill.phases.impact_s - planned.at_s
                    if planned.for_s is None
                    else planned.for_s,
                }
                for planned in drill.faults
            ],
        },
        claims=tuple(to_record(claim) for claim in drill.claims),
        versions={"drillbook": __version__, "python": sys.version.split()[0], **stack.versions},
        revision=_revision(),
        configuration=stack.configuration(),
        supersedes=folder_name(drill.scenario, drill.attempt - 1) if drill.attempt else "",
    )


def _revision() -> str:
    """The git revision of the working folder, with "+" if it has changes; empty if it is none."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=5, check=True, env=dict(os.environ)
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
