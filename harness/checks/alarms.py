"""An alarm on what a target publishes goes off, and is silent again, when it would have on what was so.

The alarm itself is not on trial: its rules are CloudWatch's (`harness.models.alarm`). What decides is what it is fed
with. So it is evaluated three times: over what the target told, and over the least and the most that this can have been
by Kafka's own word. It may go off once the most would have it so, and has to when the least does.

Least and most are taken at every answer, also at those that told nothing: an alarm that has nothing to go by is silent,
and where only that made it wrong nothing is said here. How long a target may be silent is a claim of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.lag_log import Answer, Group, LagMetric
from harness.checks.moments import requested_faults
from harness.clock import NS_PER_S
from harness.models.alarm import AlarmConfig, AlarmModel, AlarmState, datapoints
from harness.recording.history import History


@dataclass(frozen=True, kw_only=True)
class PeriodEnd:
    """An alarm at the end of a period.

    Attributes:
        at_s: On the wall clock, which periods are aligned to.
        value: The datapoint, if there was one.
    """

    at_s: float
    value: float | None
    state: AlarmState

    @property
    def is_on(self) -> bool:
        """Whether it says ALARM."""
        return self.state is AlarmState.ALARM


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The alarm over what was told, over the least and the most that this can have been; all by the same periods.

    Attributes:
        least, most: At every answer.
        least_told, most_told: At those alone that told a lag.
        samples: How many told one.
        silent: How many told none.
    """

    told: tuple[PeriodEnd, ...]
    least: tuple[PeriodEnd, ...]
    most: tuple[PeriodEnd, ...]
    least_told: tuple[PeriodEnd, ...]
    most_told: tuple[PeriodEnd, ...]
    samples: int
    silent: int

    def must_be_on(self) -> int:
        """The first period at whose end it had to be on.

        Raises:
            CannotSay: There was none.
        """
        first = next((place for place, end in enumerate(self.least) if end.is_on), None)
        if first is None:
            most = max((end.value or 0 for end in self.least), default=0)
            raise CannotSay(
                f"nobody knows that it had to go off: the largest datapoint that is certain is {most:.0f}, and as many "
                "periods in a row as it takes were not above the threshold for certain"
            )
        return first

    def wrong(self, first: int, behind: int, since_s: float) -> list[str]:
        """The ends of periods, from one up to another, at which it was silent and had to be on, or the other way.

        Raises:
            CannotSay: What was told was right, and not enough: the alarm was wrong because nothing was told at times.
        """
        lied = self._off(self.least_told, self.most_told, first, behind, since_s)
        if not lied and (missed := self._off(self.least, self.most, first, behind, since_s)):
            raise CannotSay(
                f"{self.silent} of {self.silent + self.samples} answers told no lag; what the others told would be "
                f"right, but with all of them the alarm would not have been {missed[0]}"
            )
        return lied

    def _off(
        self,
        least: tuple[PeriodEnd, ...],
        most: tuple[PeriodEnd, ...],
        first: int,
        behind: int,
        since_s: float,
    ) -> list[str]:
        ends = list(zip(least, self.told, most, strict=True))[first:behind]
        return [
            f"{'on' if told.is_on else 'silent'} after {told.at_s - since_s:.1f} s"
            for lower, told, upper in ends
            if not lower.is_on <= told.is_on <= upper.is_on
        ]


@dataclass(frozen=True, kw_only=True)
class LagAlarm:
    """An alarm on the lag that a target publishes.

    Attributes:
        config: Of the alarm.
        metric: What it is fed with.
        group: What the lag is by Kafka's own word.
    """

    config: AlarmConfig
    metric: LagMetric
    group: Group

    def evaluated(self, history: History) -> Evaluated:
        """All three.

        Raises:
            CannotSay: There is nothing to compare.
        """
        group = self.group.load(history)
        answers = [
            (one, bounds)
            for one in self.metric.load(history)
            if (bounds := self.metric.bounds(one, group)) is not None
        ]
        told = [(one, bounds) for one, bounds in answers if one.lag is not None]
        if not told:
            raise CannotSay("there was no reading of the metric that could be compared with what Kafka told")

        def at_s(answer: Answer) -> float:
            return (answer.ended_ns - history.wall_offset_ns) / NS_PER_S

        since_s, until_s = at_s(answers[0][0]), at_s(answers[-1][0])

        def states(samples: Iterable[tuple[float, float]]) -> tuple[PeriodEnd, ...]:
            model = AlarmModel(self.config)
            points = datapoints(samples, self.config, since_s=since_s, until_s=until_s)
            return tuple(
                PeriodEnd(at_s=at_s, value=value, state=model.period_ended(at_s, value))
                for at_s, value in points
            )

        return Evaluated(
            told=states((at_s(one), one.lag) for one, _ in told if one.lag is not None),
            least=states((at_s(one), bounds.least) for one, bounds in answers),
            most=states((at_s(one), bounds.most) for one, bounds in answers),
            least_told=states((at_s(one), bounds.least) for one, bounds in told),
            most_told=states((at_s(one), bounds.most) for one, bounds in told),
            samples=len(told),
            silent=len(answers) - len(told),
        )


