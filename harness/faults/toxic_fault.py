"""What all faults made of toxics have in common: which they are, and how they are healed.

A toxic is named after the fault's fields, so that another process can remove it knowing no more than the
record of the fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import ConfigError, FaultError, NothingDoneError
from harness.faults import Effect
from harness.faults.links import fault_words, matching, on_each, well_again
from harness.stack import Direction, Link, Stack, Toxic


class Lost(StrEnum):
    """What does not arrive. With lost answers the server has done what was asked, with requests not."""

    ANSWERS = "answers"
    REQUESTS = "requests"
    BOTH = "both"

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The same in Toxiproxy's words."""
        down, up = Direction.DOWNSTREAM, Direction.UPSTREAM
        return {Lost.ANSWERS: (down,), Lost.REQUESTS: (up,), Lost.BOTH: (down, up)}[self]


def lost_of(value: str) -> Lost:
    """What a record or a scenario says, as a `Lost`; a wrong word is a `ConfigError`."""
    try:
        return Lost(value)
    except ValueError:
        raise ConfigError(f"lost must be one of {', '.join(Lost)}, got {value!r}") from None


@dataclass(frozen=True, kw_only=True)
class ToxicFault:
    """What all faults made of toxics have in common: how they are healed."""

    link: str

    def toxics(self) -> tuple[Toxic, ...]:
        """The toxics it is made of."""
        raise NotImplementedError

    def padding(self, link: Link) -> int:
        """Bytes by which a question must be longer to show on a link whether it is there."""
        del link
        return 0

    @property
    def title(self) -> str:
        """Short and for people."""
        raise NotImplementedError

    def hurt(self, stack: Stack, one: Callable[[Link], Effect]) -> Effect:
        """Do `one` to every link that is meant, once none of them is found hurt in this way already.

        Raises:
            NothingDoneError: One is: another fault's effect would be told as this one's, and healed with it.
            FaultError: Of `one`.
        """
        links = matching(stack, self.link)
        for link in links:
            if there := self.there_already(link):
                raise NothingDoneError(
                    f"{self.title}: {there} before the fault began, so the fault did nothing. Is another fault of this "
                    "kind still active?"
                )
        return on_each(links, one)

    def there_already(self, link: Link) -> str:
        """What of its effect is on a link, or ""."""
        with fault_words(link.name):
            there = {toxic.name for toxic in link.toxics()}
        twice = sorted(toxic.name for toxic in self.toxics() if toxic.name in there)
        return f"{', '.join(twice)} was on {link.name}" if twice else ""

    def add_to(self, link: Link) -> None:
        """Put its toxics on a link."""
        for toxic in self.toxics():
            link.add(toxic)

    def lapsed(self, stack: Stack) -> str:
        """Which of its toxics is not on its link any more, as after a restart of Toxiproxy."""
        wanted = {toxic.name for toxic in self.toxics()}
        gone = {
            link.name: missing
            for link in matching(stack, self.link)
            if (missing := wanted - {toxic.name for toxic in link.toxics()})
        }
        return "; ".join(
            f"{link} has no {', '.join(sorted(missing))} any more" for link, missing in gone.items()
        )

    def heal(self, stack: Stack) -> Effect:
        """Remove its toxics, and measure that the link adds nothing but what other faults still have it add.

        Safe twice, before `inject`, and where no such link is: then nothing was hurt.

        Raises:
            FaultError: A toxic may still be there.
        """
        try:
            links = matching(stack, self.link)
        except FaultError as nothing:
            return Effect(sentence=str(nothing), seen=True)

        def heal_one(link: Link) -> Effect:
            for toxic in (removed := self.toxics()):
                link.remove(toxic.name)
            return well_again(link, before="the toxic is gone", healed=removed, padding=self.padding(link))

        return on_each(links, heal_one)
