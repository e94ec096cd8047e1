"""How long a target takes to be itself again once a load is over that it could not bear.

A target that works off what nobody waits for any more, or whose clients ask again and again, may stay overwhelmed by
a load that it bore before (a metastable failure). So recovery has a moment: from then on, for a whole second, every
request is answered as it was before, and nearly every one to the end. A lull in an illness is no recovery.
"""

from dataclasses import dataclass

import polars as pl

from harness.checks import CannotSay, Conclusion
from harness.checks.moments import intended_in, was_sent, whole_phase
from harness.clock import NS_PER_MS, NS_PER_S
from harness.errors import ConfigError
from harness.recording.history import History
from harness.recording.records import Outcome, Phase, Verdict

# Of the requests after the recovery: a hiccup is none, a relapse is more.
UNWELL_MAX = 0.05


@dataclass(frozen=True, kw_only=True)
class RecoversWithin:
    """After the last request of impact the target is soon itself again.

    Attributes:
        within_s: By then.
        as_before_ms: An answer that takes no longer is as it was before.
        for_s: How long every answer must be so.
    """

    operation: str
    within_s: float
    as_before_ms: float
    for_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what every target keeps, or none."""
        if min(self.within_s, self.as_before_ms, self.for_s) <= 0:
            raise ConfigError(
                f"within_s, as_before_ms and for_s must be above 0, got {self.within_s}, {self.as_before_ms} and "
                f"{self.for_s}: every moment, or none, would be the recovery."
            )

    def check(self, history: History) -> Conclusion:
        """FAIL if that came later, or never."""
        heal = whole_phase(history, Phase.HEAL)
        over_ns = self._over_ns(history)
        if heal.end_ns - over_ns < (self.within_s + self.for_s) * NS_PER_S:
            raise CannotSay(
                f"load went on for {(heal.end_ns - over_ns) / NS_PER_S:.1f} s after the last request of impact: a "
                f"recovery after {self.within_s:g} s would not have been seen"
            )
        asked_ns, well = self._answers(history)
        recovered_ns = self._first_calm(asked_ns, well, heal.end_ns)
        if recovered_ns is None:
            return Conclusion(
                verdict=Verdict.FAIL,
                because=(
                    f"in {(heal.end_ns - over_ns) / NS_PER_S:.1f} s after the flood there was no {self.for_s:g} s in "
                    f"which every request was answered within {self.as_before_ms:g} ms, and nearly all after it; "
                    f"{well.count(False)} of {len(well)} were not"
                ),
            )
        took_s = (recovered_ns - over_ns) / NS_PER_S
        apart_s = (asked_ns[-1] - asked_ns[0]) / NS_PER_S / max(1, len(asked_ns) - 1)
        return Conclusion(
            verdict=Verdict.PASS if took_s <= self.within_s else Verdict.FAIL,
            because=(
                f"{took_s:.1f} s after the flood (may be {self.within_s:g} s) every request was answered within "
                f"{self.as_before_ms:g} ms again, for {self.for_s:g} s at least"
            ),
            precision=f"± {apart_s:.2f} s, from one request to the next",
        )

    def _over_ns(self, history: History) -> int:
        last = intended_in(history, self.operation, whole_phase(history, Phase.IMPACT)).filter(was_sent())
        over_ns = last["intended_ns"].max()
        if not isinstance(over_ns, int):
            raise CannotSay(f"no {self.operation} was sent in impact: there was nothing to recover from")
        return over_ns

    def _answers(self, history: History) -> tuple[list[int], list[bool]]:
        """When each request of heal was to leave, and whether it was answered as before."""
        took_ms = (pl.col("done_ns") - pl.col("intended_ns")) / NS_PER_MS
        well = (pl.col("outcome") == Outcome.OK.value) & (took_ms <= self.as_before_ms)
        sent = (
            intended_in(history, self.operation, whole_phase(history, Phase.HEAL))
            .filter(was_sent())
            .sort("intended_ns")
            .select("intended_ns", well.fill_null(value=False).alias("well"))
        )
        if sent.is_empty():
            raise CannotSay(
                f"no {self.operation} was sent in heal: nobody knows how it would have been answered"
            )
        return sent["intended_ns"].to_list(), sent["well"].to_list()

    def _first_calm(self, asked_ns: list[int], well: list[bool], end_ns: int) -> int | None:
        """The first request from which on all were well for long enough, and nearly all to the end."""
        ill = well.count(False)
        for place, at_ns in enumerate(asked_ns):
            next_ill_ns = next(
                (
                    later_ns
                    for later_ns, is_well in zip(asked_ns[place:], well[place:], strict=True)
                    if not is_well
                ),
                end_ns,
            )
            calm = next_ill_ns - at_ns >= self.for_s * NS_PER_S
            if calm and ill <= UNWELL_MAX * (len(well) - place):
                return at_ns
            ill -= not well[place]
        return None
