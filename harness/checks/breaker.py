"""Whether a circuit breaker does what its settings say: compared call by call with the reference model.

The model is told of every call in the order in which the breaker said that they ended, and must change its state on
exactly the calls on which the breaker did. What the breaker said is compared with what the callee counted, because a
breaker that counts wrongly may tell of it consistently.
"""

from dataclasses import dataclass, field

from harness.checks import CannotSay, Conclusion, counters
from harness.checks.breaker_log import (
    ANNOUNCED,
    ERROR,
    IGNORED,
    NOT_PERMITTED,
    SUCCESS,
    TRANSITION,
    BreakerEvent,
    BreakerLog,
)
from harness.errors import ConfigError
from harness.models.breaker import BreakerConfig, BreakerModel, BreakerState, Transition
from harness.recording.history import History
from harness.recording.records import Verdict

# Durations are told to the millisecond.
ROUNDED_S = 0.0005


@dataclass(frozen=True, kw_only=True)
class BreakerAsModelled:
    """The breaker changes its state when the reference model of its settings does, and at no other time.

    A call that was permitted before the breaker opened and ended when it was no longer OPEN is counted by some breakers
    and dropped by others, and nothing is concluded from a log with one. It takes a call longer than the wait in OPEN.

    Attributes:
        config: The settings that the breaker is documented to have.
        slack_s: How far the moment at which an event was noted may lie from the moment at which it happened: a
            stall of the process in between. The wait in OPEN is judged no more precisely than that.
    """

    log: BreakerLog
    config: BreakerConfig
    slack_s: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a slack in which the whole wait would disappear."""
        if not 0 <= self.slack_s < self.config.wait_duration_in_open_state_s:
            raise ConfigError(
                f"slack_s must be at least 0 and below the wait in OPEN ({self.config.wait_duration_in_open_state_s:g}"
                f" s), got {self.slack_s}: a breaker that does not wait at all would pass."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL names the event at which breaker and model part."""
        replay = _Replay(BreakerModel(self.config), self.slack_s)
        for event in self.log.load(history):
            if parted := replay.told(event):
                return Conclusion(
                    verdict=Verdict.FAIL,
                    because=f"{parted}, after {replay.calls} recorded calls",
                    examples=(event.stamp,),
                )
        if replay.due is not None:
            raise CannotSay(
                "the log ends with a call on which the model changes its state: what followed is unknown"
            )
        changes = replay.model.transitions
        if not changes:
            raise CannotSay(f"{replay.calls} recorded calls gave the breaker no reason to open")
        entered = {state: sum(change.new is state for change in changes) for state in BreakerState}
        return Conclusion(
            verdict=Verdict.PASS,
            because=(
                f"over {replay.calls} recorded calls the breaker opened {entered[BreakerState.OPEN]} times, probed "
                f"{entered[BreakerState.HALF_OPEN]} times and closed {entered[BreakerState.CLOSED]} times, each on the "
                "call on which the model does"
            ),
            precision=f"calls are counted; the wait in OPEN is judged to {self.slack_s:g} s",
        )


