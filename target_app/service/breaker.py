"""A circuit breaker with resilience4j's settings, its events and its Actuator answers.

The state machine is interlock's; this facade adds what resilience4j has and it has not: outcomes that are
*ignored* (neither success nor failure, as a declined card says nothing about the payment service's health),
a ring of recent events, and the metrics' names. Nothing else of the shop knows the library.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter
from interlock import CircuitBreaker as StateMachine
from interlock import CircuitOpenError, Config, CoreEventListener, Outcome, State, WindowType
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from target_app.service.configuration import Count, Seconds
from target_app.service.lifecycle import Health
from target_app.service.logs import fields
from target_app.service.metrics import Metrics, Tags, tags
from target_app.service.problems import Problem
from target_app.variants import Variant

log = logging.getLogger(__name__)

T = TypeVar("T")

_HEALTH = {State.CLOSED: "UP", State.OPEN: "CIRCUIT_OPEN", State.HALF_OPEN: "CIRCUIT_HALF_OPEN"}
_STATES = (State.CLOSED, State.OPEN, State.HALF_OPEN)


class BreakerSettings(BaseModel):
    """The guide's settings of `paymentService`. Rates are percentages, as in resilience4j."""

    breaker_failure_rate_threshold: float = Field(
        default=50.0, gt=0, le=100, description="open from this % of failures"
    )
    breaker_wait_duration_in_open_state_s: Seconds = Field(
        default=60.0, description="OPEN until a probe is permitted"
    )
    breaker_permitted_calls_in_half_open_state: Count = Field(
        default=3, description="probes, all at once if they come so"
    )
    breaker_sliding_window_size: Count = Field(default=10, description="last calls that are counted")
    breaker_minimum_number_of_calls: Count = Field(default=5, description="calls before a rate is calculated")
    breaker_slow_call_rate_threshold: float = Field(
        default=100.0, gt=0, le=100, description="open from this % of slow calls"
    )
    breaker_slow_call_duration_threshold_s: Seconds = Field(
        default=2.0, description="a call this long is slow"
    )
    breaker_event_buffer_size: Count = Field(
        default=100, description="events kept for /actuator/circuitbreakerevents"
    )


class Clock(Protocol):
    """Monotonic time in seconds."""

    def monotonic(self) -> float:
        """Now."""
        ...


class CallNotPermitted(Exception):  # noqa: N818 - resilience4j's own name
    """The breaker is open, or has given out its probes: the call was not made."""


class _NotRecorded(BaseException):
    """Leaves the library's guarded block without a verdict, as only a non-`Exception` can."""


