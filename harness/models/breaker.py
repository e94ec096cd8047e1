"""A count-based circuit breaker, as resilience4j 2 documents and implements it.

It is told of calls in the order in which they *end*, because that is what it counts by: a call that was permitted while
it was CLOSED and ends when it is OPEN changes nothing any more, one that ends in HALF_OPEN counts among the probes.
Automatic transitions and a longest time in HALF_OPEN are off, as they are by default and in the guide.

Source: resilience4j's documentation, "CircuitBreaker" (states, sliding window, configuration), and the guide's heading
"Circuit Breaker Issues" for the default figures.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from harness.errors import ConfigError


class BreakerState(StrEnum):
    """Whether calls are made."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, kw_only=True)
class BreakerConfig:
    """The settings that decide, by resilience4j's names. Rates are percentages, durations seconds."""

    failure_rate_threshold: float = 50.0
    slow_call_rate_threshold: float = 100.0
    slow_call_duration_threshold_s: float = 2.0
    sliding_window_size: int = 10
    minimum_number_of_calls: int = 5
    wait_duration_in_open_state_s: float = 60.0
    permitted_number_of_calls_in_half_open_state: int = 3

    def __post_init__(self) -> None:
        """Refuse what resilience4j refuses."""
        counts = (
            self.sliding_window_size,
            self.minimum_number_of_calls,
            self.permitted_number_of_calls_in_half_open_state,
        )
        rates = (self.failure_rate_threshold, self.slow_call_rate_threshold)
        if min(counts) < 1 or not all(0 < rate <= 100 for rate in rates):
            raise ConfigError(
                f"sizes and numbers of calls must be at least 1 and rates above 0 and at most 100, got {counts} and "
                f"{rates}: no breaker can be made of these."
            )
        if self.wait_duration_in_open_state_s <= 0 or self.slow_call_duration_threshold_s <= 0:
            raise ConfigError(
                "wait_duration_in_open_state_s and slow_call_duration_threshold_s must be above 0, got "
                f"{self.wait_duration_in_open_state_s} and {self.slow_call_duration_threshold_s}."
            )


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A change of state, and when."""

    at_s: float
    old: BreakerState
    new: BreakerState


@dataclass(frozen=True, slots=True)
class _Call:
    failed: bool
    slow: bool


@dataclass
class BreakerModel:
    """One breaker. Times are seconds on any one clock, and never go back.

    Attributes:
        transitions: Every change of state, in order.
    """

    config: BreakerConfig = field(default_factory=BreakerConfig)
    transitions: list[Transition] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin CLOSED, with an empty window."""
        self._state = BreakerState.CLOSED
        self._opened_at_s = 0.0
        self._permits_left = 0
        self._begin_window(self.config.sliding_window_size)

    @property
    def state(self) -> BreakerState:
        """What it is in. OPEN lasts until somebody asks after its wait is over."""
        return self._state

    @property
    def failure_rate(self) -> float:
        """Percent of the calls that are counted now, or -1 below the minimum."""
        return self._rate(sum(call.failed for call in self._window))

    @property
    def slow_call_rate(self) -> float:
        """The same of slow calls."""
        return self._rate(sum(call.slow for call in self._window))

    def permits(self, at_s: float) -> bool:
        """Whether a call may be made now. A permit in HALF_OPEN is taken until the call ends or is ignored."""
        if self._state is BreakerState.CLOSED:
            return True
        if self._state is BreakerState.OPEN:
            # Strictly after: at the very end of the wait it is not over yet.
            if at_s - self._opened_at_s <= self.config.wait_duration_in_open_state_s:
                return False
            self._change(BreakerState.HALF_OPEN, at_s)
        if self._permits_left == 0:
            return False
        self._permits_left -= 1
        return True

    def ended(self, at_s: float, *, failed: bool, took_s: float) -> None:
        """A permitted call has ended, well or not.

        Args:
            at_s: When it ended.
            failed: Whether it counts as a failure. One that is slow may also have failed.
            took_s: How long it took.
        """
        slow = took_s > self.config.slow_call_duration_threshold_s
        self._window.append(_Call(failed, slow))
        if self._state is BreakerState.OPEN:
            return  # it was permitted before; it is counted, and decides nothing
        failure_rate, slow_rate = self.failure_rate, self.slow_call_rate
        exceeded = (
            failure_rate >= self.config.failure_rate_threshold
            or slow_rate >= self.config.slow_call_rate_threshold
        )
        if exceeded:
            self._change(BreakerState.OPEN, at_s)
        elif self._state is BreakerState.HALF_OPEN and failure_rate >= 0:
            self._change(BreakerState.CLOSED, at_s)

    def ignored(self) -> None:
        """A permitted call has ended in a way that says nothing, such as a declined card: its permit is free again."""
        if self._state is BreakerState.HALF_OPEN:
            self._permits_left += 1

    def _change(self, new: BreakerState, at_s: float) -> None:
        self.transitions.append(Transition(at_s=at_s, old=self._state, new=new))
        self._state = new
        match new:
            case BreakerState.OPEN:
                self._opened_at_s = at_s  # what is in the window stays there to be seen
            case BreakerState.HALF_OPEN:
                self._permits_left = self.config.permitted_number_of_calls_in_half_open_state
                self._begin_window(self._permits_left)
            case BreakerState.CLOSED:
                self._begin_window(self.config.sliding_window_size)

    def _begin_window(self, size: int) -> None:
        self._window: deque[_Call] = deque(maxlen=size)
        # A window that holds fewer calls than the minimum would never say anything.
        self._minimum = min(self.config.minimum_number_of_calls, size)

    def _rate(self, count: int) -> float:
        return 100.0 * count / len(self._window) if len(self._window) >= self._minimum else -1.0
