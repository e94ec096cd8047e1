"""A link on which nothing comes through, in three ways that clients can tell apart."""

from dataclasses import dataclass

from harness.errors import ConfigError, FaultError
from harness.faults import Effect
from harness.faults.links import (
    ANSWER_WITHIN_S,
    already_added,
    fault_words,
    matching,
    must_answer_directly,
    on_each,
    well_again,
)
from harness.faults.round_trip import Ending, HeldConnection, round_trips
from harness.faults.toxic_fault import Lost, ToxicFault, lost_of
from harness.stack import Link, Stack, Toxic


@dataclass(frozen=True, kw_only=True)
class BlackHole(ToxicFault):
    """What is sent is neither delivered nor refused: connections stay open, and nothing comes through.

    Made of a bandwidth of 0 and not of Toxiproxy's `timeout` toxic. That one throws the bytes away and drops
    every connection when it is removed, which no network does. Real packet loss leaves the bytes with TCP,
    which sends them again: when the hole closes, they arrive late, on the same sockets, also those whose
    client has long given up. That late arrival is what a system has to survive.
    """

    lost: Lost = Lost.BOTH

    def __post_init__(self) -> None:
        object.__setattr__(self, "lost", lost_of(self.lost))

    @property
    def title(self) -> str:
        """Short and for people."""
        what = "requests and answers" if self.lost is Lost.BOTH else self.lost.value
        return f"{what} lost on {self.link}"

    def toxics(self) -> tuple[Toxic, ...]:
        """A bandwidth of nothing each way that is lost."""
        return tuple(
            Toxic(
                name=f"black-hole-{direction}", kind="bandwidth", direction=direction, attributes={"rate": 0}
            )
            for direction in self.lost.directions
        )

    def inject(self, stack: Stack) -> Effect:
        """Swallow, and wait in vain for an answer that the server itself gives at once.

        Raises:
            FaultError: There was an answer, or the connection ended.
        """
        return self.hurt(stack, self._inject_one)

    def _inject_one(self, link: Link) -> Effect:
        direct = must_answer_directly(link)
        before = already_added(link)
        slow_ms = direct.median_ms + (before.median_ms + before.spread_ms if before else 0.0)
        self.add_to(link)
        patience_s = max(1.0, 10 * direct.median_ms / 1000, 3 * slow_ms / 1000)
        asked = round_trips(link.entrance, link.protocol, times=3, timeout_s=patience_s, at_once=3)
        silent = asked.count(Ending.SILENT)
        sentence = (
            f"{silent} of {len(asked.each)} questions had no answer and no end for {patience_s:.1f} s, "
            f"{'before it' if before else 'past the link'} one takes {slow_ms:.1f} ms"
        )
        if silent < len(asked.each):
            raise FaultError(f"{self.title}: {sentence} ({asked.endings()}). The fault does not bite.")
        return Effect(
            sentence=sentence,
            seen=True,
            measured={"silent": float(silent), "waited_s": patience_s, "direct_ms": direct.median_ms},
        )