class CircuitBreaker(CoreEventListener):
    """One named breaker. Also the health component `circuitBreakers` of its service."""

    name = "circuitBreakers"

    def __init__(
        self,
        instance: str,
        settings: BreakerSettings,
        metrics: Metrics,
        clock: Clock | None = None,
        *,
        variants: frozenset[Variant] = frozenset(),
    ) -> None:
        self.instance = instance
        self._settings = settings
        self._clock: Clock = clock or _SystemClock()
        # As in resilience4j: with a window that holds fewer calls than the minimum it would never open.
        self._minimum = min(settings.breaker_minimum_number_of_calls, settings.breaker_sliding_window_size)
        failure_rate = settings.breaker_failure_rate_threshold / 100
        if Variant.BREAKER_OPENS_ABOVE_ITS_THRESHOLD in variants:
            failure_rate = math.nextafter(failure_rate, math.inf)
        self._opened_at = 0.0
        self._probes = _Window()
        self._last_error: Exception | None = None
        self._events: deque[dict[str, Any]] = deque(maxlen=settings.breaker_event_buffer_size)
        self._machine = StateMachine(
            name=instance,
            config=Config(
                failure_rate_threshold=failure_rate,
                minimum_number_of_calls=self._minimum,
                # resilience4j calls slow what took longer, the library also what took as long.
                slow_call_duration_threshold=math.nextafter(
                    settings.breaker_slow_call_duration_threshold_s, math.inf
                ),
                slow_call_rate_threshold=settings.breaker_slow_call_rate_threshold / 100,
                permitted_calls_in_half_open=settings.breaker_permitted_calls_in_half_open_state,
                max_concurrent_probes=settings.breaker_permitted_calls_in_half_open_state,
                wait_duration_in_open=settings.breaker_wait_duration_in_open_state_s,
                window_type=WindowType.COUNT_BASED,
                window_size=settings.breaker_sliding_window_size,
            ),
            clock=self._clock,
            listener=self,
        )
        self._calls = metrics.timer("resilience4j.circuitbreaker.calls", "Calls by outcome")
        self._rejected = metrics.counter(
            "resilience4j.circuitbreaker.not.permitted.calls", "Calls that were not made"
        )
        one = tags(name=instance)
        metrics.gauges(
            "resilience4j.circuitbreaker.state", "1 for the present state, 0 for the others", self._states
        )
        metrics.gauge(
            "resilience4j.circuitbreaker.failure.rate",
            "Percent, -1 below the minimum",
            self._failure_rate,
            of=one,
        )
        metrics.gauge(
            "resilience4j.circuitbreaker.slow.call.rate",
            "Percent, -1 below the minimum",
            self._slow_rate,
            of=one,
        )
        metrics.gauges("resilience4j.circuitbreaker.buffered.calls", "Calls in the window", self._buffered)

    @property
    def state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN."""
        return self._machine.state.name

    @property
    def is_closed(self) -> bool:
        """Whether calls are permitted without number."""
        return self._machine.state is State.CLOSED

    @property
    def may_permit(self) -> bool:
        """Whether a call can be permitted now: always but in OPEN, until its wait is over.

        In HALF_OPEN the answer is yes although others may hold all the probes: only asking tells.
        """
        wait_s = self._settings.breaker_wait_duration_in_open_state_s
        return self._machine.state is not State.OPEN or self._clock.monotonic() - self._opened_at >= wait_s

    async def call(self, work: Callable[[], Awaitable[T]], *, ignore: tuple[type[Exception], ...] = ()) -> T:
        """Await `work()` if the breaker permits it, and count how it ended.

        Args:
            work: The call. An exception is a failure, unless it is one of `ignore`.
            ignore: Exceptions that say nothing about the health of what is called.

        Raises:
            CallNotPermitted: The call was not made.
        """
        ignored: Exception | None = None
        started = self._clock.monotonic()
        try:
            async with self._machine:
                try:
                    return await work()
                except ignore as error:
                    ignored = error
                    raise _NotRecorded from error
                except Exception as error:
                    self._last_error = error
                    raise
        except CircuitOpenError:
            raise CallNotPermitted(f"Circuit breaker is open: {self.instance} is {self.state}") from None
        except _NotRecorded:
            assert ignored is not None  # noqa: S101 - the only place that raises it sets it
            duration_s = self._clock.monotonic() - started
            self._calls.record(duration_s, of=tags(name=self.instance, kind="ignored"))
            self._note("IGNORED_ERROR", error=ignored, duration_s=duration_s)
            raise ignored from None

    # What interlock tells its listener -------------------------------------------------------------------

    def on_state_change(self, *, name: str, old: State, new: State) -> None:
        """Note and log a transition."""
        if new is State.OPEN:
            self._opened_at = self._clock.monotonic()
            if old is State.CLOSED:
                self._note_what_was_exceeded()
        elif new is State.HALF_OPEN:
            self._probes = _Window()
        self._note("STATE_TRANSITION", transition=f"{old.name}_TO_{new.name}")
        log.warning(
            "Circuit breaker '%s' changed state from %s to %s",
            name,
            old.name,
            new.name,
            extra=fields(circuit_breaker=name, old=old.name, new=new.name),
        )

    def on_call(self, *, name: str, outcome: Outcome, duration: float) -> None:
        """Count a call that ended."""
        kind = "failed" if outcome.is_failure else "successful"
        slow = duration > self._settings.breaker_slow_call_duration_threshold_s
        self._probes = self._probes.with_call(failed=outcome.is_failure, slow=slow)
        self._calls.record(duration, of=tags(name=name, kind=kind))
        if outcome.is_failure:
            self._note("ERROR", error=self._last_error, duration_s=duration)
        else:
            self._note("SUCCESS", duration_s=duration)

    def on_rejected(self, *, name: str) -> None:
        """Count a call that was not made."""
        self._rejected.add(of=tags(name=name, kind="not_permitted"))
        self._note("NOT_PERMITTED")

    # What operators ask ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def health(self) -> Health:
        """As resilience4j's health indicator: an open breaker is shown and is not DOWN."""
        state = self._machine.state
        window = self._window()
        details = {
            "failureRate": f"{self._failure_rate():.1f}%",
            "failureRateThreshold": f"{self._settings.breaker_failure_rate_threshold:.1f}%",
            "slowCallRate": f"{self._slow_rate():.1f}%",
            "slowCallRateThreshold": f"{self._settings.breaker_slow_call_rate_threshold:.1f}%",
            "bufferedCalls": window.total,
            "slowCalls": window.slow,
            "failedCalls": window.failed,
            "notPermittedCalls": int(sum(values["COUNT"] for _, values in self._rejected.read())),
            "state": state.name,
        }
        status = _HEALTH.get(state, "UNKNOWN")
        return Health(
            status="UP" if status == "UP" else "UNKNOWN",
            details={self.instance: {"status": status, "details": details}},
        )

    def routes(self) -> APIRouter:
        """`/actuator/circuitbreakerevents`, as resilience4j has it."""
        router = APIRouter(prefix="/actuator/circuitbreakerevents")

        @router.get("")
        async def every() -> JSONResponse:
            return JSONResponse({"circuitBreakerEvents": list(self._events)})

        @router.get("/{name}")
        async def of_one(name: str) -> JSONResponse:
            if name != self.instance:
                raise Problem(404, "Not Found", f"no circuit breaker {name!r}; there is {self.instance!r}")
            return JSONResponse({"circuitBreakerEvents": list(self._events)})

        return router

    def _note(
        self,
        kind: str,
        *,
        error: Exception | None = None,
        duration_s: float | None = None,
        transition: str | None = None,
    ) -> None:
        self._events.append(
            {
                "circuitBreakerName": self.instance,
                "type": kind,
                "creationTime": datetime.now(UTC).isoformat(timespec="microseconds"),
                "errorMessage": None if error is None else f"{type(error).__name__}: {error}",
                "durationInMs": None if duration_s is None else round(duration_s * 1000),
                "stateTransition": transition,
            }
        )

    def _states(self) -> Mapping[Tags, float]:
        here = self._machine.state
        return {tags(name=self.instance, state=state.value): float(state is here) for state in _STATES}

    def _window(self) -> "_Window":
        """The calls that decide: in HALF_OPEN the probes, as in resilience4j, and not those that opened it."""
        if self._machine.state is State.HALF_OPEN:
            return self._probes
        seen = self._machine.snapshot()
        return _Window(total=seen.total_calls, failed=seen.failed_calls, slow=seen.slow_calls)

    def _rate(self, count: Callable[["_Window"], int]) -> float:
        """A share of the window in percent, or -1 below the minimum."""
        window = self._window()
        probing = self._machine.state is State.HALF_OPEN
        minimum = self._settings.breaker_permitted_calls_in_half_open_state if probing else self._minimum
        return count(window) / window.total * 100 if window.total >= minimum else -1.0

    def _failure_rate(self) -> float:
        return self._rate(lambda window: window.failed)

    def _slow_rate(self) -> float:
        return self._rate(lambda window: window.slow)

    def _buffered(self) -> Mapping[Tags, float]:
        window = self._window()
        return {
            tags(name=self.instance, kind="failed"): float(window.failed),
            tags(name=self.instance, kind="successful"): float(window.total - window.failed),
        }

    def _note_what_was_exceeded(self) -> None:
        """What resilience4j says just before it opens."""
        seen = self._machine.snapshot()
        if seen.failure_rate * 100 >= self._settings.breaker_failure_rate_threshold:
            self._note("FAILURE_RATE_EXCEEDED")
        if seen.slow_call_rate * 100 >= self._settings.breaker_slow_call_rate_threshold:
            self._note("SLOW_CALL_RATE_EXCEEDED")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Calls that are counted."""

    total: int = 0
    failed: int = 0
    slow: int = 0

    def with_call(self, *, failed: bool, slow: bool) -> "_Window":
        return _Window(total=self.total + 1, failed=self.failed + failed, slow=self.slow + slow)


class _SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()
