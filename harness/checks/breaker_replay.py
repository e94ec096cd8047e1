"""The reference model of a breaker, led through what the breaker said of itself.

The model is told of every call in the order in which the log has them, and must change its state on exactly those on
which the breaker did.

A breaker with several threads tells of a call before it records it, as resilience4j does. Between a call and the change
of state that it brings about lie, rightly, what other threads tell of meanwhile; and of two calls that ended almost at
once nobody knows which was recorded first.
"""

import math
from copy import deepcopy
from dataclasses import dataclass, field

from harness.checks import CannotSay
from harness.checks.breaker_log import ANNOUNCED, ERROR, NOT_PERMITTED, TRANSITION, BreakerEvent
from harness.checks.breaker_starts import COUNTED, ROUNDED_S
from harness.models.breaker import BreakerModel, BreakerState, Transition


@dataclass
class Replay:
    """A model that is led through a breaker's log.

    Attributes:
        slack_s, interleaved_s: As of `BreakerAsModelled`.
        due: A transition that the model has made and the log has yet to tell.
        calls: How many recorded calls have ended so far.
    """

    model: BreakerModel
    slack_s: float
    interleaved_s: float
    due: Transition | None = None
    calls: int = 0
    _opened_at_s: float = field(default=0.0)
    _changed_at_s: float = field(default=-math.inf)
    # What ended while a transition was due: to be recorded after it.
    _held: list[BreakerEvent] = field(default_factory=list)
    # The last two calls that were recorded, each with the model as it was before.
    _recorded: list[tuple[BreakerModel, BreakerEvent]] = field(default_factory=list)

    def told(self, event: BreakerEvent) -> str:
        """Take one event in; what is wrong with it, or ""."""
        if event.kind in ANNOUNCED:
            return ""
        if event.kind == TRANSITION:
            return self._changed(event)
        if self.due is not None:
            return self._between(self.due, event)
        if event.kind == NOT_PERMITTED:
            return self._refused(event)
        if event.kind in COUNTED:
            self._ended(event)
        return ""

    def _between(self, due: Transition, event: BreakerEvent) -> str:
        """Of what is told between a call and the transition that it should have brought about."""
        if event.at_s - due.at_s < self.interleaved_s:
            if event.kind != NOT_PERMITTED:  # that may be so before the transition as well as after it
                self._held.append(event)
            return ""
        for held in self._held:
            before, first = self._recorded[-1]
            if held.kind in COUNTED and _changed_by(before, held, first) is None:
                raise CannotSay(
                    f"whether the breaker changes its state depends on which of the calls that ended at {first.stamp} "
                    f"and {held.stamp} was recorded first"
                )
        return f"the model goes from {due.old} to {due.new} on a call that ended just before, the breaker did not"

    def _ended(self, event: BreakerEvent) -> None:
        if (
            self.model.state is not BreakerState.OPEN
            and event.at_s - event.took_s < self._opened_at_s - ROUNDED_S
        ):
            raise CannotSay(
                f"a call that began before the breaker opened ended after it was OPEN, at {event.stamp}: breakers "
                "differ in whether it counts"
            )
        threshold_s = self.model.config.slow_call_duration_threshold_s
        if abs(event.took_s - threshold_s) <= ROUNDED_S:
            raise CannotSay(
                f"the call that ended at {event.stamp} took as long as a slow one, to the millisecond"
            )
        if self.interleaved_s:
            self._recorded = [*self._recorded[-1:], (deepcopy(self.model), event)]
        made = len(self.model.transitions)
        self.model.ended(event.at_s, failed=event.kind == ERROR, took_s=event.took_s)
        self.calls += 1
        if len(self.model.transitions) > made:
            self.due = self.model.transitions[-1]

    def _changed(self, event: BreakerEvent) -> str:
        assert event.change is not None  # noqa: S101 - the log gives every transition its states
        self._changed_at_s = event.at_s
        if event.change[1] is BreakerState.OPEN:
            self._opened_at_s = event.at_s
        if self.due is None:
            return self._changed_unexpectedly(event, event.change)
        expected, self.due = (self.due.old, self.due.new), None
        if expected != event.change:
            old, new = event.change
            return f"the breaker went from {old} to {new}, the model from {expected[0]} to {expected[1]}"
        held, self._held = self._held, []
        return next((wrong for one in held if (wrong := self.told(one))), "")

    def _changed_unexpectedly(self, event: BreakerEvent, change: tuple[BreakerState, BreakerState]) -> str:
        """Only the end of the wait in OPEN is no call's doing."""
        if change != (BreakerState.OPEN, BreakerState.HALF_OPEN) or self.model.state is not BreakerState.OPEN:
            self._refuse_if_order_decides(change)
            old, new = change
            return f"the breaker went from {old} to {new}, the model stayed {self.model.state}{self._rates()}"
        waited_s, wait_s = event.at_s - self._opened_at_s, self.model.config.wait_duration_in_open_state_s
        if waited_s < wait_s - self.slack_s:
            return f"the breaker was OPEN for {waited_s:.3f} s and not for {wait_s:g} s"
        # Never before the model's own wait is over: the moments are those of the log, which are late by a little.
        self.model.permits(max(event.at_s, self.model.transitions[-1].at_s + wait_s * (1 + 1e-9) + 1e-6))
        return ""

    def _refused(self, event: BreakerEvent) -> str:
        wait_s = self.model.config.wait_duration_in_open_state_s
        if event.at_s - self._changed_at_s < self.interleaved_s:
            return ""  # by the state before
        if self.model.state is BreakerState.CLOSED:
            return "a call was not permitted while the model is CLOSED"
        open_s = event.at_s - self._opened_at_s
        if self.model.state is BreakerState.OPEN and open_s > wait_s + self.slack_s:
            return f"a call was not permitted {open_s:.3f} s after the breaker opened, and its wait is {wait_s:g} s"
        return ""

    def _refuse_if_order_decides(self, change: tuple[BreakerState, BreakerState]) -> None:
        if len(self._recorded) < 2:
            return
        (before, first), (_, second) = self._recorded
        close = second.at_s - first.at_s < self.interleaved_s
        if close and _changed_by(before, second, first) == change:
            raise CannotSay(
                f"whether the breaker changes its state depends on which of the calls that ended at {first.stamp} and "
                f"{second.stamp} was recorded first"
            )

    def _rates(self) -> str:
        rate = self.model.failure_rate
        return f" at a failure rate of {rate:.0f} %" if rate >= 0 else " with too few calls for a rate"


def _changed_by(before: BreakerModel, *calls: BreakerEvent) -> tuple[BreakerState, BreakerState] | None:
    """The last change of state that calls bring about, recorded in this order."""
    model = deepcopy(before)
    for call in calls:
        model.ended(call.at_s, failed=call.kind == ERROR, took_s=call.took_s)
    if len(model.transitions) == len(before.transitions):
        return None
    return model.transitions[-1].old, model.transitions[-1].new
