"""A consumer falls behind: records pile up, whoever has to know of it is told the truth, and in the end they are done.

A lag can be wrong in two places. Who commits what has had no effect yet makes Kafka itself tell too little; who adds up
its partitions wrongly tells too little of what Kafka knows. Each is compared with what the other cannot have told.
"""

from dataclasses import dataclass

from harness.checks import CannotSay, Conclusion, Seen, conclude
from harness.checks.hazard import Hazard
from harness.checks.lag_log import EffectLog, Effects, Group, GroupLog, LagMetric, Look
from harness.checks.moments import in_effect, requested_faults, whole_phase
from harness.clock import NS_PER_MS, NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Phase, Verdict


@dataclass(frozen=True, kw_only=True)
class FallsBehind(Hazard):
    """While a fault was there more records came than took effect, and so many waited at once for certain.

    Attributes:
        fault: Title of the fault that slows the consumer.
        at_least: How many records.
    """

    group: Group
    effects: Effects
    fault: str

    def seen(self, history: History) -> Seen:
        """Rates of both, and the most that waited."""
        span = in_effect(history, self.fault)[-1]
        looks = _looks(self.group.load(history), span)
        effects = self.effects.load(history)
        first, last = looks[0], looks[-1]
        seconds = (last.ended_ns - first.began_ns) / NS_PER_S
        came = sum(last.ends[place] - first.ends.get(place, 0) for place in last.ends)
        handled = sum(_handled(effects, place, first, last) for place in last.ends)
        most = max(effects.waiting(look) for look in looks)
        return Seen(
            ok=most >= self.at_least and came > handled,
            sentence=(
                f"in {seconds:.1f} s {came} records came ({came / seconds:.0f}/s) and at most {handled} were worked on "
                f"({handled / seconds:.0f}/s); up to {most} waited for their effect (wanted {self.at_least})"
            ),
        )


def _handled(effects: EffectLog, place: int, first: Look, last: Look) -> int:
    """How many records of a partition can have been worked on between two looks, at most."""
    upto = effects.first_waiting(place, last.ended_ns)
    since = effects.reached(place, first.began_ns)
    return max(0, (last.ends[place] if upto is None else upto) - since)


def _looks(log: GroupLog, span: Span) -> tuple[Look, ...]:
    looks = log.within(span.start_ns, span.end_ns)
    if len(looks) < 2:
        raise CannotSay("while the fault was there Kafka was not asked twice how far the group is behind")
    return looks


@dataclass(frozen=True, kw_only=True)
class LagPasses:
    """The group's lag, by Kafka's own word, passes a threshold while a fault is there."""

    group: Group
    fault: str
    above: int

    def __post_init__(self) -> None:
        """Refuse a threshold that everybody passes."""
        if self.above < 1:
            raise ConfigError(f"above must be at least 1, got {self.above}: any lag would pass it")

    def check(self, history: History) -> Conclusion:
        """FAIL if no look found as much."""
        episode = requested_faults(history, self.fault)[-1]
        if episode.requested_ns is None:
            raise CannotSay(f"{self.fault} was never requested")
        looks = _looks(self.group.load(history), in_effect(history, self.fault)[-1])
        most = max(look.lag for look in looks)
        passed = next((number for number, look in enumerate(looks) if look.lag > self.above), None)
        if passed is None:
            return Conclusion(
                verdict=Verdict.FAIL,
                because=f"the lag was {most} at most in {len(looks)} looks, wanted more than {self.above}",
            )
        found = looks[passed]
        since_s = (found.ended_ns - episode.requested_ns) / NS_PER_S
        before_ns = looks[passed - 1].began_ns if passed else found.began_ns
        return Conclusion(
            verdict=Verdict.PASS,
            because=(
                f"{since_s:.1f} s after the fault was asked for the lag was {found.lag}, and {most} at most "
                f"(wanted more than {self.above})"
            ),
            precision=f"it passed within the {(found.ended_ns - before_ns) / NS_PER_S:.2f} s before",
        )


@dataclass(frozen=True, kw_only=True)
class OffsetsFollowEffects:
    """No offset is committed before every event in front of it has taken effect.

    Attributes:
        slack_ms: How far the target's wall clock may be off the recording's within a drill, and how long after its
            statement began an effect may be told to have been.
    """

    group: Group
    effects: Effects
    slack_ms: float = 250.0

    def check(self, history: History) -> Conclusion:
        """FAIL names places in the topic that were committed while an event before them had no effect."""
        log, effects = self.group.load(history), self.effects.load(history)
        wrong: list[str] = []
        ahead = 0
        for look in log.looks:
            late_ns = look.ended_ns + round(self.slack_ms * NS_PER_MS)
            for place, offset in look.committed.items():
                first = effects.first_waiting(place, late_ns)
                if first is not None and first < offset:
                    wrong.append(f"{self.group.topic}-{place}@{first}")
                    ahead = max(ahead, offset - first)
        return conclude(
            wrong,
            otherwise=f"in {len(log.looks)} looks no committed offset was ahead of an event without effect",
            wrongly=(
                f"{len(set(wrong))} events were committed before they took effect, by {ahead} records at most: what "
                "waits is not in the lag"
            ),
            precision=f"± {self.slack_ms:g} ms between the clocks",
        )


