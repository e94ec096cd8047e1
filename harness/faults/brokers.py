"""The broker that leads a partition is lost: killed, or cut off from everybody and alive.

The two differ in what the lost one believes. A dead broker believes nothing. One that is cut off still leads, as far as
it knows, and goes on taking records from whoever reaches it: what it acknowledges alone is gone once it comes back and
finds that another was elected. So its peers are cut off first, and its clients only when another leads.

Who leads is asked when the fault begins, and kept in the fault, so that the one who was hurt is the one who is healed.
"""

from dataclasses import dataclass, replace
from typing import Self

from harness.clock import NS_PER_S, SYSTEM_CLOCK, wait_until
from harness.errors import ConfigError, DeadlineError, FaultError, NothingDoneError
from harness.faults import Effect
from harness.faults.dead_links import cut, mend
from harness.faults.links import on_each
from harness.faults.processes import Killed
from harness.stack import Link, Stack
from harness.stack.kafka_partitions import NO_LEADER, Partition, brokers_of, partitions

_ASK_TIMEOUT_S = 1.0
_WHOLE_WITHIN_S = 15.0  # a broker that an earlier fault has hurt may still be on its way back
_IN_SYNC_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class _LeaderLost:
    """The leader of a partition is lost.

    Attributes:
        topic, partition: Whose leader.
        broker: Its name, and `epoch` when it was elected; found out when the fault begins.
    """

    topic: str
    partition: int = 0
    broker: str = ""
    epoch: int = NO_LEADER

    def resolved(self, stack: Stack) -> Self:
        """Find out who leads, once every replica of the topic is in sync.

        With another one missing this would be the loss of two brokers, which is another fault.

        Raises:
            FaultError: There is no such partition, or replicas are missing.
        """
        try:
            led = wait_until(
                lambda: self._if_whole(stack),
                within_s=_WHOLE_WITHIN_S,
                what=f"every replica of {self.topic} to be in sync",
                every_s=_LOOK_EVERY_S,
            )
        except DeadlineError as error:
            raise FaultError(f"{self.title}: {error}; the brokers say {self._told(stack)}") from error
        return replace(self, broker=f"kafka-{led.leader}", epoch=led.epoch)

    @property
    def title(self) -> str:
        """Short and for people."""
        raise NotImplementedError

    def _if_whole(self, stack: Stack) -> Partition | None:
        there = _partitions(stack, self.topic)
        mine = [part for part in there if part.number == self.partition]
        return mine[0] if mine and all(part.whole for part in there) else None

    def _told(self, stack: Stack) -> str:
        return ", ".join(map(_in_words, _partitions(stack, self.topic))) or "nothing"

    def _chosen(self) -> str:
        if not self.broker:
            raise NothingDoneError(
                f"{self.title}: nobody has found out who leads before the fault began, so the fault did nothing. Give "
                "it to a drill, or call `resolved` first: only what names the broker can be healed by whoever has the "
                "record alone."
            )
        return self.broker

    def _effect(self, sentence: str, **measured: float) -> Effect:
        who = {"broker": float(self.broker.removeprefix("kafka-")), "epoch": float(self.epoch)}
        return Effect(
            sentence=f"{self.broker} led {self.topic}-{self.partition} in epoch {self.epoch}; {sentence}",
            seen=True,
            measured=who | measured,
        )

    def _in_sync_again(self, stack: Stack, served: Effect) -> Effect:
        """What is healed is a replica again, and not only a process or a link."""
        if not served.seen:
            return served
        number = int(self.broker.removeprefix("kafka-"))
        began_ns = SYSTEM_CLOCK.now_ns()

        def in_sync() -> bool:
            there = _partitions(stack, self.topic)
            return bool(there) and all(number in part.isr for part in there if number in part.replicas)

        try:
            wait_until(
                in_sync,
                within_s=_IN_SYNC_WITHIN_S,
                what=f"{self.broker} to be in sync",
                every_s=_LOOK_EVERY_S,
            )
        except DeadlineError as error:
            return Effect(sentence=f"{served.sentence}; {error}: {self._told(stack)}", seen=False)
        took_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        return Effect(
            sentence=f"{served.sentence}; {self.broker} was in sync again {took_s:.1f} s later",
            seen=True,
            measured={"in_sync_after_s": took_s},
        )


@dataclass(frozen=True, kw_only=True)
class LeaderKilled(_LeaderLost):
    """The leader's process is gone at once (SIGKILL): it hands nothing over."""

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"leader of {self.topic}-{self.partition} killed"

    def inject(self, stack: Stack) -> Effect:
        """Kill it, and see it gone.

        Raises:
            FaultError: It is still there, or something else answers in its place.
        """
        gone = Killed(service=self._chosen()).inject(stack)
        return self._effect(gone.sentence, lost_after_s=gone.measured["took_s"])

    def lapsed(self, stack: Stack) -> str:
        """Whether somebody has started it again."""
        return Killed(service=self._chosen()).lapsed(stack)

    def heal(self, stack: Stack) -> Effect:
        """Start it again, and see that it serves and is in sync. Safe twice and before `inject`."""
        if not self.broker:
            return _nobody
        return self._in_sync_again(stack, Killed(service=self.broker).heal(stack))