@dataclass(frozen=True, kw_only=True)
class Reset(ToxicFault):
    """Every connection ends with a TCP reset as soon as something is said on it.

    With answers lost the server has done what it was asked to; with requests lost (the default) it has not
    heard it. Connections that were open before end at their next byte as well, but with an orderly EOF:
    Toxiproxy can only make a connection reset that it opens itself.
    """

    lost: Lost = Lost.REQUESTS

    def __post_init__(self) -> None:
        object.__setattr__(self, "lost", lost_of(self.lost))
        if self.lost is Lost.BOTH:
            raise ConfigError(
                "a reset loses answers or requests, got both: a connection whose request is lost has no "
                "answer to lose."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.lost.value} reset on {self.link}"

    def toxics(self) -> tuple[Toxic, ...]:
        """One reset_peer toxic."""
        return tuple(
            Toxic(
                name=f"reset-{self.lost}", kind="reset_peer", direction=direction, attributes={"timeout": 0}
            )
            for direction in self.lost.directions
        )

    def inject(self, stack: Stack) -> Effect:
        """Reset, and count resets.

        Raises:
            FaultError: A question was answered, or ended otherwise.
        """
        return self.hurt(stack, self._inject_one)

    def _inject_one(self, link: Link) -> Effect:
        must_answer_directly(link)
        before = already_added(link)
        self.add_to(link)
        timeout_s = ANSWER_WITHIN_S + (2 * before.median_ms / 1000 if before else 0.0)
        asked = round_trips(link.entrance, link.protocol, times=5, timeout_s=timeout_s)
        reset = asked.count(Ending.RESET)
        sentence = f"{reset} of {len(asked.each)} connections were reset"
        if reset < len(asked.each):
            raise FaultError(f"{self.title}: {sentence} ({asked.endings()}). The fault does not bite.")
        return Effect(sentence=sentence, seen=True, measured={"reset": float(reset)})


@dataclass(frozen=True, kw_only=True)
class Cut(ToxicFault):
    """The link is gone: new connections are refused, open ones are closed."""

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"{self.link} cut"

    def toxics(self) -> tuple[Toxic, ...]:
        """None: the proxy itself is switched off."""
        return ()

    def there_already(self, link: Link) -> str:
        """Whether a link is cut."""
        with fault_words(link.name):
            return "" if link.is_enabled() else f"{link.name} was cut"

    def inject(self, stack: Stack) -> Effect:
        """Cut, count refused connections, and see an open one end.

        Raises:
            FaultError: A connection still came through, or an open one stayed open.
        """
        return self.hurt(stack, self._inject_one)

    def _inject_one(self, link: Link) -> Effect:
        return cut(link, self.title)

    def lapsed(self, stack: Stack) -> str:
        """Which link listens again."""
        back = [link.name for link in matching(stack, self.link) if link.is_enabled()]
        return f"{', '.join(back)} listens again" if back else ""

    def heal(self, stack: Stack) -> Effect:
        """Let the proxy listen again, and measure that it answers. Safe twice and before `inject`.

        Raises:
            FaultError: The proxy does not listen.
        """
        try:
            links = matching(stack, self.link)
        except FaultError as nothing:
            return Effect(sentence=str(nothing), seen=True)

        return on_each(links, mend)


def cut(link: Link, title: str) -> Effect:
    """Refuse new connections on a link, and see that they are, and that an open one ends.

    Args:
        link: Which.
        title: Of the fault that it is part of, for the error.

    Raises:
        FaultError: A connection still came through, or an open one stayed open.
    """
    direct = must_answer_directly(link)
    held = HeldConnection(link.entrance)
    try:
        link.disable()
        asked = round_trips(link.entrance, link.protocol, times=5, timeout_s=ANSWER_WITHIN_S)
        # Where a container engine publishes the port, its own proxy accepts and then closes.
        away = asked.count(Ending.REFUSED, Ending.CLOSED, Ending.RESET)
        ended = held.ended_within(ANSWER_WITHIN_S)
    finally:
        held.close()
    sentence = (
        f"{asked.count(Ending.REFUSED)} of {len(asked.each)} connections were refused"
        + (f", {away} came to nothing" if away != asked.count(Ending.REFUSED) else "")
        + (", an open one was closed" if ended else ", an open one stayed open")
        + f"; past the link {link.server} answers in {direct.median_ms:.1f} ms"
    )
    if away < len(asked.each) or (held.connected and not ended):
        raise FaultError(f"{title}: {sentence} ({asked.endings()}). The fault does not bite.")
    return Effect(
        sentence=sentence,
        seen=True,
        measured={"refused": float(asked.count(Ending.REFUSED)), "ended": float(ended)},
    )


def mend(link: Link) -> Effect:
    """Let a link that was cut be connected to again, and measure that it is."""
    link.enable()
    return well_again(link, before="the proxy listens")
