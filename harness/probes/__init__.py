"""A probe looks and never judges. What it saw goes into the recording as a reading.

Probes go to the servers directly, past every link: a fault on a link must not blind the one who watches.
"""

from typing import Protocol, TypeAlias

from harness.stack import Stack

# What a probe returns must survive JSON: checkers see it after a round trip through the recording.
Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


class Probe(Protocol):
    """One way to look at a stack."""

    @property
    def name(self) -> str:
        """What its readings are called in the recording: "kafka.lag", "ledger", "sagas"."""
        ...

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once.

        Raises:
            ProbeError: Nothing could be seen within `timeout_s`.
        """
        ...
