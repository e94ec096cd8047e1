"""What one client asked of a rate limit, and in which interval of its bucket each request was decided.

Intervals are counted from when the bucket was made, which the client's first request did, some time between its being
sent and its answer. So an edge is known to within that, and a request that was under way around one was decided on
either side of it: it is counted where that is kinder to the target.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import polars as pl

from harness.checks import CannotSay, Missing, Seen
from harness.checks.moments import wall_ahead_ns, was_sent
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.models.bucket import BucketConfig, BucketModel
from harness.recording.episodes import Span
from harness.recording.history import History
from harness.recording.records import Outcome

TOO_MANY_REQUESTS = 429
# Of a period: with more, nobody knows in which of them a request was decided.
SLACK_SHARE_MAX = 0.1


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request.

    Attributes:
        sent_s, done_s: Between these it was decided; seconds since the client's first request was sent.
        admitted: None if there was no answer, or none that says so: then it may have taken a token.
        told: The answer's headers about the limit, by their names in lower case.
        first, last: The intervals in which it can have been decided.
    """

    key: str
    sent_s: float
    done_s: float
    admitted: bool | None
    told: dict[str, str]
    first: int
    last: int

    def number(self, name: str) -> int | None:
        """A header that is a whole number; None if it is not there, or is none."""
        text = self.told.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else None


@dataclass(frozen=True, kw_only=True)
class ClientLog:
    """All requests of one client, by when they were sent.

    Attributes:
        made_from_s, made_to_s: Between these its bucket was made.
        slack_s: How far the clock by which the target counts may have run off the one of the recording.
        began_wall_s: What the wall clock said when the first request was sent, give or take the slack.
    """

    config: BucketConfig
    asked: tuple[Asked, ...]
    made_from_s: float
    made_to_s: float
    slack_s: float
    began_wall_s: float

    @cached_property
    def intervals(self) -> dict[int, list[Asked]]:
        """By interval those that can have been decided only in it."""
        found: dict[int, list[Asked]] = {}
        for one in self.asked:
            if one.first == one.last:
                found.setdefault(one.first, []).append(one)
        return found

    def touching(self, interval: int) -> list[Asked]:
        """Those that can have been decided in an interval."""
        return [one for one in self.asked if one.first <= interval <= one.last]

    def refill_s(self, interval: int) -> tuple[float, float]:
        """When the tokens after an interval come: not before, and not after."""
        edge_s = (interval + 1) * self.config.period_s
        return edge_s + self.made_from_s - self.slack_s, edge_s + self.made_to_s + self.slack_s

    def tokens(self, interval: int) -> int:
        """How many tokens there are at the beginning of an interval, by the reference."""
        return BucketModel(self.config, made_at_s=0.0).available((interval + 0.5) * self.config.period_s)


