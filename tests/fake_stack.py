"""A stack that starts nothing, for what happens around a drill; and scenarios that are judged as they say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.recording.records import Finding, Verdict

# Scenarios take their verdicts from their names, so that a test says in a line what a session holds.
HELD = '''
import os, signal
from pathlib import Path
import pytest
from harness.errors import FaultError, StackError
from harness.judgement import Judgement, NotPassed
from harness.recording.records import Verdict
from tests.fake_stack import finding
from tests.histories import Drill, run_info

def held(chaos, *verdicts):
    """Judge one run after the other, the last of which counts."""
    for number, word in enumerate(verdicts):
        name = chaos.scenario + (f".again-{number}" if number else "")
        run_dir = chaos.stack.recordings / name
        drill = Drill(run_dir)
        drill.ended()
        judgement = Judgement(
            scenario=chaos.scenario, verdict=Verdict(word), findings=(finding(Verdict(word)),), run_dir=run_dir,
            replay=f"drill run {chaos.scenario} --seed 7", superseded=number + 1 < len(verdicts),
        )
        chaos.judgements.append(judgement)
        chaos.narrator.judged(chaos.scenario, judgement.verdict, judgement.findings, run_dir, judgement.replay)
    if verdicts[-1] != "PASS":
        raise NotPassed(judgement)
'''


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
        """What `harness.stack.embedded.stack.started` does, without doing it."""
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
        """A fake in the place of the real one."""
        fake = cls(recordings=folder / "runs" / "r1")
        monkeypatch.setattr("harness.stack.embedded.stack.started", fake.start)
        return fake
