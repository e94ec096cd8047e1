"""A CloudWatch metric alarm: what of a metric is looked at, and when it fires.

Three rules make it differ from "above the threshold for ten minutes". Samples are gathered into periods that begin at
multiples of the period on the wall clock, so a metric that crosses its threshold in the middle of one has a mixed
datapoint first. A state is a matter of whole datapoints, of which as many as there are evaluation periods must breach.
And a datapoint that is missing is neither good nor bad: the alarm looks further back for a real one, and what it does
if there are too few is a setting of its own.

Source: Amazon CloudWatch User Guide, "Using Amazon CloudWatch alarms" (evaluating an alarm) and "Configuring how
CloudWatch alarms treat missing data", with the table for 3 of 3 datapoints; the guide's heading "CloudWatch Alarms
Configuration" for the alarms. *Datapoints to alarm* is the number of evaluation periods, as wherever it is not set.

Two things are documented by example only, and assumed here: how far back it looks (two periods more than it evaluates,
as in the tables), and what becomes of too few datapoints that all breach and are younger than the evaluation periods
(the state is kept).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from harness.errors import ConfigError

LOOKS_FURTHER_BACK = 2


class AlarmState(StrEnum):
    """What an alarm says."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Statistic(StrEnum):
    """How the samples of a period become one number."""

    AVERAGE = "Average"
    MAXIMUM = "Maximum"
    SUM = "Sum"

    @property
    def of(self) -> Callable[[list[float]], float]:
        """The function."""
        functions: Mapping[str, Callable[[list[float]], float]] = {
            "Average": fmean,
            "Maximum": max,
            "Sum": sum,
        }
        return functions[self.value]


class Comparison(StrEnum):
    """Which side of the threshold breaches it."""

    GREATER = "GreaterThanThreshold"
    GREATER_OR_EQUAL = "GreaterThanOrEqualToThreshold"

    def breached(self, value: float, threshold: float) -> bool:
        """Whether a datapoint breaches."""
        return value > threshold or (self is Comparison.GREATER_OR_EQUAL and value == threshold)


class MissingData(StrEnum):
    """What an alarm takes a missing datapoint for (`treat-missing-data`)."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


@dataclass(frozen=True, kw_only=True)
class AlarmConfig:
    """The settings that decide, by CloudWatch's names; durations in seconds."""

    statistic: Statistic
    period_s: float
    evaluation_periods: int
    threshold: float
    comparison: Comparison
    treat_missing_data: MissingData = MissingData.MISSING

    def __post_init__(self) -> None:
        """Refuse what no alarm can be made of."""
        if self.period_s <= 0 or self.evaluation_periods < 1:
            raise ConfigError(
                f"period_s must be above 0 and evaluation_periods at least 1, got {self.period_s} and "
                f"{self.evaluation_periods}: there would be nothing to evaluate."
            )


@dataclass(frozen=True, kw_only=True)
class AlarmChange:
    """A change of state, at the end of the period that made it."""

    at_s: float
    old: AlarmState
    new: AlarmState


@dataclass
class AlarmModel:
    """One alarm. It begins without data, as a new alarm does.

    Attributes:
        changes: Every change of state, in order.
    """

    config: AlarmConfig
    changes: list[AlarmChange] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing in sight."""
        self._state = AlarmState.INSUFFICIENT_DATA
        # Whether each datapoint breaches, the newest last; None for a missing one.
        self._seen: deque[bool | None] = deque(maxlen=self.config.evaluation_periods + LOOKS_FURTHER_BACK)

    @property
    def state(self) -> AlarmState:
        """What it says now."""
        return self._state

    def period_ended(self, at_s: float, value: float | None) -> AlarmState:
        """Take in the datapoint of a period that has ended.

        Args:
            at_s: When it ended.
            value: Its statistic, or None if it had no sample.
        """
        breaching = None if value is None else self.config.comparison.breached(value, self.config.threshold)
        self._seen.append(breaching)
        new = self._evaluated()
        if new is not self._state:
            self.changes.append(AlarmChange(at_s=at_s, old=self._state, new=new))
            self._state = new
        return new

    def _evaluated(self) -> AlarmState:
        wanted = self.config.evaluation_periods
        real = [breaching for breaching in self._seen if breaching is not None]
        if len(real) >= wanted:
            return AlarmState.ALARM if all(real[-wanted:]) else AlarmState.OK
        if real and not all(real):
            return AlarmState.OK  # whatever is missing, not all can breach
        match self.config.treat_missing_data:
            case MissingData.BREACHING:
                return AlarmState.ALARM
            case MissingData.NOT_BREACHING:
                return AlarmState.OK
            case MissingData.IGNORE:
                return self._state
            case MissingData.MISSING:
                return self._with_gaps(wanted) if real else AlarmState.INSUFFICIENT_DATA

    def _with_gaps(self, wanted: int) -> AlarmState:
        """Too few datapoints, and all of them breach: enough if the oldest has been standing for long enough."""
        oldest = next(place for place, breaching in enumerate(self._seen) if breaching is not None)
        periods_ago = len(self._seen) - oldest
        return AlarmState.ALARM if periods_ago >= wanted else self._state


def datapoints(
    samples: Iterable[tuple[float, float]], config: AlarmConfig, *, since_s: float, until_s: float
) -> list[tuple[float, float | None]]:
    """The datapoints of all periods that lie wholly between two moments: when each ended, and its value.

    Args:
        samples: Moment and value, in seconds on the clock that periods are aligned to.
        config: Of the alarm.
        since_s: From when on samples were taken.
        until_s: Until when.

    Returns:
        Oldest first. A period without a sample has None.
    """
    first = -int(-since_s // config.period_s)
    last = int(until_s // config.period_s)  # the first that is not over
    gathered: dict[int, list[float]] = {}
    for at_s, value in samples:
        gathered.setdefault(int(at_s // config.period_s), []).append(value)
    return [
        (
            (number + 1) * config.period_s,
            config.statistic.of(gathered[number]) if number in gathered else None,
        )
        for number in range(first, last)
    ]
