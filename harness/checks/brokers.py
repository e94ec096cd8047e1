"""The leader of a partition was lost: another takes over in time, and the lost one becomes a replica again.

Judged by what the brokers said when they were asked past every link, and by whom the fault itself names. A moment
is known as precisely as the readings lie apart: something that was not so in one and is so in the next became so
between the beginning of the first and the end of the second.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.checks import CannotSay, Conclusion, conclude
from harness.checks.moments import requested_faults
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import FaultEpisode
from harness.recording.history import History
from harness.recording.readings import Observed
from harness.recording.records import Verdict


@dataclass(frozen=True, kw_only=True)
class LostLeader:
    """A leader that a fault took away, by the fault's own record.

    Attributes:
        broker: Its number.
        epoch: In which it led.
        asked_ns, lost_ns: Between these two it was lost.
        healing_ns: Until then it was certainly away.
    """

    topic: str
    partition: int
    broker: int
    epoch: int
    asked_ns: int
    lost_ns: int
    healing_ns: int

    def row_of(self, observed: Observed) -> Mapping[str, Any] | None:
        """What a reading says of the partition."""
        return next((row for row in rows(observed) if self._is_mine(row)), None)

    def _is_mine(self, row: Mapping[str, Any]) -> bool:
        return (row["topic"], row["partition"]) == (self.topic, self.partition)

    def succeeded(self, row: Mapping[str, Any]) -> bool:
        """Whether another was elected since."""
        return bool(row["epoch"] > self.epoch and row["leader"] not in {-1, self.broker})


def lost_leader(history: History, fault: str) -> LostLeader:
    """Whom the fault of that title took away.

    Raises:
        CannotSay: It did not bite, was over too early, or does not say whom it hurt.
    """
    [episode, *more] = requested_faults(history, fault)
    if more:
        raise CannotSay(f"{fault} was injected {1 + len(more)} times: which leader is meant is not told")
    return _of(episode)


def _of(episode: FaultEpisode) -> LostLeader:
    fields, measured = episode.fault.get("fields", {}), episode.measured
    wanted = ("broker", "epoch", "lost_after_s")
    if not episode.seen or episode.requested_ns is None or episode.healing_ns is None or episode.lapsed:
        raise CannotSay(f"{episode.title} was not seen to begin and to last until it was healed")
    if missing := [name for name in wanted if name not in measured]:
        raise CannotSay(f"{episode.title} does not say whom it hurt: {', '.join(missing)} was not measured")
    if not isinstance(fields, Mapping) or not {"topic", "partition"} <= fields.keys():
        raise CannotSay(f"{episode.title} does not say whose leader it took away")
    return LostLeader(
        topic=str(fields["topic"]),
        partition=int(fields["partition"]),
        broker=int(measured["broker"]),
        epoch=int(measured["epoch"]),
        asked_ns=episode.requested_ns,
        lost_ns=episode.requested_ns + round(measured["lost_after_s"] * NS_PER_S),
        healing_ns=episode.healing_ns,
    )


def rows(observed: Observed) -> list[Mapping[str, Any]]:
    """The partitions that a reading tells of.

    Raises:
        CannotSay: It is another reading than was meant.
    """
    wanted = {"topic", "partition", "leader", "epoch", "isr", "replicas"}
    found = observed.value if isinstance(observed.value, list) else []
    if not found or not all(isinstance(row, Mapping) and wanted <= row.keys() for row in found):
        raise CannotSay(
            f"a reading does not tell {', '.join(sorted(wanted))} of partitions: {str(found)[:80]}"
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Election:
    """When the next leader was seen.

    Attributes:
        before_ns: When the last reading began that did not show him.
        seen_ns: When the first reading ended that did; None if none did while the old one was away.
        leader: The next one's number.
    """

    before_ns: int
    seen_ns: int | None
    leader: int = -1


def election(history: History, reading: str, lost: LostLeader) -> Election:
    """When the lost leader's successor was seen.

    Raises:
        CannotSay: Nobody looked between the loss and its healing.
    """
    before_ns = lost.asked_ns
    looked = 0
    for observed in _while_away(history, reading, lost):
        row = lost.row_of(observed)
        if row is None:
            raise CannotSay(f"{reading!r} does not tell of {lost.topic}-{lost.partition}")
        looked += 1
        if lost.succeeded(row):
            return Election(
                before_ns=before_ns, seen_ns=observed.at_ns + observed.took_ns, leader=row["leader"]
            )
        before_ns = max(before_ns, observed.at_ns)
    if not looked:
        raise CannotSay(f"nobody looked at {reading!r} while kafka-{lost.broker} was away")
    return Election(before_ns=before_ns, seen_ns=None)


def _while_away(history: History, reading: str, lost: LostLeader) -> Iterator[Observed]:
    for observed in history.readings(reading):
        if lost.asked_ns <= observed.at_ns and observed.at_ns + observed.took_ns <= lost.healing_ns:
            yield observed


@dataclass(frozen=True, kw_only=True)
class LeaderChangesWithin:
    """Another broker leads within a bound of the loss.

    Attributes:
        reading: Of `KafkaLeaders`, read again and again.
        fault: Title of the fault that takes the leader away.
        within_s: From the loss.
    """

    reading: str
    fault: str
    within_s: float

    def __post_init__(self) -> None:
        """Refuse a bound that nobody can keep."""
        if self.within_s <= 0:
            raise ConfigError(f"within_s must be above 0, got {self.within_s}: no election takes no time")

    def check(self, history: History) -> Conclusion:
        """FAIL if it certainly took longer; what lies on both sides of the bound cannot be said."""
        lost = lost_leader(history, self.fault)
        found = election(history, self.reading, lost)
        least_s = max(0.0, (found.before_ns - lost.lost_ns) / NS_PER_S)
        what = f"{lost.topic}-{lost.partition}, led by kafka-{lost.broker} in epoch {lost.epoch}"
        if found.seen_ns is None:
            told = (
                f"{what}: nobody else led {least_s:.1f} s after the loss (wanted within {self.within_s:g} s)"
            )
            if least_s <= self.within_s:
                raise CannotSay(f"{told}, and then nobody looked any more")
            return Conclusion(
                verdict=Verdict.FAIL, because=told, examples=(f"{lost.topic}-{lost.partition}",)
            )
        most_s = (found.seen_ns - lost.asked_ns) / NS_PER_S
        told = (
            f"{what}: kafka-{found.leader} led {least_s:.1f} to {most_s:.1f} s after the loss (wanted within "
            f"{self.within_s:g} s)"
        )
        if least_s <= self.within_s < most_s:
            raise CannotSay(f"{told}: the readings lie too far apart to tell")
        late = [f"{lost.topic}-{lost.partition}"] if least_s > self.within_s else []
        return conclude(
            late,
            otherwise=told,
            wrongly=told,
            precision=f"± {(most_s - least_s) / 2:.2f} s, by how far the readings lie apart and how long the loss took",
        )


@dataclass(frozen=True, kw_only=True)
class LeavesAndRejoinsIsr:
    """While the broker was away all partitions left it out, and in the end all replicas are in sync again.

    Where it was not in sync before, it could not leave: these partitions show nothing.

    Attributes:
        reading: Of `KafkaLeaders`, read again and again and once at the end.
        fault: Title of the fault that takes the broker away.
        within_s: How long after the loss it may still be counted on: until its session is over.
    """

    reading: str
    fault: str
    within_s: float

    def __post_init__(self) -> None:
        """Refuse a bound that nobody can keep."""
        if self.within_s <= 0:
            raise ConfigError(f"within_s must be above 0, got {self.within_s}: nobody is missed in no time")

    def check(self, history: History) -> Conclusion:
        """FAIL names partitions that went on counting on it for longer, or are not whole at the end."""
        lost = lost_leader(history, self.fault)
        counted = self._counted_before(history, lost)
        late_ns = lost.lost_ns + round(self.within_s * NS_PER_S)
        places: set[str] = set()
        left: set[str] = set()
        kept: set[str] = set()
        for observed in _while_away(history, self.reading, lost):
            for row in (row for row in rows(observed) if lost.broker in row["replicas"]):
                places.add(_place(row))
                if lost.broker not in row["isr"]:
                    left |= {_place(row)} & counted
                elif observed.at_ns > late_ns:
                    kept.add(_place(row))
        final = history.final_line(self.reading)
        if final is None or not places:
            raise CannotSay(
                f"{self.reading!r} was not read while kafka-{lost.broker} was away, or not at the end"
            )
        last = Observed(
            at_ns=final.at_ns, took_ns=final.took_ns, final=True, value=history.final_reading(self.reading)
        )
        end = rows(last)
        missing = sorted(_place(row) for row in end if sorted(row["isr"]) != sorted(row["replicas"]))
        absent = sorted(places - {_place(row) for row in end})
        wrong = [*kept, *missing, *absent]
        if not wrong and not counted:
            raise CannotSay(
                f"nobody saw kafka-{lost.broker} in sync before it was lost: it could leave no partition"
            )
        if not wrong and (unseen := sorted(counted - left)):
            raise CannotSay(
                f"{', '.join(unseen)} was not seen without kafka-{lost.broker}, and nobody looked later than "
                f"{self.within_s:g} s after the loss"
            )
        return conclude(
            wrong,
            otherwise=(
                f"kafka-{lost.broker} left the in-sync replicas of all {len(counted)} partitions that had it in sync "
                f"before, of its {len(places)}, and all replicas are in sync at the end"
            ),
            wrongly=(
                f"of {len(places)} partitions {len(kept)} counted on kafka-{lost.broker} when it had been away for "
                f"more than {self.within_s:g} s; at the end {len(missing)} have replicas that are not in sync and "
                f"{len(absent)} are not told of"
            ),
        )

    def _counted_before(self, history: History, lost: LostLeader) -> set[str]:
        """The partitions that had it in sync when they were looked at last before it was lost."""
        before: Observed | None = None
        for observed in history.readings(self.reading):
            if observed.at_ns + observed.took_ns <= lost.asked_ns:
                before = observed
        return {_place(row) for row in rows(before) if lost.broker in row["isr"]} if before else set()


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['topic']}-{row['partition']}"
