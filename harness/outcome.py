"""What a session of drills came to: everything that was selected, reckoned against everything that was judged.

A gate lets a deployment through at 0, so 0 has to be earned: each selected scenario has a verdict that counts, or has
said why it does not want one. Whatever is missing is a trouble with a name, and a session with a trouble is never PASS.

A scenario that skips itself with a reason does not hold a session back. Its author wrote down, in the file that a
review sees, that it cannot be held here (one broker, another runtime); were that red, the gate could never be green
on a small machine, and people would stop looking at it. But it is shown, in the summary, in JSON and in JUnit; it needs
a reason; it does not count where everything was skipped; and it does not answer somebody who asked for that scenario by
its name. A gate that must have a scenario names it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.catalogue import ScenarioInfo, is_meant
from harness.errors import ExitCode
from harness.judgement import EXIT_CODES, Judgement, Trouble
from harness.recording.records import Verdict
from harness.recording.rundir import worst

# What pytest itself says of a skip whose author gave no reason.
_NO_REASON = re.compile(r"|unconditional skip|condition: .*|could not import '.*'.*", re.DOTALL)
# Which of several troubles names the session: what the user can mend first.
_URGENCY = (ExitCode.INCONCLUSIVE, ExitCode.NO_STACK, ExitCode.USAGE, ExitCode.INTERRUPTED)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What happened in a session, before anything is concluded from it.

    Attributes:
        asked: Names of scenarios that somebody asked for; none means all.
        scenarios: What was selected.
        left_out: Scenarios that an expression or a conftest.py took away, unasked for by name.
        judgements: Every judged run, in order.
        skipped: Scenarios and files that did not want to be held, each with its reason.
        troubles: What went wrong.
        stopped: Whether somebody stopped it.
        complained: What is to be said if pytest was not content and nobody said why; or "".
        recordings: The session's folder, once a stack was up.
        replay: The command that holds the same scenarios again.
    """

    asked: tuple[str, ...] = ()
    scenarios: tuple[ScenarioInfo, ...] = ()
    left_out: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    troubles: tuple[Trouble, ...] = ()
    stopped: bool = False
    complained: str = ""
    recordings: Path | None = None
    replay: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionOutcome:
    """What a session of drills came to.

    Attributes:
        code: The exit code of `drill`.
        judgements: Every judged run.
        troubles: What could not be held, and why.
        scenarios: What was selected.
        left_out: Scenarios that an expression or a conftest.py took away.
        skipped: Scenarios that did not want to be held, each with its reason.
        interrupted: Recordings that were broken off, and kept.
        recordings: The session's folder; None if no stack was up.
        replay: The command that holds the same scenarios again.
    """

    code: ExitCode
    judgements: tuple[Judgement, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    scenarios: tuple[ScenarioInfo, ...] = ()
    left_out: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    interrupted: tuple[Path, ...] = ()
    recordings: Path | None = None
    replay: str = ""

    @property
    def counting(self) -> tuple[Judgement, ...]:
        """The judgements that decide: those that no later run repeats."""
        return tuple(judgement for judgement in self.judgements if not judgement.superseded)

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong, for people; what several scenarios have in common is told once."""
        return tuple(dict.fromkeys(trouble.told for trouble in self.troubles))

    @property
    def not_held(self) -> tuple[tuple[str, str], ...]:
        """The selected scenarios that came to no verdict, each with why; those that were skipped are told apart."""
        judged = {judgement.scenario for judgement in self.counting} | {name for name, _ in self.skipped}
        why = {trouble.scenario: trouble.told for trouble in reversed(self.troubles)}
        return tuple(
            (info.name, why[info.name])
            for info in self.scenarios
            if info.name not in judged and info.name in why
        )

    def with_trouble(self, told: str, code: ExitCode) -> "SessionOutcome":
        """The same session, with something that keeps it from being PASS: such as a report that could not be made."""
        trouble = Trouble(scenario="", told=told, code=code)
        return replace(
            self,
            code=code if self.code is ExitCode.PASS else self.code,
            troubles=(*self.troubles, trouble),
        )


def reckoned(held: Held, interrupted: Sequence[Path] = ()) -> SessionOutcome:
    """Conclude what a session came to.

    Args:
        held: What happened.
        interrupted: Recordings that were broken off.
    """
    judgements = _nothing_superseded_by_nothing(held.judgements)
    counting = [judgement for judgement in judgements if not judgement.superseded]
    verdicts = [judgement.verdict for judgement in counting]
    troubles = list(held.troubles)
    if not any(trouble.code is ExitCode.USAGE and not trouble.scenario for trouble in troubles):
        troubles += _unproven(held, {judgement.scenario for judgement in counting})
    if not troubles and held.complained and worst(verdicts) is Verdict.PASS:
        troubles.append(Trouble(scenario="", told=held.complained))
    return SessionOutcome(
        code=_code(held, verdicts, troubles),
        judgements=judgements,
        troubles=tuple(troubles),
        scenarios=held.scenarios,
        left_out=held.left_out,
        skipped=held.skipped,
        interrupted=tuple(interrupted),
        recordings=held.recordings,
        replay=held.replay,
    )


def _code(held: Held, verdicts: Sequence[Verdict], troubles: Sequence[Trouble]) -> ExitCode:
    if held.stopped:
        return ExitCode.INTERRUPTED
    if Verdict.FAIL in verdicts:  # the system failed, whatever else went wrong
        return ExitCode.FAIL
    if troubles:
        return max((trouble.code for trouble in troubles), key=_URGENCY.index)
    return EXIT_CODES[worst(verdicts)]


def _nothing_superseded_by_nothing(judgements: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """An INCONCLUSIVE run still counts if the one that was to repeat it never came to a verdict."""
    repeated = {judgement.scenario for judgement in judgements if not judgement.superseded}
    return tuple(
        replace(judgement, superseded=judgement.superseded and judgement.scenario in repeated)
        for judgement in judgements
    )


def _unproven(held: Held, judged: set[str]) -> Iterator[Trouble]:
    """What was selected and neither judged nor excused."""
    skipped = dict(held.skipped)
    if not held.scenarios and not skipped and not held.troubles:
        told = "no scenario was chosen. `drill list` shows those that are here."
        yield Trouble(scenario="", told=told, code=ExitCode.USAGE)
    for name, reason in skipped.items():
        if _NO_REASON.fullmatch(reason):
            told = (
                f"{name} was skipped without a reason of its author's, so nobody can tell whether it should have been. "
                "Give one: reason=..."
            )
            yield Trouble(scenario=name, told=told)
    for asked in held.asked:
        names = dict.fromkeys((*(info.name for info in held.scenarios), *skipped))
        meant = [name for name in names if is_meant(name, asked)]
        if meant and not judged.intersection(meant) and skipped.keys() >= set(meant):
            told = f"{asked} was asked for by name and was skipped ({skipped[meant[0]]}), so the question is open."
            yield Trouble(scenario=meant[0], told=told)
    if skipped and not judged and not held.asked and not held.troubles:
        yield Trouble(scenario="", told="every scenario was skipped, so nothing was shown.")
    explained = {*judged, *skipped, *(trouble.scenario for trouble in held.troubles)}
    missing = [info.name for info in held.scenarios if info.name not in explained]
    told = f"the session ended before these came to a verdict: {', '.join(missing)}"
    yield from (Trouble(scenario=name, told=told) for name in missing)
