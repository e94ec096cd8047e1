"""Whether a rate limit does what its settings say: compared interval by interval with the reference bucket.

How many a client may is counted where the client is, in what it was answered, because a limiter that counts wrongly
tells of it consistently. Within an interval the order in which requests were decided is not known, and need not be:
so many pass and no more, and nobody is refused while fewer have passed.
"""

from dataclasses import dataclass
from math import ceil

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.limiter_log import Asked, ClientLog, LimitedClient
from harness.errors import ConfigError
from harness.recording.history import History

LIMIT, REMAINING, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"
RETRY_AFTER = "retry-after"


@dataclass(frozen=True, kw_only=True)
class AdmitsAsModelled:
    """In each interval as many requests pass as the bucket has tokens, and none is refused before they have.

    A request that was not answered, or not clearly, may have taken a token. Where such requests are needed to make up
    the number nobody knows whether the client got what it may.
    """

    log: LimitedClient

    def check(self, history: History) -> Conclusion:
        """FAIL names the requests of an interval in which too many passed, or that were refused too early."""
        log = self.log.load(history)
        wrong: list[str] = []
        unknown: list[int] = []
        told: list[str] = []
        for interval, asked in sorted(log.intervals.items()):
            tokens = log.tokens(interval)
            passed = [one for one in asked if one.admitted]
            early = [one for one in asked if _refused_early(one, log, interval, tokens)]
            told.append(
                f"{len(passed)} of {len(asked)}{f', {len(early)} refused too early' if early else ''}"
            )
            if len(passed) > tokens:
                wrong += [one.key for one in passed[tokens:]]
            wrong += [one.key for one in early]
            if _may_have_been_fewer(log, interval, tokens):
                unknown.append(interval)
        between = len(log.asked) - sum(map(len, log.intervals.values()))
        figures = (
            f"in the intervals of {self.log.client!r} passed {'; '.join(told)}, where {self.log.config.capacity} may; "
            f"{between} requests were decided around a refill and are counted on its kinder side"
        )
        if unknown and not wrong:
            raise CannotSay(
                f"in {len(unknown)} of {len(log.intervals)} intervals fewer than {self.log.config.capacity} requests "
                f"of {self.log.client!r} were seen to pass, and the others were not answered clearly: {figures}"
            )
        return conclude(
            wrong,
            otherwise=figures,
            wrongly=figures,
            precision=f"edges are known to {log.made_to_s + 2 * log.slack_s:.3f} s",
        )


def _refused_early(one: Asked, log: ClientLog, interval: int, tokens: int) -> bool:
    """Whether fewer requests than there were tokens can have passed before this one was refused."""
    if one.admitted is not False:
        return False
    before = (
        other for other in log.touching(interval) if other.admitted is not False and other.sent_s < one.done_s
    )
    return sum(1 for _ in before) < tokens


def _may_have_been_fewer(log: ClientLog, interval: int, tokens: int) -> bool:
    """Whether only requests without a clear answer can have made up the number that may pass."""
    touching = log.touching(interval)
    passed = sum(one.admitted is True for one in touching)
    return passed < tokens <= passed + sum(one.admitted is None for one in touching)


@dataclass(frozen=True, kw_only=True)
class HeadersTell:
    """Each answer says what the limit is, how many requests are left and when more come, and all of them agree.

    Left is one less with each request that passes; a refused one has none left; and all answers of an interval name the
    same moment, in whole seconds since 1970 and rounded up: when the bucket is refilled by the wall clock.

    Attributes:
        at_least: So many clear answers must have been looked at.
    """

    log: LimitedClient
    at_least: int = 10

    def __post_init__(self) -> None:
        """Refuse to judge by nothing."""
        if self.at_least < 1:
            raise ConfigError(f"at_least must be at least 1, got {self.at_least}: no answer would be enough")

    def check(self, history: History) -> Conclusion:
        """FAIL names the answers that say something else."""
        log = self.log.load(history)
        answered = [one for one in log.asked if one.admitted is not None]
        if len(answered) < self.at_least:
            raise CannotSay(f"only {len(answered)} clear answers to look at, wanted {self.at_least}")
        wrong = {one.key: "has not the limit" for one in answered if one.number(LIMIT) != log.config.capacity}
        for interval, asked in sorted(log.intervals.items()):
            wrong |= _wrongly_left(asked, log.config.capacity)
            wrong |= _wrong_refill(log, interval, asked)
        return conclude(
            list(wrong),
            otherwise=f"{len(answered)} answers tell limit, rest and refill as they were",
            wrongly=f"{len(wrong)} of {len(answered)} answers do not; the first {next(iter(wrong.values()), '')}",
            precision=(
                f"refills are told in whole seconds, and known to {log.made_to_s + 2 * log.slack_s:.3f} s by the wall "
                "clock"
            ),
        )


