"""Which fault when, within the impact phase, and a plan that can be driven from any loop.

Injecting measures, and measuring takes seconds; so the verbs run in worker threads while the one who drives
the plan only looks whether something is due. That also keeps Ctrl-C simple: Python raises it in the main
thread, which is never inside a heal, and whose only duty is to call `close`.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from harness.errors import ConfigError
from harness.faults import Effect, Fault
from harness.faults.injecting import injected
from harness.recording.notes import Notes
from harness.stack import Stack
from harness.stack.process import HEALING_TAKES_S

# For measuring, and for healing in an orderly way before the supervisor does.
_LIMIT_MARGIN_S = 30.0 + HEALING_TAKES_S


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One fault and its time.

    Attributes:
        at_s: When it begins, in seconds after the impact phase has begun.
        for_s: How long it lasts from when its effect was seen; None means to the end of the phase.
        after: Another fault of the plan, which must have been seen to have its effect first.
    """

    fault: Fault
    at_s: float = 0.0
    for_s: float | None = None
    after: Fault | None = None

    def __post_init__(self) -> None:
        if self.at_s < 0 or (self.for_s is not None and self.for_s <= 0):
            raise ConfigError(
                f"{self.fault.title}: at_s must not be below 0 and for_s must be above it, got {self.at_s} "
                f"and {self.for_s}."
            )


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """The faults of a drill, as data.

    Attributes:
        planned: In any order; their place is their number in the recording.
        impact_s: How long the impact phase is.
    """

    planned: tuple[Planned, ...]
    impact_s: float

    def __post_init__(self) -> None:
        for item in self.planned:
            end_s = item.at_s if item.for_s is None else item.at_s + item.for_s
            if item.at_s >= self.impact_s or end_s > self.impact_s:
                raise ConfigError(
                    f"{item.fault.title}: planned from {item.at_s:g} s to {end_s:g} s, but the impact phase "
                    f"has only {self.impact_s:g} s. What is injected outside it would be judged as the wrong "
                    "phase."
                )
            if item.after is not None and item.after not in [
                other.fault for other in self.planned if other is not item and other.after is None
            ]:
                raise ConfigError(
                    f"{item.fault.title}: planned after {item.after.title}, which is not planned, or itself waits for "
                    "another: it would never begin."
                )


class Progress(StrEnum):
    """How far a planned fault has come."""

    WAITING = "waiting"
    INJECTING = "injecting"
    ACTIVE = "active"
    HEALING = "healing"
    OVER = "over"


class RunningPlan:
    """A plan being carried out. Call `step` often, and `close` whatever happens.

    One thread drives it; the verbs run in the executor's. Faults overlap freely in time.

    Args:
        plan: What to do.
        stack: What to hurt.
        recorder: Where the fault's lines go.
        clock: What decides that something is due.
        executor: Where the verbs run; one of its own if None.
    """

    def __init__(
        self,
        plan: FaultPlan,
        stack: Stack,
        recorder: Notes,
        *,
        clock: Clock = SYSTEM_CLOCK,
        executor: Executor | None = None,
    ) -> None:
        self._own = (
            None if executor else ThreadPoolExecutor(max(1, len(plan.planned)), thread_name_prefix="fault")
        )
        self._executor: Executor = executor or self._own  # type: ignore[assignment]  # one of the two is there
        self._clock = clock
        self._began_ns = 0
        self._runs = [
            _Run(
                item,
                injected(
                    item.fault,
                    stack,
                    recorder,
                    number=number,
                    limit_s=(item.for_s or plan.impact_s - item.at_s) + _LIMIT_MARGIN_S,
                    clock=clock,
                ),
                self._executor.submit,
            )
            for number, item in enumerate(plan.planned)
        ]

    def begin(self) -> None:
        """The impact phase begins now."""
        self._began_ns = self._clock.now_ns()

    def step(self) -> None:
        """Start what is due, end what has had its time. Returns at once.

        Raises:
            FaultError: A fault could not be injected, or healed. The others go on; `close` ends them.
        """
        elapsed_s = (self._clock.now_ns() - self._began_ns) / NS_PER_S
        there = [run.item.fault for run in self._runs if run.was_active]
        for run in self._runs:
            run.look(elapsed_s, may_begin=run.item.after is None or run.item.after in there)

    @property
    def progress(self) -> tuple[tuple[str, Progress], ...]:
        """Each fault's title and how far it has come, for the live display."""
        return tuple((run.item.fault.title, run.progress) for run in self._runs)

    def close(self) -> None:
        """Heal everything that was injected, the last of the plan first, and wait for it. Safe twice.

        An inject that is still running is waited for: half a fault cannot be healed. All of it is bounded,
        because every verb is.

        Raises:
            FaultError: The first that was not told by `step` already, once everything has been tried.
        """
        errors = []
        for run in reversed(self._runs):
            try:
                run.end()
            except Exception as error:  # noqa: BLE001 - the others must be healed before this one is told
                errors.append(error)
        if self._own is not None:
            self._own.shutdown()
        if errors:
            raise errors[0]


class _Run:
    """One planned fault on its way."""

    def __init__(
        self,
        item: Planned,
        pairing: AbstractContextManager[Effect],
        submit: Callable[..., Future[object]],
    ) -> None:
        self.item = item
        self.progress = Progress.WAITING
        self._pairing = pairing
        self._submit = submit
        self._pending: Future[object] | None = None
        self._active_since_s = 0.0
        self.was_active = False

    def look(self, elapsed_s: float, *, may_begin: bool) -> None:
        """Move on if it is time. The duration counts from when the effect was seen."""
        if self._pending is not None and self._pending.done():
            self._arrive(elapsed_s)
        if self.progress is Progress.WAITING and may_begin and elapsed_s >= self.item.at_s:
            self._leave(Progress.INJECTING, self._pairing.__enter__)
        elif (
            self.progress is Progress.ACTIVE
            and self.item.for_s is not None
            and elapsed_s >= self._active_since_s + self.item.for_s
        ):
            self._leave(Progress.HEALING, self._pairing.__exit__, None, None, None)

    def end(self) -> None:
        """Heal if it was injected; wait for what is under way. Whoever is interrupted in it may call it again."""
        self._wait()
        # Still HEALING after the wait: somebody was interrupted between saying so and doing so.
        if self.progress in {Progress.ACTIVE, Progress.HEALING}:
            self._leave(Progress.HEALING, self._pairing.__exit__, None, None, None)
            self._wait()
        self.progress = Progress.OVER

    def _leave(self, progress: Progress, verb: Callable[..., object], *args: object) -> None:
        self.progress = progress
        self._pending = self._submit(verb, *args)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.exception()  # waits; what it was is told by the next line
            self._arrive(self._active_since_s)

    def _arrive(self, elapsed_s: float) -> None:
        """Whoever is interrupted in it may call it again: what is there is known before it counts as having arrived."""
        if (pending := self._pending) is None:
            return
        error = pending.exception()
        if self.progress is Progress.INJECTING:
            self._active_since_s = elapsed_s
            self.was_active = error is None
            self.progress = (
                Progress.OVER if error else Progress.ACTIVE
            )  # with an error: healed, or promised to be
        elif self.progress is Progress.HEALING:
            self.progress = Progress.OVER
        self._pending = None
        if error:
            raise error
