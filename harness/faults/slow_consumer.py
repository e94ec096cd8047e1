"""Each record takes a consumer several times as long: a factor on its own pace, and not a delay that somebody guessed.

A consumer that keeps up shows the pace of what arrives and not its own. So it is given something to do, records that it
has had before (`Republished`), and is timed until it is done with them: with one by itself, and with many at once. The
difference is what a record takes; all that is the same for both, such as a wait for more records, drops out.

That it has committed an offset does not say that it is done: one that commits before it works would look quick by as
much as its last batch takes. So another record follows on each partition, and that these are committed says it: whoever
has read them has the others behind it.

What it is slowed by is latency on the link to whatever it asks for each record, most often its database. How much is
found out just before the fault begins and kept in it, so that whoever has the record alone can take it away again.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from harness.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK, wait_until
from harness.errors import ConfigError, DeadlineError, FaultError, NothingDoneError, ProbeError
from harness.faults import Effect
from harness.faults.links import LATENCY_TOLERANCE_MS
from harness.faults.republished import Again, Copies
from harness.faults.slow_links import AddedLatency
from harness.probes.kafka_lag import KafkaLag
from harness.stack import Stack

_ALONE = 3  # times that one record is timed by itself
# Two busy cores make a consumer wait for up to a quarter of a second more or less: half a millisecond of a record each.
_AT_ONCE = 500
_AT_ONCE_SLOWED = 40
_IDLE_LAG = 20  # what a consumer that keeps up may be behind by
_IDLE_WITHIN_S = 10.0
_HANDLED_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.005
_LOOK_TIMEOUT_S = 1.0
_ATTEMPTS = 2
_BASE_MS_MIN = 0.001
_LEAST_MS = round(2 * LATENCY_TOLERANCE_MS)  # less cannot be told from none
# A pace is measured with some tens of records, on a machine that does other things. These make a consumer slower and
# never quicker, and what the latency adds is measured on the wire as well; who asks twice for each record is at 1.9.
FACTOR_LEAST, FACTOR_MOST = 0.7, 1.6
_FACTOR_MIN = 2.0


@dataclass(frozen=True, kw_only=True)
class Timed:
    """How long a consumer took, and for how many records."""

    ms: float
    records: int


@dataclass(frozen=True, kw_only=True)
class SlowConsumer:
    """A consumer takes `factor` times as long for each record.

    Attributes:
        link: To what it asks once for each record.
        group, topic: Whose pace.
        factor: How many times as long.
        base_ms: What a record takes it.
        fixed_ms: What it takes besides until it is done with what it was given, however many records that are.
            Both are found out when the fault begins.
    """

    link: str
    group: str
    topic: str
    factor: float = 10.0
    base_ms: float = 0.0
    fixed_ms: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a factor that slows nobody."""
        if not _FACTOR_MIN <= self.factor < math.inf:
            raise ConfigError(
                f"factor must be at least {_FACTOR_MIN:g}, got {self.factor}: a consumer that is hardly "
                "slower cannot be told from one on a busy machine. Try 10."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.group} takes {self.factor:g} times as long for each record"

    def resolved(self, stack: Stack) -> Self:
        """Measure its pace while nothing is hurt.

        Raises:
            FaultError: It is behind already, or does not get through what it is given.
        """
        self._await_idle(stack)
        copies = Copies(stack, self.topic)
        few = sorted((self._timed(stack, copies, 1) for _ in range(_ALONE)), key=lambda timed: timed.ms)[
            _ALONE // 2
        ]
        many = self._timed(stack, copies, _AT_ONCE)
        base_ms = max(_BASE_MS_MIN, (many.ms - few.ms) / max(1, many.records - few.records))
        return replace(
            self,
            base_ms=round(base_ms, 3),
            fixed_ms=round(max(0.0, few.ms - few.records * base_ms), 3),
        )

    def inject(self, stack: Stack) -> Effect:
        """Slow it down, and measure its pace again.

        Raises:
            FaultError: It takes another number of times as long.
        """
        slower = self._slower()
        copies = Copies(stack, self.topic)
        wire = slower.inject(stack)
        began_ns = SYSTEM_CLOCK.now_ns()
        told = ""
        for _ in range(_ATTEMPTS):
            timed = self._timed(stack, copies, _AT_ONCE_SLOWED)
            slowed_ms = (timed.ms - self.fixed_ms) / timed.records
            reached = slowed_ms / self.base_ms
            told = (
                f"a record takes it {slowed_ms:.1f} ms (over {timed.records}), {reached:.1f} times the "
                f"{self.base_ms:.2f} ms of before; asked {self.factor:g} times, by latency on {self.link}: "
                f"{wire.sentence}"
            )
            if FACTOR_LEAST <= reached / self.factor <= FACTOR_MOST:
                return Effect(
                    sentence=told,
                    seen=True,
                    measured={
                        "asked_factor": self.factor,
                        "measured_factor": reached,
                        "base_ms": self.base_ms,
                        "slowed_ms": slowed_ms,
                        "records": float(timed.records),
                        "waited_s": (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S,
                    },
                )
        raise FaultError(
            f"{self.title}: {told}. Less than {FACTOR_LEAST:g} or more than {FACTOR_MOST:g} of that is another fault "
            "than was asked for: does it ask over this link once for each record, or is the machine too busy?"
        )

    def lapsed(self, stack: Stack) -> str:
        """Whether the latency is gone."""
        return self._slower().lapsed(stack)

    def heal(self, stack: Stack) -> Effect:
        """Take the latency away. Safe twice and before `inject`."""
        if not self.base_ms:
            return Effect(sentence="its pace was never measured, so it was not slowed down", seen=True)
        return self._slower().heal(stack)

    def _slower(self) -> AddedLatency:
        if not self.base_ms:
            raise NothingDoneError(
                f"{self.title}: nobody has measured its pace before the fault began, so the fault did nothing. Give it "
                "to a drill, or call `resolved` first: only what names the latency can be healed by whoever has the "
                "record alone."
            )
        return AddedLatency(
            link=self.link, latency_ms=max(_LEAST_MS, math.ceil((self.factor - 1) * self.base_ms))
        )

    def _timed(self, stack: Stack, copies: Copies, records: int) -> Timed:
        """Give it so many, and then one more on each partition; others' records that it gets meanwhile count, too."""
        before = self._committed(stack)
        began_ns = SYSTEM_CLOCK.now_ns()
        self._await_committed(stack, copies.publish(records))
        after = self._await_committed(stack, copies.publish_one_each())
        return Timed(
            ms=(SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_MS,
            records=sum(after[place] - before.get(place, 0) for place in after),
        )

    def _await_committed(self, stack: Stack, again: Again) -> dict[int, int]:
        """By partition what is committed, once all that was published again is."""

        def handled() -> dict[int, int] | None:
            now = self._committed(stack)
            return now if all(now.get(place, 0) >= end for place, end in again.ends.items()) else None

        try:
            return wait_until(
                handled,
                within_s=_HANDLED_WITHIN_S,
                what=f"{self.group} to commit {again.records} records",
                every_s=_LOOK_EVERY_S,
            )
        except DeadlineError as error:
            raise FaultError(
                f"{self.title}: {error}. Is there a consumer, and nobody else who gives it work?"
            ) from error

    def _await_idle(self, stack: Stack) -> None:
        try:
            wait_until(
                lambda: sum(row["lag"] for row in self._rows(stack)) <= _IDLE_LAG,
                within_s=_IDLE_WITHIN_S,
                what=f"{self.group} to keep up",
                every_s=_LOOK_EVERY_S,
            )
        except DeadlineError as error:
            raise FaultError(
                f"{self.title}: {error}. What a record takes it cannot be told while it is behind."
            ) from error

    def _committed(self, stack: Stack) -> dict[int, int]:
        return {row["partition"]: row["end"] - row["lag"] for row in self._rows(stack)}

    def _rows(self, stack: Stack) -> list[dict[str, int]]:
        lag = KafkaLag(name="lag", group=self.group, topics=(self.topic,))
        try:
            rows = lag.rows(stack, timeout_s=_LOOK_TIMEOUT_S)
        except ProbeError as error:
            raise FaultError(f"{self.title}: {error}") from error
        return [row for row in rows if row["topic"] == self.topic]