@dataclass(frozen=True, kw_only=True)
class MetricTellsLag:
    """The lag that the target publishes is the group's, each time it told one.

    Attributes:
        at_least: So many readings must have been comparable while the group was behind by `behind` or more for certain.
    """

    metric: LagMetric
    group: Group
    behind: int
    at_least: int = 5

    def __post_init__(self) -> None:
        """Refuse to judge by nothing."""
        if self.behind < 1 or self.at_least < 1:
            raise ConfigError(
                f"behind and at_least must be at least 1, got {self.behind} and {self.at_least}: a metric that is "
                "always 0 would do."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL quotes the reading that is furthest off."""
        log = self.group.load(history)
        began_ns = whole_phase(history, Phase.STEADY).start_ns
        compared = behind = off = 0
        worst, told = 0.0, ""
        for one in self.metric.load(history):
            bounds = self.metric.bounds(one, log) if one.began_ns >= began_ns else None
            if bounds is None or one.lag is None:  # a silence is no lie: see `MetricIsTold`
                continue
            compared += 1
            behind += bounds.least >= self.behind
            by = max(bounds.least - one.lag, one.lag - bounds.most, 0)
            off += by > 0
            if by > worst:
                worst = by
                told = f"{one.lag:g} where it was between {bounds.least} and {bounds.most}"
        if not off and behind < self.at_least:
            raise CannotSay(
                f"{behind} of {compared} readings were taken while the group was {self.behind} behind for certain, "
                f"wanted {self.at_least}"
            )
        return Conclusion(
            verdict=Verdict.FAIL if off else Verdict.PASS,
            because=(
                f"{off} of {compared} readings are not what Kafka told; the furthest off is {told}"
                if off
                else f"all {compared} readings are what Kafka told, {behind} of them while it was {self.behind} or more"
            ),
            precision=f"compared with all that it can have been within {self.metric.age_s_max:g} s before",
        )


@dataclass(frozen=True, kw_only=True)
class BacklogDrains:
    """Once the fault is healed the group catches up, while load goes on.

    Attributes:
        caught_up: A lag of so many is what is on its way anyhow.
    """

    group: Group
    fault: str
    caught_up: int

    def __post_init__(self) -> None:
        """Refuse what no group reaches."""
        if self.caught_up < 0:
            raise ConfigError(f"caught_up must not be negative, got {self.caught_up}: no lag is")

    def check(self, history: History) -> Conclusion:
        """FAIL if it is still behind when the load ends. How long it took is told either way."""
        healing_ns = in_effect(history, self.fault)[-1].end_ns
        until_ns = whole_phase(history, Phase.HEAL).end_ns
        looks = self.group.load(history).within(healing_ns, until_ns)
        if not looks:
            raise CannotSay("Kafka was not asked how far the group is behind after healing had begun")
        backlog = looks[0].lag
        if backlog <= self.caught_up:
            raise CannotSay(f"there was nothing to drain: {backlog} records when healing had begun")
        done = next((number for number, look in enumerate(looks) if look.lag <= self.caught_up), None)
        if done is None:
            left = looks[-1]
            return Conclusion(
                verdict=Verdict.FAIL,
                because=(
                    f"{(left.ended_ns - healing_ns) / NS_PER_S:.1f} s after healing began {left.lag} of {backlog} "
                    "records were still to be worked on"
                ),
            )
        least_s = (looks[done - 1].began_ns - healing_ns) / NS_PER_S
        most_s = (looks[done].ended_ns - healing_ns) / NS_PER_S
        took_s = (least_s + most_s) / 2
        committed = sum(looks[done].committed.values()) - sum(looks[0].committed.values())
        return Conclusion(
            verdict=Verdict.PASS,
            because=(
                f"a backlog of {backlog} was drained in {took_s:.1f} s from when healing began, at "
                f"{committed * NS_PER_S / (looks[done].ended_ns - looks[0].began_ns):.0f} records/s"
            ),
            precision=f"± {(most_s - least_s) / 2:.2f} s, by how far the looks lie apart",
        )
