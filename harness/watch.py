"""The waiting of a drill: it keeps the faults' schedule going, the narrator informed, and notices what died."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.clock import NS_PER_S, Clock
from harness.faults.schedule import Progress, RunningPlan
from harness.load.generator import LoadState
from harness.narration import Glance, Narrator
from harness.phases import Phases
from harness.probes.polling import Polling
from harness.recording.records import Phase
from harness.stack.drillable import RunningLoad

TICK_S = 0.1


@dataclass(kw_only=True)
class Watch:
    """Waiting, the only thing a drill does while its load runs.

    Attributes:
        load: Asked at each look how it stands; that it died is noticed here.
        polling: Where the gauges' latest readings are.
        gauges: Probe and short name of what is shown beside the load.
        phases: For how far the drill has come.
        began_ns: When the load began.
        phase: The one that runs.
        schedule: Of the faults, once they may begin.
    """

    load: RunningLoad
    polling: Polling
    gauges: tuple[tuple[str, str], ...]
    phases: Phases
    narrator: Narrator
    clock: Clock
    began_ns: int
    phase: Phase = Phase.WARM_UP
    schedule: RunningPlan | None = None

    def until(self, at_ns: int, unless: Callable[[], bool] = lambda: False) -> None:
        """Come back at `at_ns`, or as soon as `unless` is true."""
        while (left_ns := at_ns - self.clock.now_ns()) > 0 and not unless():
            if self.schedule:
                self.schedule.step()
            self.narrator.glance(self._glance(self.load.state()))
            self.clock.sleep(min(TICK_S, left_ns / NS_PER_S))

    def _glance(self, load: LoadState) -> Glance:
        gauges = tuple(
            (short, len(reading.value))
            for probe, short in self.gauges
            if (reading := self.polling.latest(probe)) and isinstance(reading.value, list)
        )
        return Glance(
            phase=self.phase.value,
            elapsed_s=max(0.0, (self.clock.now_ns() - self.began_ns) / NS_PER_S),
            total_s=self.phases.load_s + self.phases.converge_s,
            sent=load.sent,
            done=load.done,
            rate_per_s=load.sent_last_second,
            ok=load.ok,
            rejected=load.rejected,
            unknown=load.unknown,
            faults=self._active_faults(),
            gauges=gauges,
        )

    def _active_faults(self) -> tuple[str, ...]:
        if self.schedule is None:
            return ()
        active = (Progress.INJECTING, Progress.ACTIVE, Progress.HEALING)
        return tuple(title for title, progress in self.schedule.progress if progress in active)
