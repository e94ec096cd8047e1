"""What must have been seen before a claim says anything: a drill without its hazard is green for nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from harness.checks import CannotSay, Seen
from harness.checks.tables import matches, rows_of
from harness.clock import NS_PER_S
from harness.errors import ConfigError
from harness.recording.episodes import FaultEpisode
from harness.recording.history import History
from harness.recording.records import Outcome, Phase


def _episodes(history: History, title: str) -> list[FaultEpisode]:
    episodes = [episode for episode in history.faults if title in ("", episode.title)]
    if not episodes:
        raise CannotSay(f"no fault {title!r} was requested" if title else "no fault was requested")
    return episodes


@dataclass(frozen=True, kw_only=True)
class FaultBit:
    """Every fault of that title, or every fault at all, was measured to have the effect asked for.

    Every planned one: a fault whose time came too late to be injected leaves no trace among the faults.
    """

    title: str = ""
    only_for_rates: ClassVar[bool] = False

    def seen(self, history: History) -> Seen:
        """Name the faults and what they were seen to do, or the first that did not bite."""
        episodes = _episodes(history, self.title)
        planned = Counter(
            title for title in history.run.promised.get("faults", ()) if self.title in ("", title)
        )
        if never := sorted(planned - Counter(episode.title for episode in episodes)):
            return Seen(ok=False, sentence=f"{', '.join(never)}: planned and never injected")
        for episode in episodes:
            if episode.active_ns is None or not episode.seen:
                return Seen(
                    ok=False,
                    sentence=f"{episode.title} did not bite: {episode.effect or 'no effect was recorded'}",
                )
        return Seen(ok=True, sentence="; ".join(f"{episode.title}: {episode.effect}" for episode in episodes))


@dataclass(frozen=True, kw_only=True)
class FaultHealed:
    """Every fault of that title, or every fault at all, was measured to be gone."""

    title: str = ""
    only_for_rates: ClassVar[bool] = False

    def seen(self, history: History) -> Seen:
        """Name the faults and what was seen after them, or the first whose healing is not proven."""
        episodes = _episodes(history, self.title)
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
        span = history.phase(Phase.STEADY)
        if span is None:
            raise CannotSay("there was no whole steady phase to be healthy in")
        sent = history.operations.filter(
            (pl.col("name") == self.operation)
            & pl.col("sent_ns").is_between(span.start_ns, span.end_ns, closed="left")
        )
        ok = sent.filter(pl.col("outcome") == Outcome.OK.value).height
        told = f"{ok} of {sent.height} {self.operation} in steady were ok (wanted {self.ok_share_min:.1%}"
        well = sent.height >= self.operations_min and ok >= self.ok_share_min * sent.height
        return Seen(ok=well, sentence=f"{told} of at least {self.operations_min})")


@dataclass(frozen=True, kw_only=True)
class FinalReading:
    """Each of these probes looked once more after everything had its time to settle."""

    probes: tuple[str, ...]
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        if not self.probes:
            raise ConfigError("FinalReading needs the names of probes: none would always be there")

    def seen(self, history: History) -> Seen:
        """Name the readings that are missing, with the probe's own error."""
        missing = []
        for probe in self.probes:
            if history.final_line(probe) is None:
                errors = [line.error for line in history.reading_lines(probe) if line.final and line.error]
                missing.append(f"{probe!r} ({errors[-1] if errors else 'it never looked'})")
        if missing:
            return Seen(ok=False, sentence=f"there is no final reading of {', '.join(missing)}")
        return Seen(ok=True, sentence=f"final readings of {', '.join(self.probes)}")


@dataclass(frozen=True, kw_only=True)
class SomeRows:
    """A reading had rows of a kind: the hazard itself was there.

    Attributes:
        reading: Its value is a list of objects, or one object, which is taken as one row.
        what: What such rows are, for people: "pending orders".
        where: Wanted values by column; a tuple of values means any of them.
        at_least: How many, in a single reading.
        moment: The phase whose readings are looked through, or None for the final reading.
        sum_of: A column whose numbers are summed instead of counting rows.
    """

    reading: str
    what: str
    at_least: int = 1
    where: Mapping[str, Any] = field(default_factory=dict)
    moment: Phase | None = None
    sum_of: str = ""
    only_for_rates: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a condition that always holds."""
        if self.at_least < 1:
            raise ConfigError(f"at_least must be at least 1, got {self.at_least}: no rows would be enough")

    def seen(self, history: History) -> Seen:
        """The most rows that any one reading had."""
        counts = [self._count(value) for value in self._values(history)]
        when = f"during {self.moment.value}" if self.moment else "at the end"
        if not counts:
            raise CannotSay(f"no reading of {self.reading!r} {when}: {self.what} may have been there or not")
        told = f"up to {max(counts):g} {self.what} {when} in {len(counts)} readings of {self.reading!r}"
        return Seen(ok=max(counts) >= self.at_least, sentence=f"{told} (wanted {self.at_least})")

    def _values(self, history: History) -> list[Any]:
        if self.moment is None:
            final = history.final_line(self.reading)
            return [] if final is None else [history.final_reading(self.reading)]
        span = history.phase(self.moment)
        if span is None:
            raise CannotSay(f"the phase {self.moment.value} was not run to its end")
        return [observation.value for observation in history.readings(self.reading, span)]

    def _count(self, value: Any) -> float:
        rows = [row for row in rows_of(value) if matches(row, self.where)]
        if not self.sum_of:
            return len(rows)
        numbers = [row.get(self.sum_of, 0) for row in rows]
        return sum(number for number in numbers if isinstance(number, int | float))


@dataclass(frozen=True, kw_only=True)
class Converged:
    """At the final reading nothing was on its way any more, or whatever was had had its time.

    Attributes:
        reading: A table.
        open_where: What a row that is still on its way looks like.
        patience_s: The longest retry, saga and queue time-out, counted from the end of load.
    """

    reading: str
    open_where: Mapping[str, Any]
    patience_s: float
    only_for_rates: ClassVar[bool] = False

    def seen(self, history: History) -> Seen:
        """Count what was still open and for how long the target had been left alone."""
        line, span = history.final_line(self.reading), history.phase(Phase.CONVERGE)
        if line is None or span is None:
            raise CannotSay(f"there is no final reading of {self.reading!r} behind a whole converge phase")
        alone_s = (line.at_ns - span.start_ns) / NS_PER_S
        if alone_s < 0:
            return Seen(ok=False, sentence=f"the final reading of {self.reading!r} came while load still ran")
        open_rows = [
            row for row in rows_of(history.final_reading(self.reading)) if matches(row, self.open_where)
        ]
        told = f"{len(open_rows)} rows of {self.reading!r} were open {alone_s:.1f} s after load ended"
        return Seen(
            ok=not open_rows or alone_s >= self.patience_s,
            sentence=f"{told} (they may take {self.patience_s:g} s)",
        )
