"""What a scenario says: while this load, when these faults, then these claims.

`Chaos` is all that a scenario needs to know of the harness. It holds the drill, once more if nothing could be said,
and turns anything but PASS into an error, so that a scenario is an ordinary pytest test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.chance import fresh_seed
from harness.checks import Claim
from harness.clock import SYSTEM_CLOCK, Clock
from harness.drill import Drill, Load
from harness.errors import ConfigError
from harness.faults.schedule import Planned
from harness.judgement import Judgement, NotPassed
from harness.narration import Narrator
from harness.observing import Observation
from harness.phases import Phases
from harness.recording.history import History
from harness.recording.records import Verdict
from harness.settings import Settings
from harness.stack.drillable import Configured, DrillableStack

__all__ = ["Chaos", "Load", "Observation"]

NOTHING_CONFIGURED: Configured = {}


@dataclass
class Chaos:
    """What a scenario drills with. One for each test; the stack is shared.

    Attributes:
        judgements: Of the session's drills; every attempt is added.
        begun: Names of the session's scenarios whose drill was begun; this one's is added.
        scenarios: As of `Drill`.
    """

    stack: DrillableStack
    settings: Settings
    narrator: Narrator
    scenario: str
    title: str
    judgements: list[Judgement] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    scenarios: str = ""
    clock: Clock = SYSTEM_CLOCK

    def run(
        self,
        *,
        load: Load,
        faults: Sequence[Planned],
        phases: Phases,
        claims: Sequence[Claim],
        observing: Observation,
        configured: Configured = NOTHING_CONFIGURED,
    ) -> History:
        """Hold the drill, judge it, and return its history if everything passed.

        An INCONCLUSIVE drill is held once more, with the same seed, if the settings allow it; both runs are kept.
        Services may be `configured` for this drill: it is held with them so, and the next one with them as ever.

        Raises:
            NotPassed: It was judged FAIL, or INCONCLUSIVE to the end.
            DrillError: It could not be held.
        """
        if faults and phases.impact_s <= 0:
            raise ConfigError(
                f"{self.scenario} has faults but impact_s is {phases.impact_s:g}: they would never be injected. "
                "Give the impact phase some seconds."
            )
        if self.scenario in self.begun:
            raise ConfigError(
                f"{self.scenario} calls chaos.run a second time: its verdict and its recording could not be told from "
                "the first's. Give it a scenario of its own, or parametrise this one."
            )
        ids = [claim.id for claim in claims]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ConfigError(
                f"the claims {', '.join(twice)} of {self.scenario} occur twice: their findings could not be told "
                "apart. Rename one."
            )
        self.begun.append(self.scenario)
        seed = self.settings.seed if self.settings.seed is not None else fresh_seed()
        for attempt in range(1 + self.settings.retry_inconclusive):
            drill = Drill(
                stack=self.stack,
                settings=self.settings,
                narrator=self.narrator,
                scenario=self.scenario,
                title=self.title,
                load=load,
                faults=tuple(faults),
                phases=phases,
                claims=tuple(claims),
                observing=observing,
                configured=configured,
                seed=seed,
                attempt=attempt,
                clock=self.clock,
                scenarios=self.scenarios,
            )
            judgement = drill.hold()
            again = judgement.verdict is Verdict.INCONCLUSIVE and attempt < self.settings.retry_inconclusive
            judgement = replace(judgement, superseded=again)
            self.judgements.append(judgement)
            self.narrator.judged(
                self.scenario, judgement.verdict, judgement.findings, judgement.run_dir, judgement.replay
            )
            if not again:
                break
            self.narrator.step(
                f"{self.scenario} was INCONCLUSIVE: it is held once more with the same seed, and that run counts"
            )
        if judgement.verdict is not Verdict.PASS:
            raise NotPassed(judgement)
        return History.load(judgement.run_dir)
