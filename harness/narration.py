"""What a running drill tells whoever watches: a person at a terminal, a CI log, or nobody.

The runner calls a narrator at each step and knows nothing of terminals. A narrator must never fail a drill, and
never decides anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.recording.records import Finding, Verdict


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What one sees when looking at a running drill.

    Attributes:
        phase: The phase it is in.
        elapsed_s, total_s: Of load and converge together; total is the planned maximum.
        sent, done: Operations so far.
        rate_per_s: Sent in the last second.
        ok, rejected, unknown: How operations ended so far.
        faults: Titles of the active faults.
        gauges: What the target's own probes last said, by short name: "lag" 12.
    """

    phase: str
    elapsed_s: float
    total_s: float
    sent: int = 0
    done: int = 0
    rate_per_s: float = 0.0
    ok: int = 0
    rejected: int = 0
    unknown: int = 0
    faults: Sequence[str] = ()
    gauges: tuple[tuple[str, float], ...] = ()


class Narrator(Protocol):
    """Somebody who is told how a drill goes."""

    def step(self, sentence: str) -> None:
        """Something began or happened that is worth a line."""
        ...

    def glance(self, glance: Glance) -> None:
        """How it stands, several times a second."""
        ...

    def judged(
        self, scenario: str, verdict: Verdict, findings: Sequence[Finding], run_dir: Path, replay: str
    ) -> None:
        """A drill is over and has been judged."""
        ...


class Silence:
    """Nobody is watching."""

    def step(self, sentence: str) -> None:
        """Ignore it."""

    def glance(self, glance: Glance) -> None:
        """Ignore it."""

    def judged(
        self, scenario: str, verdict: Verdict, findings: Sequence[Finding], run_dir: Path, replay: str
    ) -> None:
        """Ignore it."""
