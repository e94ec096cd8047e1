"""What makes a run a test at all: the target was well, there was load, the fault bit and was healed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from harness.checks import Evidence, Missing, Seen
from harness.checks.load import UnderLoad
from harness.checks.moments import intended_in, requested_faults, was_sent, whole_phase
from harness.checks.planned import PlannedFault, planned_faults
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import FaultEpisode
from harness.recording.history import History
from harness.recording.records import Outcome, Phase


@dataclass(frozen=True, kw_only=True)
class FaultBit:
    """Every fault was measured to have the effect asked for, until it was healed.

    Every planned one: a fault whose time came too late to be injected leaves no trace among the faults.

    Attributes:
        share: How much of its planned time each must have been there for. A fault of an instant hurts nobody.
    """

    share: float = 0.5
    if_missing: ClassVar[Missing] = Missing.VOIDS
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a fault that always was there for long enough."""
        if not 0 < self.share <= 1:
            raise ConfigError(
                f"share must be in (0, 1], got {self.share}: a fault of an instant would be enough. Try 0.5."
            )

    def seen(self, history: History) -> Seen:
        """Name the faults and what they were seen to do, or the first that did not bite, or not for long enough."""
        planned = planned_faults(history)
        injected = Counter(episode.title for episode in history.faults)
        if never := sorted(Counter(fault.title for fault in planned) - injected):
            return Seen(ok=False, sentence=f"{', '.join(never)}: planned and never injected")
        episodes = requested_faults(history)
        for episode in episodes:
            if episode.lapsed:
                return Seen(
                    ok=False,
                    sentence=f"{episode.title} was over before it was to be healed, nobody knows since when: "
                    f"{episode.lapsed}",
                )
            if episode.active_ns is None or not episode.seen:
                return Seen(
                    ok=False,
                    sentence=f"{episode.title} did not bite: {episode.effect or 'no effect was recorded'}",
                )
        if brief := self._too_brief(planned, episodes):
            return Seen(ok=False, sentence=brief)
        return Seen(ok=True, sentence="; ".join(f"{episode.title}: {episode.effect}" for episode in episodes))

    def _too_brief(self, planned: Sequence[PlannedFault], episodes: Sequence[FaultEpisode]) -> str:
        """The first fault that was not there for long enough, or ""."""
        for title in dict.fromkeys(fault.title for fault in planned):
            wanted = sorted(fault.seconds for fault in planned if fault.title == title)
            lasted = sorted(_lasted_s(episode) for episode in episodes if episode.title == title)
            for wanted_s, lasted_s in zip(reversed(wanted), reversed(lasted), strict=False):
                if lasted_s < self.share * wanted_s:
                    return (
                        f"{title} was there for {lasted_s:.3f} of the {wanted_s:g} s that were planned "
                        f"(wanted {self.share:.0%})"
                    )
        return ""


@dataclass(frozen=True, kw_only=True)
class FaultHealed:
    """Every fault was measured to be gone."""

    if_missing: ClassVar[Missing] = Missing.BOTH
    only_for_rates: ClassVar[bool] = False

    def seen(self, history: History) -> Seen:
        """Name the faults and what was seen after them, or the first whose healing is not proven."""
        episodes = requested_faults(history)
        for episode in episodes:
            if episode.healed_ns is None or not episode.healed_seen:
                why = episode.healed_effect or "nothing was measured"
                return Seen(ok=False, sentence=f"{episode.title} is not proven to be healed: {why}")
        told = "; ".join(f"{episode.title} healed: {episode.healed_effect}" for episode in episodes)
        return Seen(ok=True, sentence=told)


@dataclass(frozen=True, kw_only=True)
class HealthyBefore:
    """In steady the target was well, so that what came later can be blamed on the fault."""

    operation: str
    ok_share_min: float = 0.99
    operations_min: int = 10
    if_missing: Missing = Missing.BOTH
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        if not 0 < self.ok_share_min <= 1 or self.operations_min < 1:
            raise ConfigError(
                f"ok_share_min must be in (0, 1] and operations_min at least 1, got {self.ok_share_min} and "
                f"{self.operations_min}: a dead target would count as healthy. Try 0.99 and 10."
            )

    def seen(self, history: History) -> Seen:
        """Count the ok operations that were sent in steady."""
        span = whole_phase(history, Phase.STEADY)
        sent = intended_in(history, self.operation, span).filter(was_sent())
        ok = sent.filter(pl.col("outcome") == Outcome.OK.value).height
        told = f"{ok} of {sent.height} {self.operation} in steady were ok (wanted {self.ok_share_min:.1%}"
        well = sent.height >= self.operations_min and ok >= self.ok_share_min * sent.height
        return Seen(ok=well, sentence=f"{told} of at least {self.operations_min})")


def _lasted_s(episode: FaultEpisode) -> float:
    """For how long it had its effect for certain. What nobody saw the end of lasted for no known time."""
    if episode.since_ns is None or episode.healing_ns is None:
        return 0.0
    return (episode.healing_ns - episode.since_ns) / NS_PER_S


def unspoken(history: History) -> tuple[Evidence, ...]:
    """What every claim of a run counts only with, whoever forgot to say so: what was planned was done.

    There was load, and what was planned to be hurt was hurt, and is healed.
    """
    promised = history.run.promised
    loaded = (UnderLoad(),) if promised.get("rate_per_s") else ()
    return (*loaded, FaultBit(), FaultHealed()) if promised.get("faults") else loaded
