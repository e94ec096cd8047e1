"""Phases and faults as stretches of time, put together from the lines that mark their ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from harness.clock import NS_PER_S
from harness.recording.records import FaultNoted, FaultStage, PhaseStarted

END = "end"


@dataclass(frozen=True)
class Span:
    """A stretch of monotonic time, from `start_ns` up to but not including `end_ns`."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end_ns - self.start_ns) / NS_PER_S


@dataclass(frozen=True, kw_only=True)
class FaultEpisode:
    """One fault of the run, from its request to its verified healing.

    Attributes:
        fault: `harness.faults.to_record` of it.
        requested_ns, active_ns, healing_ns, healed_ns: When each stage was noted, or None. Active and
            healed are noted after the effect was measured: it began up to that long earlier.
        effect: The sentence of the measured effect, or of the error that came instead.
        seen: Whether the effect was the one asked for.
        lapsed: What was gone before it was to be healed, or "".
        healed_effect, healed_seen: The same for healing.
    """

    number: int
    title: str
    fault: Mapping[str, Any]
    requested_ns: int | None = None
    active_ns: int | None = None
    healing_ns: int | None = None
    healed_ns: int | None = None
    effect: str = ""
    seen: bool = False
    measured: Mapping[str, float] = field(default_factory=dict)
    lapsed: str = ""
    healed_effect: str = ""
    healed_seen: bool = False

    @property
    def since_ns(self) -> int | None:
        """From when on it had its effect for certain, None if it never did.

        A silence can only be measured by waiting in it: `waited_s` of it were over when it was noted as active. Of
        several links the figure is their median, which says that of none for certain.
        """
        if self.active_ns is None:
            return None
        waited_s = 0.0 if "links" in self.measured else self.measured.get("waited_s", 0.0)
        return self.active_ns - round(waited_s * NS_PER_S)


def phase_spans(lines: Sequence[PhaseStarted]) -> tuple[dict[str, Span], list[str]]:
    """Each phase from its own line to the next one's. A phase without a next line has no known end."""
    spans: dict[str, Span] = {}
    damage = []
    if any(later.at_ns < earlier.at_ns for earlier, later in pairwise(lines)):
        damage.append("phases start before the ones they follow: the clock jumped")
    for line, following in pairwise(lines):
        if line.phase in spans:
            damage.append(f"the phase {line.phase!r} started twice")
        elif following.at_ns >= line.at_ns:
            spans[line.phase] = Span(line.at_ns, following.at_ns)
    if not lines or lines[-1].phase != END:
        damage.append("the last phase has no end")
    return spans, damage


def fault_episodes(lines: Sequence[FaultNoted]) -> tuple[tuple[FaultEpisode, ...], list[str]]:
    """The faults by their number, each with the first line of every stage it reached."""
    episodes: dict[int, FaultEpisode] = {}
    last_ns: dict[int, int] = {}
    jumps = 0
    for line in lines:
        episode = episodes.get(line.number)
        if episode is None:
            episode = FaultEpisode(number=line.number, title=line.title, fault=line.fault)
        jumps += line.at_ns < last_ns.get(line.number, line.at_ns)
        last_ns[line.number] = line.at_ns
        episodes[line.number] = _next_stage(episode, line)
    damage = [f"{jumps} stages of faults lie before the ones they follow: the clock jumped"] if jumps else []
    return tuple(episodes[number] for number in sorted(episodes)), damage


def _next_stage(episode: FaultEpisode, line: FaultNoted) -> FaultEpisode:  # noqa: PLR0911 - one a stage
    match line.stage:
        case FaultStage.REQUESTED if episode.requested_ns is None:
            return replace(episode, requested_ns=line.at_ns)
        case FaultStage.ACTIVE if episode.active_ns is None:
            return replace(
                episode, active_ns=line.at_ns, effect=line.sentence, seen=line.seen, measured=line.measured
            )
        case FaultStage.LAPSED:
            return replace(episode, lapsed=line.sentence or "nobody says what")
        case FaultStage.HEALING if episode.healing_ns is None:
            return replace(episode, healing_ns=line.at_ns)
        case FaultStage.HEALED if episode.healed_ns is None:
            return replace(
                episode,
                healed_ns=line.at_ns,
                healed_effect=line.sentence,
                healed_seen=line.seen,
            )
        case FaultStage.FAILED if episode.active_ns is None:
            return replace(episode, effect=line.sentence)
        case FaultStage.FAILED:  # it bit, and then something about it went wrong: healing is not proven
            return replace(episode, healed_effect=line.sentence, healed_seen=False)
    return episode