@dataclass(frozen=True, kw_only=True)
class LimitedClient:
    """Whose requests, and the bucket that they are documented to have.

    Attributes:
        operation: What they are called in the recording.
        client: As `client` in their details.
        config: Of the bucket; each refill fills it, so that no interval depends on the one before.
        slack_s: How far the wall clock, by which the target counts, may run off the one of the recording without the
            heartbeat seeing it. What that saw comes on top.
    """

    operation: str
    client: str
    config: BucketConfig
    slack_s: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what could not be told from the requests."""
        if self.config.refill_tokens < self.config.capacity:
            raise ConfigError(
                f"a refill must fill the bucket, got {self.config.refill_tokens} of {self.config.capacity}: what is in "
                "it would depend on requests of which nobody knows in which interval they were decided."
            )
        if not 0 <= self.slack_s < self.config.period_s * SLACK_SHARE_MAX:
            raise ConfigError(
                f"slack_s must be at least 0 and below a tenth of the period ({self.config.period_s:g} s), got "
                f"{self.slack_s}: nobody would know in which interval a request was decided."
            )

    def load(self, history: History) -> ClientLog:
        """Its requests.

        Raises:
            CannotSay: There are none, or nobody knows when the bucket was made, or whether it was made anew, or the
                clock by which it was refilled was set or ran away.
        """
        rows = _rows(history, self.operation, self.client)
        if not rows:
            raise CannotSay(f"the client {self.client!r} asked for nothing")
        begin_ns = rows[0]["sent_ns"]
        times = [(_s(row["sent_ns"], begin_ns), _s(row["done_ns"], begin_ns)) for row in rows]
        made_to_s = times[0][1]
        if _admitted(rows[0]) is not True or (len(rows) > 1 and times[1][0] < made_to_s):
            raise CannotSay(
                f"the first request of {self.client!r} was not answered before its second: nobody knows when its "
                "bucket was made"
            )
        period_s = self.config.period_s
        if any(later - earlier > period_s for (earlier, _), (later, _) in pairwise(times)):
            raise CannotSay(
                f"{self.client!r} was silent for a whole period: its bucket may have been made anew"
            )
        ahead_ns = wall_ahead_ns(history, Span(begin_ns, rows[-1]["sent_ns"]))
        slack_s = self._slack_s(ahead_ns)
        asked = tuple(
            Asked(
                key=row["key"],
                sent_s=sent_s,
                done_s=done_s,
                admitted=_admitted(row),
                told=_told(row),
                first=max(0, int((sent_s - made_to_s - slack_s) // period_s)),
                last=_interval(done_s + slack_s, period_s) if number else 0,
            )
            for number, (row, (sent_s, done_s)) in enumerate(zip(rows, times, strict=True))
        )
        return ClientLog(
            config=self.config,
            asked=asked,
            made_from_s=0.0,
            made_to_s=made_to_s,
            slack_s=slack_s,
            began_wall_s=(begin_ns + sum(ahead_ns) / 2) / NS_PER_S,
        )

    def _slack_s(self, ahead_ns: tuple[int, int]) -> float:
        drift_s = (ahead_ns[1] - ahead_ns[0]) / NS_PER_S
        slack_s = self.slack_s + drift_s
        if slack_s >= self.config.period_s * SLACK_SHARE_MAX:
            raise CannotSay(
                f"the wall clock ran {drift_s:.3f} s off meanwhile, too far for intervals of {self.config.period_s:g} "
                "s: nobody knows in which of them a request was decided"
            )
        return slack_s


@dataclass(frozen=True, kw_only=True)
class AskedForMore:
    """The client asked in several intervals for more than it may: otherwise nothing had to be refused.

    Attributes:
        intervals: In how many, one after the other.
        by: By how many at least, of those that were answered clearly.
        if_missing: It makes it easy for a limit to hold, and hard for a claim that more than the limit passes.
    """

    log: LimitedClient
    intervals: int = 2
    by: int = 10
    if_missing: Missing = Missing.VOIDS
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        if self.intervals < 1 or self.by < 1:
            raise ConfigError(
                f"intervals and by must be at least 1, got {self.intervals} and {self.by}: no request would be enough"
            )

    def seen(self, history: History) -> Seen:
        """Count what was surely asked for in each interval."""
        log = self.log.load(history)
        counts = {
            interval: sum(one.admitted is not None for one in asked)
            for interval, asked in sorted(log.intervals.items())
        }
        wanted = self.log.config.capacity + self.by
        most = run = 0
        for interval in range(max(counts, default=0) + 1):
            run = run + 1 if counts.get(interval, 0) >= wanted else 0
            most = max(most, run)
        told = ", ".join(map(str, counts.values()))
        return Seen(
            ok=most >= self.intervals,
            sentence=(
                f"{told} clear answers in the intervals of {self.log.client!r} (wanted {wanted} in {self.intervals} "
                "that follow each other)"
            ),
        )


def _rows(history: History, operation: str, client: str) -> list[dict[str, Any]]:
    of_client = pl.col("detail").str.json_path_match("$.client") == client
    return list(
        history.operations.filter((pl.col("name") == operation) & of_client & was_sent())
        .sort("sent_ns")
        .select("key", "sent_ns", "done_ns", "outcome", "status", "result")
        .iter_rows(named=True)
    )


def _s(at_ns: int | None, begin_ns: int) -> float:
    return float("inf") if at_ns is None else (at_ns - begin_ns) / NS_PER_S


def _admitted(row: dict[str, Any]) -> bool | None:
    if row["status"] == TOO_MANY_REQUESTS:
        return False
    return True if row["outcome"] == Outcome.OK.value else None


def _told(row: dict[str, Any]) -> dict[str, str]:
    told = msgspec.json.decode(row["result"])
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}


def _interval(at_s: float, period_s: float) -> int:
    """The interval of a moment; of one that never came, one after all others."""
    return sys.maxsize if at_s == float("inf") else int(at_s // period_s)
