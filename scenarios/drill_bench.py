"""How long all drills take together, and what each recorded of its faults: when they bit, were gone, were got over.

The times come from the recordings of the session that is measured, and not from a stopwatch beside it. Anybody can look
them up.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from harness.checks.overload import AT_MOST
from harness.checks.tables import rows_of
from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import ExitCode
from harness.recording.episodes import FaultEpisode
from harness.recording.history import History
from harness.recording.records import Phase
from scenarios.figures import Figure, others_percent
from scenarios.limits.test_flood import goodput

FLOOD = "flood"
SECONDS_MAX = 300.0
# Open orders tell how the shop fares in every drill: none is left in a well one for longer than a moment.
BACKLOG = "pending_orders"
# So many more than ever in steady are nobody's doing: a reading catches what happens to be on its way.
BY_CHANCE = 3


@dataclass(frozen=True, kw_only=True)
class Course:
    """The course of one fault, in seconds. None is what the recording does not tell.

    Attributes:
        bit_s: From the order to break it to the measurement that it is broken.
        gone_s: From the order to mend it to the measurement that it is whole.
        noticed_s: From when it certainly was broken to the first reading with clearly more open orders than steady had.
            None also where there were as many before it: they are another fault's.
        over_s: From when it was whole to the first of the readings that have no more than steady had until the next
            fault begins, or for ever.
        until_next: Whether orders were still open when the next fault began: then `over_s` is the time to that, and how
            much longer it would have taken nobody can know.
        poll_s: The longest gap between two of these readings: how late such a moment may be noticed.
    """

    scenario: str
    fault: str
    bit_s: float | None
    gone_s: float | None
    noticed_s: float | None
    over_s: float | None
    poll_s: float
    until_next: bool = False

    @property
    def row(self) -> str:
        """As a line of a Markdown table."""
        told = (
            _told(self.bit_s, ""),
            _told(self.gone_s, ""),
            _told(self.noticed_s, f" − ≤ {self.poll_s:.2f} s"),
            f"> {_told(self.over_s, '')}, then the next fault began"
            if self.until_next
            else _told(self.over_s, f" − ≤ {self.poll_s:.2f} s"),
        )
        return f"| {self.scenario} | {self.fault} | {' | '.join(told)} |"


def _told(seconds: float | None, precision: str) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s{precision}"


def courses(history: History) -> Iterator[Course]:
    """Each fault of a run, in the order in which they were begun."""
    steady = history.phase(Phase.STEADY)
    open_orders = [(line.at_ns, len(list(rows_of(line.value)))) for line in history.readings(BACKLOG)]
    usual = max(
        (rows for at_ns, rows in open_orders if steady and steady.start_ns <= at_ns < steady.end_ns),
        default=0,
    )
    poll_s = (
        max((later - earlier for (earlier, _), (later, _) in pairwise(open_orders)), default=0) / NS_PER_S
    )
    unusual = [at_ns for at_ns, rows in open_orders if rows > usual + BY_CHANCE]
    looked = [at_ns for at_ns, _ in open_orders]
    for episode in history.faults:
        noticed = _noticed(episode, looked, unusual)
        over, until_next = _over(episode, history.faults, looked, unusual)
        yield Course(
            scenario=history.run.scenario,
            fault=episode.title,
            bit_s=_between(episode.requested_ns, episode.active_ns),
            gone_s=_between(episode.healing_ns, episode.healed_ns),
            noticed_s=_between(episode.since_ns, noticed),
            over_s=None if noticed is None else _between(episode.healed_ns, over),
            until_next=noticed is not None and until_next,
            poll_s=poll_s,
        )


def _noticed(episode: FaultEpisode, looked: Sequence[int], unusual: Sequence[int]) -> int | None:
    """The first unusual reading while a fault was there, unless it was unusual already when it was asked for."""
    since_ns, until_ns = episode.since_ns, episode.healing_ns
    if since_ns is None:
        return None
    before = [at for at in looked if at < (episode.requested_ns or since_ns)]
    if before and before[-1] in unusual:
        return None
    return next((at for at in unusual if at >= since_ns and (until_ns is None or at <= until_ns)), None)


def _over(
    episode: FaultEpisode, faults: Sequence[FaultEpisode], looked: Sequence[int], unusual: Sequence[int]
) -> tuple[int | None, bool]:
    """From when on nothing unusual was read any more, up to the next fault; or when that began, if it came too soon.

    What is open from then on may be the next one's doing, and what is open after two that were there at once may be
    either's: of those nothing can be said.
    """
    healed_ns = episode.healed_ns
    if healed_ns is None or episode.since_ns is None:
        return None, False
    others = [other for other in faults if other is not episode and other.since_ns is not None]
    later = [other.requested_ns or 0 for other in others if (other.requested_ns or 0) > healed_ns]
    earlier = [
        other for other in others if other.healed_ns is not None and other.healed_ns < episode.since_ns
    ]
    if len(later) + len(earlier) < len(others):
        return None, False
    next_ns = min(later, default=None)
    after = [at for at in looked if at >= healed_ns and (next_ns is None or at < next_ns)]
    last = max((at for at in unusual if next_ns is None or at < next_ns), default=None)
    over = next((at for at in after if last is None or at > last), None)
    return (next_ns, True) if over is None and next_ns is not None else (over, False)


def _between(earlier_ns: int | None, later_ns: int | None) -> float | None:
    return None if earlier_ns is None or later_ns is None else (later_ns - earlier_ns) / NS_PER_S


def hold_all(runs: Path) -> tuple[list[Figure], list[Course]]:
    """All drills in one session, whatever they come to.

    Args:
        runs: Folder for the recordings.

    Raises:
        RuntimeError: They could not be held: a time would be the time of something else.
    """
    busy = others_percent()
    began_ns = SYSTEM_CLOCK.now_ns()
    held = subprocess.run(
        [Path(sys.executable).with_name("drill"), "run", "--json", "--runs", str(runs)],
        stdout=subprocess.PIPE,  # how it gets on is told on the terminal
        check=False,
        text=True,
    )
    took_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
    if held.returncode not in (ExitCode.PASS, ExitCode.FAIL, ExitCode.INCONCLUSIVE):
        raise RuntimeError(f"the drills could not be held: `drill run` ended with {held.returncode}")
    told = json.loads(held.stdout)
    counted = [run for run in told["runs"] if not run["superseded"]]
    passed = sum(run["verdict"] == "PASS" for run in counted)
    again = len(told["runs"]) - len(counted)
    histories = [History.load(Path(run["run_dir"])) for run in counted]
    session = Figure(
        what=f"all drills in one session: {passed} of {len(counted)} PASS, {again} held again; `drill run` to verdict",
        wanted=f"≤ {SECONDS_MAX:g} s",
        most=SECONDS_MAX,
        unit="s",
        others_percent=busy,
        values=(took_s,),
    )
    figures = [
        session,
        *(goodput_figure(flooded, busy) for flooded in histories if flooded.run.scenario == FLOOD),
    ]
    return figures, [course for history in histories for course in courses(history)]


def goodput_figure(flooded: History, busy: float) -> Figure:
    """What a flooded shop goes on doing, of what it is configured to be able to."""
    least = 100 * goodput.share_min
    return Figure(
        what=f"goodput in the flood, of a capacity of {goodput.capacity_per_s:g} orders/s",
        wanted=f"≥ {least:g} %",
        least=least,
        most=100 * AT_MOST,
        unit="%",
        others_percent=busy,
        values=(100 * goodput.measured(flooded).share,),
    )


def courses_section(found: Sequence[Course]) -> list[str]:
    """The lines of the page that tell of them."""
    if not found:
        return []
    polled = median(course.poll_s for course in found)
    how = (
        "From the recordings of that session. A fault *bit* and was *gone* when its effect had been measured on the "
        "wire or told by the machine. It was *noticed* at the first reading with clearly more open orders than steady "
        f"had at its worst (over {BY_CHANCE} more), and *over* at the first of those that never had more again. Open "
        f"orders are read every half second (at worst {polled:.2f} s apart, in the median drill): that is how late "
        "such a moment may be seen. Of faults that follow each other each is looked at up to the next: orders that "
        "were still open then are told as *more than*; what was open before a fault is not charged to it."
    )
    return [
        "## Detection and recovery",
        "",
        how,
        "",
        "| drill | fault | bit after | gone after | noticed after | over after |",
        "|---|---|---|---|---|---|",
        *(course.row for course in found),
        "",
    ]