@dataclass(frozen=True, kw_only=True)
class AlarmGoesOff:
    """The alarm goes off at the end of the period at which it has to, and of none before.

    Attributes:
        fault: Title of the fault that is the reason for it: times are told from when it was asked for.
    """

    alarm: LagAlarm
    fault: str

    def check(self, history: History) -> Conclusion:
        """FAIL if it went off too early, too late or not at all."""
        asked_s, _ = _while_there(history, self.fault)
        seen = self.alarm.evaluated(history)
        until = seen.must_be_on()
        wrong = seen.wrong(0, until + 1, asked_s)
        may = next(end for end in seen.most if end.is_on)
        figures = f"by what Kafka told it had to {_window(may, seen.least[until], asked_s)}"
        fired = next((place for place, end in enumerate(seen.told) if end.is_on), None)
        if fired is None:
            told = (
                f"it never went off, at datapoints of {max(end.value or 0 for end in seen.told):.0f} at most"
            )
        else:
            since = max(0, fired - self.alarm.config.evaluation_periods)
            told = (
                f"it went off {seen.told[fired].at_s - asked_s:.1f} s after the fault was asked for, with the "
                f"datapoints {_points(seen.told[since : fired + 1])}"
            )
        return conclude(
            wrong,
            otherwise=f"{told}; {figures}",
            wrongly=f"{told}; {figures}",
            precision=_precision(self.alarm, seen),
        )


@dataclass(frozen=True, kw_only=True)
class AlarmClears:
    """An alarm that went off is over at the end of the period at which it has to be, and not before, and stays so.

    Attributes:
        fault: Title of the fault that is the reason for it: times are told from when its healing began.
    """

    alarm: LagAlarm
    fault: str

    def check(self, history: History) -> Conclusion:
        """FAIL if it was over too early, too late or not at all, or came back."""
        _, healing_s = _while_there(history, self.fault)
        seen = self.alarm.evaluated(history)
        since = seen.must_be_on()
        if not any(end.is_on for end in seen.told[: since + 1]):
            raise CannotSay("it had not gone off when it had to: nothing could be over")
        if seen.most[-1].is_on:
            raise CannotSay("the lag may have been above the threshold until nobody looked any more")
        wrong = seen.wrong(since + 1, len(seen.told), healing_s)
        may, must = (_last_on(ends) for ends in (seen.least, seen.most))
        figures = (
            f"by what Kafka told it had to {_window(seen.least[may + 1], seen.most[must + 1], healing_s)}"
        )
        last = _last_on(seen.told)
        if last + 1 == len(seen.told):
            told = "it was never over"
        else:
            over = seen.told[last + 1]
            told = f"it was over {over.at_s - healing_s:.1f} s after healing began, with {_points([over])}"
        return conclude(
            wrong,
            otherwise=f"{told}; {figures}",
            wrongly=f"{told}; {figures}",
            precision=_precision(self.alarm, seen),
        )


def _last_on(ends: Sequence[PeriodEnd]) -> int:
    return max(place for place, end in enumerate(ends) if end.is_on)


def _while_there(history: History, fault: str) -> tuple[float, float]:
    """When a fault was asked for, and when its healing began, on the wall clock."""
    episode = requested_faults(history, fault)[-1]
    if episode.requested_ns is None or episode.healing_ns is None or not episode.seen:
        raise CannotSay(f"{fault} was not seen to begin and to be healed")
    offset_ns = history.wall_offset_ns
    return (episode.requested_ns - offset_ns) / NS_PER_S, (episode.healing_ns - offset_ns) / NS_PER_S


def _window(may: PeriodEnd, must: PeriodEnd, since_s: float) -> str:
    least_s, most_s = may.at_s - since_s, must.at_s - since_s
    return f"after {most_s:.1f} s" if may.at_s == must.at_s else f"after {least_s:.1f} to {most_s:.1f} s"


def _points(ends: Sequence[PeriodEnd]) -> str:
    return ", ".join("none" if end.value is None else f"{end.value:.0f}" for end in ends)


def _precision(alarm: LagAlarm, seen: Evaluated) -> str:
    each = seen.samples / max(1, len(seen.told))
    return f"periods of {alarm.config.period_s:g} s with {each:.1f} samples each; a state changes at the end of one"
