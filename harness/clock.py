"""The only door through which time enters.

Everything that is recorded carries monotonic nanoseconds, because a wall clock that steps in the middle
of a drill would reorder what happened. One wall-clock anchor a run lets a reader say when that was.
On Linux and macOS the monotonic clock is shared by all processes of a machine, so the load generator's
times and the harness's can be compared; they mean nothing on another machine.

Waiting is only done for a condition and never without a deadline.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from harness.errors import DeadlineError

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

T = TypeVar("T")


class Clock(Protocol):
    """Time, as whoever waits or stamps a record needs it. Tests pass a clock of their own."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970, for the anchor of a run and nothing else."""
        ...

    def sleep(self, seconds: float) -> None:
        """Give up the processor. For whoever waits for something with a deadline, or for its turn in a schedule."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds since an arbitrary point, the same for every process of this machine."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep at least `seconds`; a stalled machine makes it longer, which the heartbeat probe shows."""
        if seconds > 0:
            # The one place that sleeps: whoever waits takes a Clock, so that its test need not.
            time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True)
class Deadline:
    """A point in monotonic time by which something must have happened."""

    at_ns: int
    clock: Clock = SYSTEM_CLOCK

    @classmethod
    def after(cls, seconds: float, clock: Clock = SYSTEM_CLOCK) -> "Deadline":
        """The deadline `seconds` from now."""
        return cls(clock.now_ns() + round(seconds * NS_PER_S), clock)

    @property
    def left_s(self) -> float:
        """Seconds left, never below 0: it can be handed to a time-out as it is."""
        return max(0.0, (self.at_ns - self.clock.now_ns()) / NS_PER_S)

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.clock.now_ns() >= self.at_ns


def wait_until(
    condition: Callable[[], T | None],
    *,
    within_s: float,
    what: str,
    every_s: float = 0.05,
    clock: Clock = SYSTEM_CLOCK,
) -> T:
    """Ask `condition` again and again until it answers something true, and return that.

    Args:
        condition: Called at least twice, the last time after the deadline, so that a process which was
            itself stalled does not give up on something that is there.
        within_s: Seconds until `DeadlineError`.
        what: What is awaited, for the message: "kafka-1 to answer".
        every_s: Pause between two looks; it is the precision of whatever is concluded.
        clock: The clock to wait by.

    Raises:
        DeadlineError: The condition was still false after `within_s`.
    """
    deadline = Deadline.after(within_s, clock)
    while True:
        late = deadline.passed
        answer = condition()
        if answer:
            return answer
        if late:
            raise DeadlineError(f"waited {within_s:g} s for {what}, in vain")
        clock.sleep(min(every_s, max(deadline.left_s, 0.001)))
