from dataclasses import dataclass, field

import pytest

from harness.errors import FaultError, NothingDoneError, StackError
from harness.faults import Effect, to_record
from harness.faults.injecting import injected
from harness.recording.records import FaultNoted, FaultStage, Stream
from harness.stack import Stack
from tests.faults.fake_stack import FakeStack

BITES = Effect(sentence="asked 1, measured 1", seen=True, measured={"measured_ms": 1.0})
WELL = Effect(sentence="well", seen=True)


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A fault that does as the test says and writes down in which order."""

    log: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    effect: Effect = BITES
    inject_fails: str = ""
    heal_fails: str = ""
    healed: Effect = WELL
    gone: str = ""
    refused: str = ""
    title: str = "scripted"

    def inject(self, stack: Stack) -> Effect:
        if self.refused:
            raise NothingDoneError(self.refused)
        self.log.append("inject")
        if self.inject_fails:
            raise FaultError(self.inject_fails)
        return self.effect

    def lapsed(self, stack: Stack) -> str:
        self.asked.append("".join(self.log[-1:]))
        if self.gone == "?":
            raise StackError("Toxiproxy does not answer")
        return self.gone

    def heal(self, stack: Stack) -> Effect:
        self.log.append("heal")
        if self.heal_fails:
            raise FaultError(self.heal_fails)
        return self.healed


@dataclass
class ListOfNotes:
    """A recorder in memory; `full_after` notes the disk is full."""

    notes: list[FaultNoted] = field(default_factory=list)
    full_after: int = 1000

    def note(self, stream: Stream, record: object) -> None:
        assert stream is Stream.FAULTS
        assert isinstance(record, FaultNoted)
        if len(self.notes) >= self.full_after:
            raise OSError(28, "No space left on device")
        self.notes.append(record)

    @property
    def stages(self) -> list[FaultStage]:
        return [note.stage for note in self.notes]


R, A, H, D, F, L = (
    FaultStage.REQUESTED,
    FaultStage.ACTIVE,
    FaultStage.HEALING,
    FaultStage.HEALED,
    FaultStage.FAILED,
    FaultStage.LAPSED,
)


def test_the_promise_is_made_before_the_damage_and_kept_after_the_healing(stack: FakeStack) -> None:
    fault, notes = Scripted(), ListOfNotes()
    with injected(fault, stack, notes, number=3, limit_s=60) as effect:
        assert effect is BITES
        ((promised, limit_s),) = stack.promises.values()
        assert (promised["type"], promised["title"], limit_s) == (to_record(fault)["type"], "scripted", 60)
        assert stack.kept == []
    assert stack.kept == ["token-0"]
    assert (fault.log, fault.asked) == (["inject", "heal"], ["inject"])
    assert notes.stages == [R, A, H, D]
    assert {note.number for note in notes.notes} == {3}
    assert notes.notes[1].measured == {"measured_ms": 1.0}
    assert notes.notes[1].seen


@pytest.mark.parametrize(
    ("gone", "told"),
    [("the toxic is gone", "the toxic is gone"), ("?", "could not be told: Toxiproxy does not answer")],
)
def test_a_fault_that_was_gone_before_it_was_healed_is_told_and_healed_all_the_same(
    gone: str, told: str, stack: FakeStack
) -> None:
    fault, notes = Scripted(gone=gone), ListOfNotes()
    with injected(fault, stack, notes, number=0, limit_s=60):
        pass
    assert (fault.log, fault.asked) == (["inject", "heal"], ["inject"])
    assert notes.stages == [R, A, H, L, D]
    assert notes.notes[3].sentence.endswith(told)


def test_a_fault_that_the_supervisor_had_to_undo_did_not_last_until_it_was_healed(stack: FakeStack) -> None:
    notes = ListOfNotes()
    stack.out_of_time.add("token-0")
    with injected(Scripted(), stack, notes, number=0, limit_s=60):
        pass
    assert notes.stages == [R, A, H, L, D]
    assert notes.notes[3].sentence == "the supervisor has undone it, at its limit of 60 s"


def test_the_promise_is_there_when_inject_begins(stack: FakeStack) -> None:
    seen: list[int] = []

    class Watching(Scripted):
        def inject(self, stack: Stack) -> Effect:
            assert isinstance(stack, FakeStack)
            seen.append(len(stack.promises))
            return BITES

    with injected(Watching(), stack, ListOfNotes(), number=0, limit_s=1):
        assert seen == [1]


def test_an_inject_that_fails_half_way_is_healed_and_told(stack: FakeStack) -> None:
    fault, notes = Scripted(inject_fails="two of three links were cut"), ListOfNotes()
    with pytest.raises(FaultError, match="two of three"), injected(fault, stack, notes, number=0, limit_s=1):
        pytest.fail("the block must not run without its fault")
    assert fault.log == ["inject", "heal"]
    assert notes.stages == [R, F, H, D]
    assert notes.notes[1].sentence == "two of three links were cut"
    assert stack.kept == ["token-0"]


def test_an_effect_that_was_not_seen_never_becomes_active(stack: FakeStack) -> None:
    fault, notes = Scripted(effect=Effect(sentence="measured 0 ms", seen=False)), ListOfNotes()
    with pytest.raises(FaultError, match="does not bite"), injected(fault, stack, notes, number=0, limit_s=1):
        pytest.fail("the block must not run without its fault")
    assert notes.stages == [R, F, H, D]


def test_whatever_happens_in_the_block_the_fault_is_healed(stack: FakeStack) -> None:
    fault, notes = Scripted(), ListOfNotes()
    with pytest.raises(KeyboardInterrupt), injected(fault, stack, notes, number=0, limit_s=1):
        raise KeyboardInterrupt
    assert fault.log == ["inject", "heal"]
    assert notes.stages == [R, A, H, D]


def test_a_healing_that_fails_leaves_the_promise_with_the_supervisor(stack: FakeStack) -> None:
    fault, notes = Scripted(heal_fails="Toxiproxy hangs"), ListOfNotes()
    with pytest.raises(FaultError, match="hangs"), injected(fault, stack, notes, number=0, limit_s=1):
        pass
    assert stack.kept == []
    assert notes.stages == [R, A, H, F]


def test_what_was_refused_before_any_damage_is_not_healed(stack: FakeStack) -> None:
    """What is there is another fault's: to heal it would end that one."""
    fault, notes = Scripted(refused="it was killed already"), ListOfNotes()
    with (
        pytest.raises(NothingDoneError, match="killed already"),
        injected(fault, stack, notes, number=0, limit_s=1),
    ):
        pytest.fail("it was refused")
    assert (fault.log, stack.kept, notes.stages) == ([], ["token-0"], [R, F])


@pytest.mark.parametrize("hidden", [False, True])
def test_a_healing_that_was_not_seen_leaves_the_promise_unless_another_fault_hides_it(
    hidden: bool, stack: FakeStack
) -> None:
    unseen = Effect(sentence="the link still adds 40 ms", seen=False, hidden=hidden)
    fault, notes = Scripted(healed=unseen), ListOfNotes()
    with injected(fault, stack, notes, number=0, limit_s=1):
        pass
    assert stack.kept == (["token-0"] if hidden else [])
    assert notes.stages == [R, A, H, D]
    assert (notes.notes[-1].sentence, notes.notes[-1].seen) == ("the link still adds 40 ms", False)


@pytest.mark.parametrize("lines_that_fit", [0, 1, 2])
def test_a_full_disk_does_not_leave_a_link_cut(stack: FakeStack, lines_that_fit: int) -> None:
    fault, notes = Scripted(), ListOfNotes(full_after=lines_that_fit)
    with pytest.raises(OSError, match="No space"), injected(fault, stack, notes, number=0, limit_s=1):
        pass
    assert fault.log[-1] == "heal"
    assert stack.kept == ["token-0"]
