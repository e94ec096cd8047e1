"""A link that still works, only worse: later answers, fewer bytes a second."""

from dataclasses import dataclass

from harness.errors import ConfigError, FaultError
from harness.faults import Effect
from harness.faults.links import (
    LATENCY_TOLERANCE_MS,
    Added,
    Unmeasurable,
    added,
    already_added,
    delay_ms,
    must_answer_directly,
    tolerance_ms,
)
from harness.faults.questions import padding_limit
from harness.faults.toxic_fault import Lost, ToxicFault
from harness.stack import Link, Stack, Toxic

_STEADY, _JITTERY = 7, 15  # round trips, for a median that is precise enough
_ATTEMPTS = 3  # a busy machine delays a whole batch of pings; it never makes them faster


@dataclass(frozen=True, kw_only=True)
class AddedLatency(ToxicFault):
    """Every answer comes later by `latency_ms`, give or take `jitter_ms`.

    The delay is put on the answers only, so that a round trip grows by exactly what is asked. Connecting is
    not delayed: the proxy accepts at once.

    Attributes:
        both_ways: Half of it is put on the requests. Then half of what is on its way at any moment has not had its
            effect yet, and half has: a crash meets both.
    """

    latency_ms: int
    jitter_ms: int = 0
    both_ways: bool = False

    def __post_init__(self) -> None:
        if self.both_ways and (self.jitter_ms or self.latency_ms % 2):
            raise ConfigError(
                f"both ways half of {self.latency_ms} ms each, without jitter: wanted an even latency_ms and no "
                f"jitter_ms, got {self.latency_ms} and {self.jitter_ms}; what is measured is the round trip."
            )
        least_ms = round(2 * LATENCY_TOLERANCE_MS)
        if self.latency_ms < least_ms or not 0 <= self.jitter_ms <= self.latency_ms:
            raise ConfigError(
                f"latency_ms must be {least_ms} or more and jitter_ms between 0 and it, got {self.latency_ms} and "
                f"{self.jitter_ms}: less cannot be told from none, and a packet cannot arrive before it was sent."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        jitter = f" ± {self.jitter_ms}" if self.jitter_ms else ""
        return f"{self.latency_ms}{jitter} ms on {self.link}{', both ways' if self.both_ways else ''}"

    def toxics(self) -> tuple[Toxic, ...]:
        """One latency toxic on the answers, or half a one each way."""
        name = f"added-latency-{self.latency_ms}-{self.jitter_ms}"
        if self.both_ways:
            half = {"latency": self.latency_ms // 2, "jitter": 0}
            return tuple(
                Toxic(name=f"{name}-{direction}", kind="latency", direction=direction, attributes=half)
                for direction in Lost.BOTH.directions
            )
        attributes = {"latency": self.latency_ms, "jitter": self.jitter_ms}
        return (Toxic(name=name, kind="latency", attributes=attributes),)

    def inject(self, stack: Stack) -> Effect:
        """Delay, and measure the delay against the server's own answering time.

        Raises:
            FaultError: The measured latency is further than 2 ms or 5 % (and jitter, and spread) from what
                was asked.
        """
        return self.hurt(stack, self._inject_one)

    def _inject_one(self, link: Link) -> Effect:
        must_answer_directly(link, times=1)
        before = already_added(link)
        self.add_to(link)
        expected_ms = delay_ms(link.toxics(), before.bytes_moved if before else 0)
        allowed = 0.0
        sentence = ""
        for attempt in range(1, _ATTEMPTS + 1):
            found = added(link, expected_ms=expected_ms, times=_JITTERY if self.jitter_ms else _STEADY)
            if isinstance(found, Unmeasurable):
                sentence = f"asked {self.latency_ms} ms, measured nothing: {found.why}"
                continue
            found = found.on_top_of(before)
            sentence = (
                f"asked {self.latency_ms} ms, measured {found.median_ms:.1f} ms ± {found.spread_ms:.1f} "
                f"over {found.round_trips} round trips{found.beside}"
                + (f", at attempt {attempt}" if attempt > 1 else "")
            )
            allowed = self._allowed_ms(found)
            # Whatever is excused, half of it must be there, or a link on which nothing happens would do. The median of
            # 15 draws from a jitter as wide as the latency is below that once in sixty times.
            least_ms = self.latency_ms - min(allowed, self.latency_ms / 2)
            if least_ms <= found.median_ms <= self.latency_ms + allowed:
                return Effect(
                    sentence=sentence,
                    seen=True,
                    measured={
                        "asked_ms": float(self.latency_ms),
                        "measured_ms": found.median_ms,
                        "spread_ms": found.spread_ms,
                        "direct_ms": found.direct_ms,
                        "round_trips": float(found.round_trips),
                    },
                )
        raise FaultError(
            f"{self.title}: {sentence}. More than {allowed:.1f} ms off is another fault than was asked for: "
            "is there another one on this link, or is the machine too busy?"
        )

    def _allowed_ms(self, found: Added) -> float:
        """How far off is still what was asked for, given how precisely it could be measured.

        Every draw from a jitter of ± j is within ± j. On a busy machine the spread is the precision; it never excuses
        more than half of what was asked.
        """
        precision_ms = min(2 * found.spread_ms, self.latency_ms / 2)
        return tolerance_ms(self.latency_ms) + self.jitter_ms + precision_ms


@dataclass(frozen=True, kw_only=True)
class LimitedBandwidth(ToxicFault):
    """A connection moves at most `rate_kb_per_s` (1 KB is 1000 bytes) each way.

    Toxiproxy limits each connection, not the link as a whole: ten connections move ten times as much. Both ways are
    limited; measured is the way of the questions, since most servers cannot be made to answer at length.
    """

    rate_kb_per_s: int

    def __post_init__(self) -> None:
        if self.rate_kb_per_s <= 0:
            raise ConfigError(
                f"rate_kb_per_s must be above 0, got {self.rate_kb_per_s}. A link on which nothing moves is "
                "a BlackHole."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.rate_kb_per_s} KB/s on {self.link}"

    def toxics(self) -> tuple[Toxic, ...]:
        """One bandwidth toxic each way."""
        return tuple(
            Toxic(
                name=f"limited-bandwidth-{self.rate_kb_per_s}-{direction}",
                kind="bandwidth",
                direction=direction,
                attributes={"rate": self.rate_kb_per_s},
            )
            for direction in Lost.BOTH.directions
        )

    def inject(self, stack: Stack) -> Effect:
        """Narrow the link, and measure how much longer a long question with its answer takes.

        Raises:
            FaultError: The measured rate is more than 20 % from what was asked, or the rate is so high that
                the longest question its protocol allows cannot tell it from none.
        """
        return self.hurt(stack, self._inject_one)

    def padding(self, link: Link) -> int:
        """A quarter of a second a round trip is long enough to be precise."""
        return min(padding_limit(link.protocol), self.rate_kb_per_s * 250)

    def _inject_one(self, link: Link) -> Effect:
        must_answer_directly(link, times=1)
        padding = self.padding(link)
        if padding / self.rate_kb_per_s < 2 * LATENCY_TOLERANCE_MS:
            raise FaultError(
                f"{self.title}: {padding} bytes, the longest question that {link.protocol} allows, take less "
                f"than {2 * LATENCY_TOLERANCE_MS:g} ms at that rate, so its effect could not be seen. Ask "
                f"for at most {padding / (2 * LATENCY_TOLERANCE_MS):.0f} KB/s."
            )
        before = already_added(link, padding=padding)
        self.add_to(link)
        expected_ms = delay_ms(link.toxics(), 2 * padding)
        sentence = ""
        for _ in range(_ATTEMPTS):
            found = added(link, expected_ms=expected_ms, times=3, padding=padding)
            if isinstance(found, Unmeasurable):
                sentence = f"measured nothing: {found.why}"
                continue
            found = found.on_top_of(before)
            rate = found.bytes_moved / max(found.median_ms, 0.001)
            sentence = (
                f"asked {self.rate_kb_per_s} KB/s, measured {rate:.1f} KB/s from {found.bytes_moved} bytes "
                f"in {found.median_ms:.1f} ms ± {found.spread_ms:.1f}{found.beside}"
            )
            wanted_ms = found.bytes_moved / self.rate_kb_per_s
            precision_ms = min(2 * found.spread_ms, wanted_ms / 2)
            if abs(found.median_ms - wanted_ms) <= max(LATENCY_TOLERANCE_MS, 0.2 * wanted_ms) + precision_ms:
                return Effect(
                    sentence=sentence,
                    seen=True,
                    measured={
                        "asked_kb_per_s": float(self.rate_kb_per_s),
                        "measured_kb_per_s": rate,
                        "bytes_moved": float(found.bytes_moved),
                        "spread_ms": found.spread_ms,
                    },
                )
        raise FaultError(f"{self.title}: {sentence}. Is there another fault on this link?")