@dataclass(frozen=True, kw_only=True)
class LeaderCutOff(_LeaderLost):
    """The leader lives, and nobody is there for it any more: first its peers and the controller, then its clients.

    Attributes:
        unaware_s: How long its clients still reach it if no other is elected. With another leader they are cut off at
            once: from then on they could only hear from it what is not so.
    """

    unaware_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        if self.unaware_s <= 0:
            raise ConfigError(
                f"unaware_s must be above 0, got {self.unaware_s}: what a leader acknowledges alone would never be "
                "seen lost. Give it longer than the broker's session time-out."
            )

    @property
    def title(self) -> str:
        """Short and for people."""
        return f"leader of {self.topic}-{self.partition} cut off"

    def inject(self, stack: Stack) -> Effect:
        """Cut its peers off, await another leader, cut its clients off; see that it lives all the while.

        Raises:
            FaultError: A connection still came through.
        """
        peers, clients = _links(stack, self._chosen())
        if there := [link.name for link in (*peers, *clients) if not link.is_enabled()]:
            raise NothingDoneError(
                f"{self.title}: {', '.join(there)} was cut before the fault began, so the fault did nothing. Is "
                "another fault of this kind still active?"
            )
        began_ns = SYSTEM_CLOCK.now_ns()
        on_each(peers, lambda link: cut(link, self.title))  # which sees the server answer past the link
        lost_after_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        other = self._other_leader(stack)
        elected_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        on_each(clients, lambda link: cut(link, self.title))
        clients_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
        who = f"{other} led after {elected_s:.1f} s" if other else f"nobody else led after {elected_s:.1f} s"
        return self._effect(
            f"{len(peers)} links between it and the rest of Kafka were seen to refuse in {lost_after_s:.1f} s, and to "
            f"end what was open; {who}; {len(clients)} links of its clients refused from {clients_s:.1f} s on; past "
            "them it answers",
            lost_after_s=lost_after_s,
            clients_lost_after_s=clients_s,
        )

    def _other_leader(self, stack: Stack) -> str:
        def other() -> str:
            led = [part for part in _partitions(stack, self.topic) if part.number == self.partition]
            changed = [part.leader for part in led if part.epoch > self.epoch and part.leader != NO_LEADER]
            return f"kafka-{changed[0]}" if changed else ""

        try:
            return wait_until(other, within_s=self.unaware_s, what="another leader", every_s=_LOOK_EVERY_S)
        except DeadlineError:
            return ""  # whether one ought to have been elected is for a claim to say

    def lapsed(self, stack: Stack) -> str:
        """Which link listens again."""
        peers, clients = _links(stack, self._chosen())
        back = [link.name for link in (*peers, *clients) if link.is_enabled()]
        return f"{', '.join(back)} listens again" if back else ""

    def heal(self, stack: Stack) -> Effect:
        """Let everybody reach it again, and see that it is in sync. Safe twice and before `inject`."""
        if not self.broker:
            return _nobody
        links = [link for kind in _links(stack, self.broker) for link in kind]
        return self._in_sync_again(stack, _summed_up(on_each(links, mend), len(links)))


def _summed_up(healed: Effect, links: int) -> Effect:
    """Seven links that are well need not be told of one by one; one that is not is."""
    if not healed.seen:
        return healed
    added_ms = healed.measured["added_ms"]
    return replace(healed, sentence=f"{links} links let through again and add {added_ms:.1f} ms (median)")


_nobody = Effect(sentence="nobody was chosen, so nobody was hurt", seen=True)


def _partitions(stack: Stack, topic: str) -> list[Partition]:
    return [told.partition for told in partitions(brokers_of(stack), [topic], timeout_s=_ASK_TIMEOUT_S)]


def _in_words(part: Partition) -> str:
    return f"{part.topic}-{part.number} led by {part.leader} with {list(part.isr)} of {list(part.replicas)} in sync"


def _links(stack: Stack, broker: str) -> tuple[list[Link], list[Link]]:
    """Those between a broker and the rest of Kafka, both ways; and those of its clients.

    Raises:
        FaultError: There are none of a kind.
    """
    outward = [link for link in stack.links.values() if link.client == broker]
    inward = [link for link in stack.links.values() if link.server == broker]
    kafka = {link.server for link in outward}
    peers = [*outward, *(link for link in inward if link.client in kafka)]
    clients = [link for link in inward if link.client not in kafka]
    if not peers or not clients:
        raise FaultError(
            f"{broker} has {len(peers)} links to the rest of Kafka and {len(clients)} to clients: it could not be cut "
            "off from both. With a single broker there is nobody to elect."
        )
    return peers, clients