def _wrong_refill(log: ClientLog, interval: int, asked: list[Asked]) -> dict[str, str]:
    """Whoever names another moment than that of the refill, or than those before it in the interval."""
    wrong: dict[str, str] = {}
    least_s, most_s = (log.began_wall_s + since_s for since_s in log.refill_s(interval))
    told: int | None = None
    for one in asked:
        if one.admitted is None:
            continue
        reset = one.number(RESET)
        told = reset if told is None else told
        if reset is None or reset != told:
            wrong[one.key] = "names another refill than those before it"
        elif not least_s <= reset <= ceil(most_s):
            wrong[one.key] = f"names a refill at {reset}, which comes at {least_s:.3f} to {most_s:.3f}"
    return wrong


def _wrongly_left(asked: list[Asked], capacity: int) -> dict[str, str]:
    """Within one interval: each rest is told once, and less is left to whoever asked when another had been answered."""
    wrong: dict[str, str] = {}
    seen: set[int] = set()
    answered = sorted((one for one in asked if one.admitted), key=lambda one: one.done_s)
    least, done = capacity, 0
    for one in sorted(answered, key=lambda one: one.sent_s):
        while done < len(answered) and answered[done].done_s < one.sent_s:
            least = min(least, _or(answered[done].number(REMAINING), capacity))
            done += 1
        left = one.number(REMAINING)
        if left is None or left in seen or not 0 <= left < least:
            wrong[one.key] = f"has {one.told.get(REMAINING, 'nothing')!r} left, and {least} were before it"
        else:
            seen.add(left)
    refused = (one for one in asked if one.admitted is False)
    return wrong | {one.key: "is refused with some left" for one in refused if one.number(REMAINING) != 0}


def _or(number: int | None, otherwise: int) -> int:
    return otherwise if number is None else number


@dataclass(frozen=True, kw_only=True)
class RetryAfterIsHonest:
    """Who is refused and waits as long as it is told finds tokens then, and would not have a whole second before.

    Attributes:
        at_least: So many refusals must have been looked at.
    """

    log: LimitedClient
    at_least: int = 10

    def __post_init__(self) -> None:
        """Refuse to judge by nothing."""
        if self.at_least < 1:
            raise ConfigError(f"at_least must be at least 1, got {self.at_least}: no refusal would be enough")

    def check(self, history: History) -> Conclusion:
        """FAIL names the refusals that sent their client back too early or too late."""
        log = self.log.load(history)
        wrong: list[str] = []
        early = looked_at = 0
        for interval, asked in log.intervals.items():
            comes_from_s, comes_to_s = log.refill_s(interval)
            for one in asked:
                if one.admitted is not False:
                    continue
                looked_at += 1
                least_s, most_s = comes_from_s - one.done_s, comes_to_s - one.sent_s
                told_s = one.number(RETRY_AFTER)
                if told_s is None or told_s < least_s or told_s > ceil(most_s):
                    wrong.append(one.key)
                    early += told_s is not None and told_s < least_s
        if looked_at < self.at_least:
            raise CannotSay(f"only {looked_at} refusals to look at, wanted {self.at_least}")
        return conclude(
            wrong,
            otherwise=f"{looked_at} refusals name the wait until the refill in whole seconds, rounded up",
            wrongly=(
                f"{len(wrong)} of {looked_at} refusals name no such wait; after that of {early} the client is refused "
                "again"
            ),
            precision=f"the refill is known to {log.made_to_s + 2 * log.slack_s:.3f} s",
        )


@dataclass(frozen=True, kw_only=True)
class TwiceAroundARefill:
    """Around a refill nearly twice the limit passes within one period: what was left, and all of what came.

    Attributes:
        at_least: So many must have passed within some period, surely and by the client's own clock.
    """

    log: LimitedClient
    at_least: int

    def __post_init__(self) -> None:
        """Refuse a number that any limit lets through."""
        if self.at_least <= self.log.config.capacity:
            raise ConfigError(
                f"at_least must be above the limit of {self.log.config.capacity}, got {self.at_least}: a limit that "
                "holds in every period would do."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL if no period has so many: then the limit holds at any time, and not only from refill to refill."""
        log = self.log.load(history)
        passed = [one for one in log.asked if one.admitted]
        most, most_s = max(
            (_surely_within(passed, first, log.config.period_s) for first in passed), default=(0, 0.0)
        )
        figures = (
            f"up to {most} requests passed within {most_s:.1f} s, from the first being sent to the last being "
            f"answered, where {log.config.capacity} may in {log.config.period_s:g} s"
        )
        enough = most >= self.at_least
        return conclude(
            [] if enough else [one.key for one in passed], otherwise=figures, wrongly=f"only {figures}"
        )


def _surely_within(passed: list[Asked], first: Asked, period_s: float) -> tuple[int, float]:
    """How many were decided within a period from when one was sent, and in what time.

    What is counted by answers alone may have been decided long before, where these were held up.
    """
    done_s = [
        one.done_s - first.sent_s
        for one in passed
        if one.sent_s >= first.sent_s and one.done_s - first.sent_s < period_s
    ]
    return len(done_s), max(done_s, default=0.0)
