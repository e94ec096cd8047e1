from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from harness.checks import CannotSay, Missing, Seen
from harness.checks.lookout import Lookout
from harness.recording.history import History
from harness.recording.records import Stream
from tests.histories import innocent_drill


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Evidence that counts how often it was looked for."""

    at_least: float = 1
    looks: list[int] = field(default_factory=list, repr=False, compare=False)
    if_missing: ClassVar[Missing] = Missing.BOTH
    only_for_rates: ClassVar[bool] = False

    def seen(self, history: History) -> Seen:
        self.looks.append(1)
        count = history.operations.height
        return Seen(ok=count >= self.at_least, sentence=f"{count} (wanted {self.at_least})")


@dataclass(frozen=True, kw_only=True)
class Unsure:
    """Evidence that breaks, or cannot say."""

    error: type[Exception]
    if_missing: ClassVar[Missing] = Missing.BOTH
    only_for_rates: ClassVar[bool] = False

    def seen(self, history: History) -> Seen:
        raise self.error(f"nobody read {history.run.scenario}")


def test_evidence_that_many_claims_rest_on_is_looked_for_once_and_its_streams_count_each_time(
    tmp_path: Path,
) -> None:
    lookout = Lookout(innocent_drill(tmp_path / "run").ended())
    looks: list[int] = []
    first, again = (lookout.look(Operations(looks=looks)) for _ in range(2))
    assert len(looks) == 1
    assert first == again
    assert again.streams == {Stream.OPERATIONS}


def test_evidence_that_is_equal_and_told_otherwise_is_looked_for_again(tmp_path: Path) -> None:
    lookout = Lookout(innocent_drill(tmp_path / "run").ended())
    assert Operations(at_least=1) == Operations(at_least=1.0)
    assert lookout.look(Operations(at_least=1)).seen.sentence.endswith("(wanted 1)")
    assert lookout.look(Operations(at_least=1.0)).seen.sentence.endswith("(wanted 1.0)")


def test_evidence_that_breaks_was_not_seen(tmp_path: Path) -> None:
    lookout = Lookout(innocent_drill(tmp_path / "run").ended())
    broken, silent = lookout.look(Unsure(error=ValueError)).seen, lookout.look(Unsure(error=CannotSay)).seen
    assert not broken.ok
    assert broken.sentence.startswith("Unsure itself broke: ValueError: nobody read")
    assert not silent.ok
    assert silent.sentence.startswith("nobody read")
