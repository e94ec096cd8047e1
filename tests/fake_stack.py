"""A stack that starts nothing, for what happens around a drill; and scenarios that are judged as they say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.identity import folder_name
from harness.judgement import Judgement, NotPassed
from harness.recording.records import Finding, Verdict
from harness.recording.rundir import read_run, write_findings, write_run
from harness.runner import Chaos
from harness.stack.embedded import starting
from tests.histories import Drill

# How a scenario's file begins here. What it imports is imported by this module too, and so by whoever uses it: pytester
# forgets every module that an inner session was the first to import, and one with a compiled half, as polars has, does
# not survive being imported again.
HELD = """
import os, signal
from pathlib import Path
import pytest
from harness.errors import FaultError
from tests.fake_stack import held
from tests.histories import Drill
"""


def held(chaos: Chaos, *verdicts: str) -> None:
    """Judge one run after the other as told, so that a test says in a line what a session holds. The last counts."""
    for number, word in enumerate(verdicts):
        folders = [folder_name(chaos.scenario, attempt) for attempt in range(number + 1)]
        run_dir = chaos.stack.recordings / folders[-1]
        verdict = Verdict(word)
        Drill(run_dir).ended()
        supersedes = folders[-2] if number else ""
        write_run(run_dir, replace(read_run(run_dir), scenario=chaos.scenario, supersedes=supersedes))
        write_findings(run_dir, [finding(verdict)])
        judgement = Judgement(
            scenario=chaos.scenario,
            verdict=verdict,
            findings=(finding(verdict),),
            run_dir=run_dir,
            replay=f"drill run {chaos.scenario} --seed 7",
            superseded=number + 1 < len(verdicts),
        )
        chaos.judgements.append(judgement)
        chaos.narrator.judged(chaos.scenario, verdict, judgement.findings, run_dir, judgement.replay)
    if judgement.verdict is not Verdict.PASS:
        raise NotPassed(judgement)


def finding(verdict: Verdict, **changes: Any) -> Finding:
    """A finding with that verdict and everything that one can have."""
    fields: dict[str, Any] = {
        "claim": "it-holds",
        "sentence": "It holds.",
        "source": "universal",
        "verdict": verdict,
        "because": "3 of 5 held",
        "evidence": ("seen: 5 of 5 were ok", "MISSING: the fault did not bite"),
        "precision": "± 1 ms",
        "examples": ("order-1",),
    }
    return Finding(**{**fields, **changes})


@dataclass
class FakeStack:
    """Stands for a running stack.

    Attributes:
        recordings: Where runs would go.
        ended: Whether it has been ended, however.
    """

    recordings: Path
    started: int = 0
    ended: int = 0
    refusal: Exception | None = None
    targets: list[Any] = field(default_factory=list)

    @contextmanager
    def start(self, target: Any, *, settings: Any, narrator: Any) -> Iterator["FakeStack"]:
        """What `harness.stack.embedded.starting.started` does, without doing it."""
        self.targets.append(target)
        if self.refusal is not None:
            raise self.refusal
        self.started += 1
        try:
            yield self
        finally:
            self.ended += 1

    @classmethod
    def installed(cls, monkeypatch: pytest.MonkeyPatch, folder: Path) -> "FakeStack":
        """A fake in the place of the real one.

        In the module itself, imported above: if an inner session of pytester's were the first to import it, it would be
        forgotten afterwards, and the next session would import another one and start real servers.
        """
        fake = cls(recordings=folder / "runs" / "r1")
        monkeypatch.setattr(starting, "started", fake.start)
        return fake
