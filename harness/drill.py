"""One drill from its first phase to its verdict.

Load, faults and probes are brought together and what happens is written down. Nothing is judged on the way: when
all is recorded, the recording is loaded from disk, as anybody could later, and the claims decide.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from harness.checks import Claim
from harness.checks.judging import judge, weighed
from harness.clock import NS_PER_S, Clock
from harness.errors import ConfigError, DrillError, RecordingError, RecordingLostError, StackError
from harness.faults.schedule import FaultPlan, Planned, RunningPlan
from harness.identity import described, folder_name, replay_line
from harness.interruption import is_interruption
from harness.judgement import Judgement
from harness.load.arrivals import Shape, steady
from harness.load.operations import Operation
from harness.narration import Narrator
from harness.observing import Observation
from harness.phases import Phases
from harness.probes.heartbeat import DiskHeartbeat, Heartbeat
from harness.probes.machine_cpu import MachineCpu
from harness.probes.polling import Polling, final_readings
from harness.recording.episodes import END
from harness.recording.history import History
from harness.recording.recorder import Recorder
from harness.recording.records import Phase, PhaseStarted, Reading, Stream
from harness.recording.rundir import COMPLETED, INTERRUPTED, shown, write_findings
from harness.settings import Settings
from harness.stack.drillable import Configured, DrillableStack, RunningLoad
from harness.watch import Watch

READING_TIMEOUT_S = 15.0
# What a machine may stall for while the target is given its time: that is not had, and is taken off it (checks.rest).
STALLED_S_MAX = 1.0
LOSSES = "ended by itself"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What clients do during a drill.

    Attributes:
        operation: What each request is.
        rate_per_s: Offered, whatever the target does (open loop).
        impact_rate_per_s: Offered during impact, where that is another: a flood is a load and no fault.
        timeout_s: After which a client gives up and does not know.
    """

    operation: Operation
    rate_per_s: float
    impact_rate_per_s: float | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a load that is none, before anything is started for it."""
        for name in ("rate_per_s", "impact_rate_per_s", "timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(
                    f"{name} must be a number above 0, got {value}: without load nothing is proven."
                )

    def rate_in(self, phase: Phase) -> float:
        """What is offered a second in a phase."""
        if phase is Phase.IMPACT and self.impact_rate_per_s is not None:
            return self.impact_rate_per_s
        return self.rate_per_s

    def shape(self, phases: Phases) -> Shape:
        """When it is offered."""
        parts = (steady(self.rate_in(phase), seconds=length_s) for phase, length_s in phases.under_load())
        return reduce(Shape.then, parts)


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One attempt at a scenario.

    Attributes:
        stack: What it is held on, reset before it begins.
        scenario: Its id in the catalogue; its recording is found under it.
        title: The engineering reason, from the scenario's docstring.
        load, faults, phases, claims, observing, configured: What the scenario says.
        seed: Of all randomness.
        attempt: 0, or 1 for the one that follows an INCONCLUSIVE one.
        scenarios: The folder that `--scenarios` must name to find it again; "" for the usual one.
    """

    stack: DrillableStack
    settings: Settings
    narrator: Narrator
    scenario: str
    title: str
    load: Load
    faults: tuple[Planned, ...]
    phases: Phases
    claims: tuple[Claim, ...]
    observing: Observation
    configured: Configured
    seed: int
    attempt: int
    clock: Clock
    scenarios: str = ""

    def hold(self) -> Judgement:
        """Run it through all phases and judge what was recorded, however it ended."""
        self.stack.fresh(self.configured)
        run_dir = self.stack.recordings / folder_name(self.scenario, self.attempt)
        with Recorder(run_dir) as recorder:
            recorder.start(described(self))
            ended = COMPLETED
            try:
                self._through_all_phases(recorder)
            except BaseException as error:
                stopped = is_interruption(error)
                # Whatever failed first, without its owner the whole stack is gone: that is why, and what is to be told.
                gone = "" if stopped else self.stack.gone()
                ended = INTERRUPTED if stopped else f"aborted: {gone or str(error) or type(error).__name__}"
                if stopped or gone or not _can_be_judged(error):
                    with suppress(RecordingError):  # then it says by itself that it was cut off
                        recorder.finish(ended)
                    if stopped:  # also where a heal failed on the way out: a Ctrl-C must not go unheard
                        raise KeyboardInterrupt from error
                    if gone:
                        raise StackError(gone) from error
                    raise
                if losses := [str(loss) for loss in self.stack.losses() if str(loss) not in ended]:
                    ended += f" ({'; '.join(losses)})"
                self.narrator.step(f"the drill was {ended}")
            recorder.finish(ended)
        return self._judge(run_dir)

    def _judge(self, run_dir: Path) -> Judgement:
        history = History.load(run_dir)
        findings = judge(history)
        verdict, doubts = weighed(history, findings)
        for doubt in doubts:
            self.narrator.step(f"every claim holds, and against the recording speaks: {doubt}")
        try:
            write_findings(run_dir, findings)
        except RecordingError as error:  # a verdict that was reached is not lost for want of room
            self.narrator.step(
                f"the findings are only told, not kept beside the recording: {error.__cause__}"
            )
        return Judgement(
            scenario=self.scenario,
            verdict=verdict,
            doubts=doubts,
            findings=findings,
            run_dir=shown(run_dir),
            replay=replay_line(self),
        )

    def _through_all_phases(self, recorder: Recorder) -> None:
        note = _PhaseNotes(recorder, self.clock, self.narrator)
        with ExitStack() as held:
            held.enter_context(Heartbeat(recorder.run_dir))
            held.enter_context(DiskHeartbeat(recorder.run_dir, self.stack.data_folder))
            generator = held.enter_context(self._generator(recorder.run_dir))
            watched = (*self.observing.watched, MachineCpu())
            polling = held.enter_context(Polling(watched, every_s=self.observing.every_s))
            polling.start(self.stack, recorder)
            schedule = self._schedule(recorder)
            held.callback(schedule.close)
            began_ns = self.clock.now_ns() + NS_PER_S // 2
            generator.start(at_ns=began_ns)
            watch = Watch(
                load=generator,
                polling=polling,
                gauges=self.observing.gauges,
                phases=self.phases,
                narrator=self.narrator,
                clock=self.clock,
                began_ns=began_ns,
            )
            for phase, at_s in self.phases.timetable():
                watch.until(began_ns + round(at_s * NS_PER_S))
                if phase is Phase.IMPACT:
                    note.started(phase)
                    schedule.begin()
                    watch.schedule = schedule
                elif phase is Phase.HEAL:
                    schedule.close()  # part of the impact still: heal begins once healing is verified
                    note.started(phase)
                else:
                    note.started(phase)
                watch.phase = phase
            watch.until(began_ns + round(self.phases.load_s * NS_PER_S))
            schedule.close()
            note.started(Phase.CONVERGE)
            watch.phase = Phase.CONVERGE
            generator.stop()
            self._converge(watch, generator)
            polling.stop()
            # Open work first: if nothing was on its way then, nothing moved while the others were read.
            last = (*self.observing.open_work, *self.observing.final)
            final_readings(last, self.stack, recorder, timeout_s=READING_TIMEOUT_S)
            note.ended()
            self._weigh_losses(recorder)

    def _weigh_losses(self, recorder: Recorder) -> None:
        """A service of the target that died is for the claims to judge; a server that did may be why it broke its word.

        Recorded where nothing died too: without the reading nobody would know that everybody was looked after.

        Raises:
            StackError: A server died. A promise that was seen broken still counts, nothing else does.
        """
        losses = self.stack.losses()
        value = [
            {"service": loss.service, "exit_code": loss.exit_code, "of_target": loss.of_target}
            for loss in losses
        ]
        seen = Reading(probe=LOSSES, at_ns=self.clock.now_ns(), took_ns=0, value=value, final=True)
        recorder.note(Stream.READINGS, seen)
        if not losses:
            return
        if servers := [str(loss) for loss in losses if not loss.of_target]:
            raise StackError(
                f"{'; '.join(servers)}. No fault did that, so what was seen may not be the target's doing. Look into "
                "the logs beside the recordings, and hold the drill again"
            )
        self.narrator.step(
            f"{'; '.join(map(str, losses))}: no fault did that; the claims judge what came of it"
        )

    def _schedule(self, recorder: Recorder) -> RunningPlan:
        return RunningPlan(
            FaultPlan(planned=self.faults, impact_s=self.phases.impact_s), self.stack, recorder
        )

    def _converge(self, watch: Watch, generator: RunningLoad) -> None:
        """Wait for everything open to settle, but no longer than it may take; and at least for the quiet time."""
        generator.wait_done(within_s=self.load.timeout_s + 5)
        begin_ns = self.clock.now_ns()
        quiet_until = begin_ns + round((self.phases.quiet_s + STALLED_S_MAX) * NS_PER_S)
        give_up_at = begin_ns + round((self.phases.converge_s + STALLED_S_MAX) * NS_PER_S)
        watch.until(give_up_at, unless=lambda: self.clock.now_ns() >= quiet_until and self._settled())

    def _settled(self) -> bool:
        try:
            return all(probe.read(self.stack, timeout_s=5.0) == [] for probe in self.observing.open_work)
        except DrillError:
            return False  # the final reading will say what is wrong; here it is only not settled yet

    @contextmanager
    def _generator(self, run_dir: Path) -> Iterator[RunningLoad]:
        generator = self.stack.start_load(
            operation=self.load.operation,
            shape=self.load.shape(self.phases),
            timeout_s=self.load.timeout_s,
            seed=self.seed,
            run_dir=run_dir,
        )
        try:
            yield generator
        finally:
            self.stack.end_load()


@dataclass
class _PhaseNotes:
    """Writes down when each phase really began."""

    recorder: Recorder
    clock: Clock
    narrator: Narrator

    def started(self, phase: Phase) -> None:
        self.recorder.note(Stream.PHASES, PhaseStarted(phase=phase.value, at_ns=self.clock.now_ns()))
        self.narrator.step(f"{phase.value} begins")

    def ended(self) -> None:
        self.recorder.note(Stream.PHASES, PhaseStarted(phase=END, at_ns=self.clock.now_ns()))


def _can_be_judged(error: BaseException) -> bool:
    """Whether there still is a recording to judge."""
    return isinstance(error, DrillError) and not isinstance(error, RecordingLostError)
