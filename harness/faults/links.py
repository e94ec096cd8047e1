"""Which links a fault is on, and what is measured on each of them.

Links are hurt and measured side by side: a fault on the links to three brokers must not begin on the last one seconds
after the first. On one link faults take turns, from the change to the end of its measurement: what another one adds or
takes away in between would be told as this one's effect.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import hypot
from statistics import median

from harness.clock import SYSTEM_CLOCK, Clock, Deadline
from harness.errors import FaultError, StackError
from harness.faults import Effect
from harness.faults.round_trip import RoundTrips, round_trips
from harness.stack import Direction, Link, Stack, Toxic

ANSWER_WITHIN_S = 2.0  # a well server's slowest answer to a ping
HEALED_WITHIN_S = 10.0
LATENCY_TOLERANCE_MS = 2.0
LATENCY_TOLERANCE = 0.05
_LINKS_AT_ONCE = 8
_SLOW_MS = 100.0  # from here on pings overlap, or a median of seven would take seven times as long


def matching(stack: Stack, pattern: str) -> list[Link]:
    """The links whose name fits a pattern such as "orders->kafka-*".

    Raises:
        FaultError: There is none.
    """
    links = [link for name, link in sorted(stack.links.items()) if fnmatchcase(name, pattern)]
    if not links:
        near = get_close_matches(pattern, stack.links, cutoff=0.4) or sorted(stack.links)[:10]
        raise FaultError(
            f"no link is called {pattern!r}, so there is nothing to hurt. Links are named client->server; "
            f"here there are {', '.join(near) or 'none at all'}."
        )
    return links


def on_each(links: Sequence[Link], act: Callable[[Link], Effect]) -> Effect:
    """Do the same to every link, side by side, and sum up what was seen.

    `seen` means on every one, `hidden` that it is on every one on which it is not seen. A measured figure is the median
    of the links'.

    Raises:
        FaultError: What failed, once all are done.
    """
    with ThreadPoolExecutor(_LINKS_AT_ONCE, thread_name_prefix="link") as pool:
        pending = [pool.submit(_in_fault_words, act, link) for link in links]
    effects = [(link, future.result()) for link, future in zip(links, pending, strict=True)]
    if len(effects) == 1:
        return effects[0][1]
    figures = {key for _, effect in effects for key in effect.measured}
    return Effect(
        sentence="; ".join(f"{link.name}: {effect.sentence}" for link, effect in effects),
        seen=(seen := all(effect.seen for _, effect in effects)),
        hidden=not seen and all(effect.undone for _, effect in effects),
        measured={
            key: median(effect.measured[key] for _, effect in effects if key in effect.measured)
            for key in sorted(figures)
        }
        | {"links": float(len(effects))},
    )


def _in_fault_words(act: Callable[[Link], Effect], link: Link) -> Effect:
    with fault_words(link.name), link.turn:
        return act(link)


@contextmanager
def fault_words(what: str) -> Iterator[None]:
    """Tell a stack's refusal as the fault's: which one, and what that means for the drill."""
    try:
        yield
    except StackError as error:
        raise FaultError(f"{what}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Added:
    """What a link adds to the round trip that its server has by itself.

    Attributes:
        median_ms: Median through the link minus median past it.
        spread_ms: Both spreads together; half of the round trips lie within ± this.
        direct_ms: Median past the link.
        round_trips: How many were made each way.
        bytes_moved: Of one round trip through the link.
        beside: For people, what of it was there before and is not counted: ", beside 100.2 ms of another fault's".
    """

    median_ms: float
    spread_ms: float
    direct_ms: float
    round_trips: int
    bytes_moved: int
    beside: str = ""

    def on_top_of(self, before: "Added | None") -> "Added":
        """What has come to what was measured before."""
        if before is None:
            return self
        return replace(
            self,
            median_ms=self.median_ms - before.median_ms,
            spread_ms=hypot(self.spread_ms, before.spread_ms),
            beside=f", beside {before.median_ms:.1f} ms of another fault's",
        )


@dataclass(frozen=True, kw_only=True)
class Unmeasurable:
    """Why it cannot be told what a link adds.

    Attributes:
        why: The end of a sentence.
        past_link: The server did not answer past the link either: it is not the link's doing.
    """

    why: str
    past_link: bool = False


def tolerance_ms(asked_ms: float) -> float:
    """How far a measured latency may be from what was asked: 2 ms or 5 %, whichever is more."""
    return max(LATENCY_TOLERANCE_MS, LATENCY_TOLERANCE * asked_ms)


def added(link: Link, *, expected_ms: float, times: int = 7, padding: int = 0) -> Added | Unmeasurable:
    """Measure what a link adds.

    Args:
        link: Which.
        expected_ms: About how much, for the time-outs.
        times: How many round trips.
        padding: Bytes that each question is made longer by.
    """
    at_once = times if expected_ms > _SLOW_MS else 1
    timeout_s = ANSWER_WITHIN_S + 2 * expected_ms / 1000
    direct = round_trips(
        link.exit, link.protocol, times=times, timeout_s=ANSWER_WITHIN_S, at_once=at_once, padding=padding
    )
    if not direct.all_answered:
        return Unmeasurable(
            why=f"{link.server} itself did not answer at {link.exit} ({direct.endings()})", past_link=True
        )
    # One question tells that nothing comes through, as when the proxy itself hangs; each of the others would wait too.
    through = round_trips(link.entrance, link.protocol, times=1, timeout_s=timeout_s, padding=padding)
    if through.all_answered:
        through = round_trips(
            link.entrance, link.protocol, times=times, timeout_s=timeout_s, at_once=at_once, padding=padding
        )
    if not through.all_answered:
        return Unmeasurable(why=f"{link.entrance} did not answer in {timeout_s:g} s ({through.endings()})")
    return Added(
        median_ms=through.median_ms - direct.median_ms,
        spread_ms=hypot(through.spread_ms, direct.spread_ms),
        direct_ms=direct.median_ms,
        round_trips=times,
        bytes_moved=through.each[0].bytes_moved,
    )


def must_answer_directly(link: Link, times: int = 3) -> RoundTrips:
    """Ask the server past its link, so that what follows can be blamed on the link.

    Raises:
        FaultError: It does not answer.
    """
    direct = round_trips(link.exit, link.protocol, times=times, timeout_s=ANSWER_WITHIN_S)
    if not direct.all_answered:
        raise FaultError(
            f"{link.name}: {link.server} itself does not answer at {link.exit} ({direct.endings()}), so a "
            "fault on the link to it would not be seen. Is another fault still active?"
        )
    return direct


def well_again(
    link: Link,
    *,
    before: str,
    healed: Sequence[Toxic] = (),
    padding: int = 0,
    clock: Clock = SYSTEM_CLOCK,
) -> Effect:
    """Measure that a link adds nothing but what other faults, which its proxy reports, still have it add.

    The control plane has said so already. The wire decides, except where the server itself does not answer, or another
    fault lets nothing through: then it is `hidden`, and the sentence says why.

    A server's own answering time excuses some of what is measured, never half of what was healed: behind a slow server
    a delay that stayed would do.

    Args:
        link: The one that was healed.
        before: What the control plane says: "no toxic is left".
        healed: What was removed. Nothing that lets nothing through needs to be told: any answer shows that it is gone.
        padding: Bytes to make each question longer by, where a short one would not show what was healed.
        clock: To wait by.

    Raises:
        StackError: The proxy does not say what is on it.
    """
    deadline = Deadline.after(HEALED_WITHIN_S, clock)
    while True:
        others = link.toxics()  # anew: a healer in another process may take some away meanwhile
        found = added(link, expected_ms=delay_ms(others, 2 * padding), times=5, padding=padding)
        if isinstance(found, Added):
            theirs_ms = delay_ms(others, found.bytes_moved)
            excused_ms = tolerance_ms(theirs_ms) + found.direct_ms
            if removed_ms := delay_ms(healed, found.bytes_moved, jitter=False):
                excused_ms = min(excused_ms, removed_ms / 2)
            if found.median_ms <= theirs_ms + excused_ms:
                return Effect(
                    sentence=(
                        f"{before}, the link adds {found.median_ms:.1f} ms ± {found.spread_ms:.1f} "
                        f"over {found.round_trips} round trips{_besides(others)}"
                    ),
                    seen=True,
                    measured={"added_ms": found.median_ms, "spread_ms": found.spread_ms},
                )
        hopeless = isinstance(found, Unmeasurable) and (found.past_link or lets_nothing_through(link, others))
        if deadline.passed or hopeless:
            why = f"it still adds {found.median_ms:.1f} ms" if isinstance(found, Added) else found.why
            return Effect(
                sentence=f"{before}, but that could not be measured: {why}{_besides(others)}",
                seen=False,
                hidden=hopeless,
            )
        clock.sleep(min(0.1, max(deadline.left_s, 0.001)))


def delay_ms(toxics: Sequence[Toxic], bytes_moved: int, *, jitter: bool = True) -> float:
    """How much toxics add to a round trip at most. Those that let nothing through do not count.

    Args:
        toxics: Of one link.
        bytes_moved: Of one round trip.
        jitter: Whether a delay's jitter counts as well.
    """
    late_ms = 0.0
    each_way_ms = dict.fromkeys(Direction, 0.0)
    for toxic in toxics:
        if toxic.kind == "latency":
            late_ms += toxic.attributes.get("latency", 0) + jitter * toxic.attributes.get("jitter", 0)
        elif toxic.kind == "bandwidth" and toxic.attributes.get("rate"):
            each_way_ms[toxic.direction] += bytes_moved / toxic.attributes["rate"]
    # A byte goes one way or the other: all of them the slower way is the most.
    return late_ms + max(each_way_ms.values())


def lets_nothing_through(link: Link, toxics: Sequence[Toxic]) -> bool:
    """Whether something on a link keeps every question from being answered."""
    swallowing = (toxic.kind not in {"latency", "bandwidth"} or not delay_ms([toxic], 1) for toxic in toxics)
    return any(swallowing) or not link.is_enabled()


def _besides(others: Sequence[Toxic]) -> str:
    return f"; also on it: {', '.join(sorted(toxic.name for toxic in others))}" if others else ""


def already_added(link: Link, *, padding: int = 0) -> Added | None:
    """What other faults have a link add; None where its proxy reports none. It is no effect of the one to come.

    Raises:
        FaultError: It cannot be told, because nothing comes through.
        StackError: The proxy does not say what is on it.
    """
    others = link.toxics()
    if not others and link.is_enabled():
        return None
    found = added(link, expected_ms=delay_ms(others, 2 * padding), padding=padding)
    if isinstance(found, Unmeasurable):
        raise FaultError(
            f"{link.name}: another fault is on the link already, and what comes on top of it could not be seen: "
            f"{found.why}{_besides(others)}. Plan them one after the other."
        )
    return found
