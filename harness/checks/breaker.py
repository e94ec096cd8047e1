"""Whether a circuit breaker does what its settings say: compared call by call with the reference model.

The model is told of every call in the order in which the breaker said that they ended, and must change its state on
exactly the calls on which the breaker did. What the breaker said is compared with what the callee counted, because a
breaker that counts wrongly may tell of it consistently.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks import CannotSay, Conclusion, counters
from harness.checks.breaker_log import ERROR, IGNORED, SUCCESS, TRANSITION, BreakerEvent, BreakerLog
from harness.checks.breaker_replay import Replay
from harness.checks.breaker_starts import wrongly_begun
from harness.checks.moments import wall_ahead_ns
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.models.breaker import BreakerConfig, BreakerModel, BreakerState
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Verdict

# What a breaker is documented to do of itself; the end of its wait is seen in either of the last two.
_ON_TRIAL = {
    "open": (BreakerState.CLOSED, BreakerState.OPEN),
    "open again on its probes": (BreakerState.HALF_OPEN, BreakerState.OPEN),
    "close on its probes": (BreakerState.HALF_OPEN, BreakerState.CLOSED),
}


@dataclass(frozen=True, kw_only=True)
class BreakerAsModelled:
    """The breaker changes its state when the reference model of its settings does, and at no other time.

    A call that was permitted before the breaker opened and ended when it was no longer OPEN is counted by some breakers
    and dropped by others, and nothing is concluded from a log with one. It takes a call longer than the wait in OPEN.

    When calls began follows from how long they took: none may have begun while the breaker was OPEN, not more than its
    permits in HALF_OPEN, and nobody may have been refused there who would have had one.

    Attributes:
        config: The settings that the breaker is documented to have.
        slack_s: How far the moment at which an event was noted may lie from the moment at which it happened: a
            stall of the process in between. The wait in OPEN, and what began in which state, is judged no more
            precisely than that and what the wall clock, by which events are stamped, was seen to run off.
        interleaved_s: How long after a call its transition may be told, with events of other threads in between; 0
            for a target that tells of both in one thread. The longer, the less is known of on which call it was.
    """

    log: BreakerLog
    config: BreakerConfig
    slack_s: float = 0.5
    interleaved_s: float = 0.02

    def __post_init__(self) -> None:
        """Refuse a slack in which the whole wait would disappear."""
        if not 0 <= self.interleaved_s <= self.slack_s < self.config.wait_duration_in_open_state_s:
            raise ConfigError(
                "interleaved_s must be at least 0, and slack_s no shorter and below the wait in OPEN "
                f"({self.config.wait_duration_in_open_state_s:g} s), got {self.interleaved_s} and {self.slack_s}: a "
                "breaker that does not wait at all would pass."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL names the event at which breaker and model part."""
        events = self.log.load(history)
        untimed: CannotSay | None = None
        try:
            slack_s = self._slack_s(history, events)
        except CannotSay as why:
            # On which call it changes is known by counting; what needs a clock convicts nobody.
            untimed, slack_s = why, math.inf
        if found := wrongly_begun(events, self.config, slack_s):
            return _guilty(*found)
        replay = Replay(BreakerModel(self.config), slack_s, self.interleaved_s)
        for event in events:
            if parted := replay.told(event):
                return _guilty(f"{parted}, after {replay.calls} recorded calls", event)
        if replay.due is not None:
            raise CannotSay(
                "the log ends with a call on which the model changes its state: what followed is unknown"
            )
        if untimed is not None:
            raise untimed
        return self._followed(replay, slack_s)

    def _slack_s(self, history: History, events: Sequence[BreakerEvent]) -> float:
        opened = [event.at_s for event in events if event.kind == TRANSITION]
        if not opened:
            return self.slack_s
        since_ns, until_ns = (round(at_s * NS_PER_S) for at_s in (opened[0], events[-1].at_s))
        least_ns, most_ns = wall_ahead_ns(
            history, Span(since_ns + history.wall_offset_ns, until_ns + history.wall_offset_ns)
        )
        slack_s = self.slack_s + (most_ns - least_ns) / NS_PER_S
        if slack_s >= self.config.wait_duration_in_open_state_s:
            raise CannotSay(
                f"the wall clock ran off meanwhile: moments are known to {slack_s:.3f} s, and the wait in OPEN is no "
                "longer"
            )
        return slack_s

    def _followed(self, replay: Replay, slack_s: float) -> Conclusion:
        changes = replay.model.transitions
        counts = Counter((change.old, change.new) for change in changes)
        if missing := [said for said, change in _ON_TRIAL.items() if not counts[change]]:
            raise CannotSay(
                f"{replay.calls} recorded calls gave the breaker no reason to {' or to '.join(missing)}: it was not on "
                "trial for all that it does"
            )
        entered = Counter(change.new for change in changes)
        return Conclusion(
            verdict=Verdict.PASS,
            because=(
                f"over {replay.calls} recorded calls the breaker opened {entered[BreakerState.OPEN]} times, probed "
                f"{entered[BreakerState.HALF_OPEN]} times and closed {entered[BreakerState.CLOSED]} times, each on the "
                "call on which the model does; no call began that should not have, and none was refused that should"
            ),
            precision=f"calls are counted; the wait in OPEN and when calls began are judged to {slack_s:.3g} s",
        )


def _guilty(because: str, event: BreakerEvent) -> Conclusion:
    return Conclusion(verdict=Verdict.FAIL, because=because, examples=(event.stamp,))


@dataclass(frozen=True, kw_only=True)
class BreakerCountsEveryCall:
    """What the breaker counted is what the callee answered: each call once, and by what came of it.

    Attributes:
        answered, failed, refused: Readings of the callee's own counters of its answers (`{"COUNT": n}`, or null for
            none): well, with a failure, and with a refusal that says nothing of its health.
        unanswered: Words in the error of a call to which no answer was heard. What the callee made of such a call
            is not known here, so each may be one that it counted.
        unmade: Words in the error of a call that the breaker permitted and ignored, and that somebody behind it did
            not make: the callee never heard of it.
    """

    log: BreakerLog
    answered: str
    failed: str
    refused: str
    unanswered: tuple[str, ...]
    unmade: tuple[str, ...] = ()

    def check(self, history: History) -> Conclusion:
        """FAIL tells which kind of call was counted too often, or that calls went past the breaker."""
        events = self.log.load(history)
        deaf = sum(event.kind == ERROR and _has(event, self.unanswered) for event in events)
        unmade = sum(event.kind == IGNORED and _has(event, self.unmade) for event in events)
        counted = {
            "succeeded": sum(event.kind == SUCCESS for event in events),
            "failed": sum(event.kind == ERROR for event in events) - deaf,
            "refused": sum(event.kind == IGNORED for event in events) - unmade,
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
        never = f"; {deaf} were never answered{f' and {unmade} never made' if unmade else ''}"
        if wrong:
            return Conclusion(verdict=Verdict.FAIL, because=f"the breaker counted {'; '.join(wrong)}")
        return Conclusion(
            verdict=Verdict.PASS,
            because=f"breaker and callee count the same calls: {figures}{never}",
        )


def _has(event: BreakerEvent, words: tuple[str, ...]) -> bool:
    return any(word in event.error for word in words)