@dataclass
class _Replay:
    """A model that is led through a breaker's log.

    Attributes:
        due: A transition that the model has made and the log has yet to tell.
        calls: How many recorded calls have ended so far.
    """

    model: BreakerModel
    slack_s: float
    due: Transition | None = None
    calls: int = 0
    _opened_at_s: float = field(default=0.0)

    def told(self, event: BreakerEvent) -> str:
        """Take one event in; what is wrong with it, or ""."""
        if event.kind in ANNOUNCED:
            return ""
        if event.kind == TRANSITION:
            return self._changed(event)
        if self.due is not None:
            return (
                f"the model goes from {self.due.old} to {self.due.new} on a call that ended just before, the breaker "
                "did not"
            )
        if event.kind == NOT_PERMITTED:
            return self._refused(event)
        if event.kind in {SUCCESS, ERROR}:
            self._ended(event)
        return ""

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
        made = len(self.model.transitions)
        self.model.ended(event.at_s, failed=event.kind == ERROR, took_s=event.took_s)
        self.calls += 1
        if len(self.model.transitions) > made:
            self.due = self.model.transitions[-1]

    def _changed(self, event: BreakerEvent) -> str:
        assert event.change is not None  # noqa: S101 - the log gives every transition its states
        old, new = event.change
        if self.due is not None:
            expected = (self.due.old, self.due.new)
            self.due = None
            if new is BreakerState.OPEN:
                self._opened_at_s = event.at_s
            if expected == event.change:
                return ""
            return f"the breaker went from {old} to {new}, the model from {expected[0]} to {expected[1]}"
        if (
            event.change != (BreakerState.OPEN, BreakerState.HALF_OPEN)
            or self.model.state is not BreakerState.OPEN
        ):
            return f"the breaker went from {old} to {new}, the model stayed {self.model.state}{self._rates()}"
        waited_s, wait_s = event.at_s - self._opened_at_s, self.model.config.wait_duration_in_open_state_s
        if waited_s < wait_s - self.slack_s:
            return f"the breaker was OPEN for {waited_s:.3f} s and not for {wait_s:g} s"
        # Never before the model's own wait is over: the moments are those of the log, which are late by a little.
        self.model.permits(max(event.at_s, self.model.transitions[-1].at_s + wait_s * (1 + 1e-9) + 1e-6))
        return ""

    def _refused(self, event: BreakerEvent) -> str:
        wait_s = self.model.config.wait_duration_in_open_state_s
        if self.model.state is BreakerState.CLOSED:
            return "a call was not permitted while the model is CLOSED"
        open_s = event.at_s - self._opened_at_s
        if self.model.state is BreakerState.OPEN and open_s > wait_s + self.slack_s:
            return f"a call was not permitted {open_s:.3f} s after the breaker opened, and its wait is {wait_s:g} s"
        return ""

    def _rates(self) -> str:
        rate = self.model.failure_rate
        return f" at a failure rate of {rate:.0f} %" if rate >= 0 else " with too few calls for a rate"


@dataclass(frozen=True, kw_only=True)
class BreakerCountsEveryCall:
    """What the breaker counted is what the callee answered: each call once, and by what came of it.

    Attributes:
        answered, failed, refused: Readings of the callee's own counters of its answers (`{"COUNT": n}`, or null for
            none): well, with a failure, and with a refusal that says nothing of its health.
        unanswered: Words in the error of a call to which no answer was heard. What the callee made of such a call
            is not known here, so each may be one that it counted.
    """

    log: BreakerLog
    answered: str
    failed: str
    refused: str
    unanswered: tuple[str, ...]

    def check(self, history: History) -> Conclusion:
        """FAIL tells which kind of call was counted too often, or that calls went past the breaker."""
        events = self.log.load(history)
        deaf = sum(
            event.kind == ERROR and any(word in event.error for word in self.unanswered) for event in events
        )
        counted = {
            "succeeded": sum(event.kind == SUCCESS for event in events),
            "failed": sum(event.kind == ERROR for event in events) - deaf,
            "refused": sum(event.kind == IGNORED for event in events),
        }
        told = {
            "succeeded": counters.counted(history, self.answered),
            "failed": counters.counted(history, self.failed),
            "refused": counters.counted(history, self.refused),
        }
        if not sum(told.values()):
            raise CannotSay("the callee answered no call: there is nothing to compare with")
        wrong = [
            f"{counted[kind]} that {kind} and the callee {told[kind]}"
            for kind in told
            if counted[kind] > told[kind]
        ]
        beside = sum(told.values()) - sum(counted.values()) - deaf
        if beside > 0:
            wrong.append(f"{beside} calls of which the breaker knows nothing")
        figures = ", ".join(f"{count} {kind}" for kind, count in counted.items())
        if wrong:
            return Conclusion(verdict=Verdict.FAIL, because=f"the breaker counted {'; '.join(wrong)}")
        return Conclusion(
            verdict=Verdict.PASS,
            because=f"breaker and callee count the same calls: {figures}; {deaf} were never answered",
        )
