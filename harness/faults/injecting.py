"""One context manager owns the pairing of inject and heal, so that no path through a drill can forget one.

The order is the safety rule: how to undo a fault is on disk, with a time limit held by another process,
before anything is hurt. Healing does not depend on writing about it: a full disk must not leave a link cut.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.clock import SYSTEM_CLOCK, Clock
from harness.errors import DrillError, FaultError, NothingDoneError
from harness.faults import Effect, Fault, resolved, to_record
from harness.recording.notes import Notes
from harness.recording.records import FaultNoted, FaultStage, Stream
from harness.stack import Stack


@contextmanager
def injected(
    fault: Fault, stack: Stack, recorder: Notes, *, number: int, limit_s: float, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Effect]:
    """Hurt a stack for as long as the block lasts, and write down what was seen.

    Args:
        fault: What to inject.
        stack: What to hurt.
        recorder: Where REQUESTED, ACTIVE, HEALING, LAPSED, HEALED and FAILED go.
        number: The fault's number in the run.
        limit_s: When the supervisor heals it whatever becomes of us. Longer than the block is meant to last.
        clock: What stamps the records.

    Yields:
        The measured effect of `inject`.

    Raises:
        FaultError: It was refused, the effect was not seen, or healing failed. In the last case, and where healing
            was not verified though nothing hides it, the promise to undo it stays with the supervisor, which tries
            again when the limit is over or we are gone.
    """
    data = to_record(fault)  # of what was asked for, until it is known whom that hurts

    def note(stage: FaultStage, effect: Effect | None = None, sentence: str = "") -> None:
        recorder.note(
            Stream.FAULTS,
            FaultNoted(
                number=number,
                stage=stage,
                at_ns=clock.now_ns(),
                title=fault.title,
                fault=data,
                sentence=effect.sentence if effect else sentence,
                seen=effect.seen if effect else False,
                measured=effect.measured if effect else {},
            ),
        )

    try:
        fault = resolved(fault, stack)
        data = to_record(fault)
    except BaseException as error:
        note(FaultStage.REQUESTED)
        note(FaultStage.FAILED, sentence=str(error) or type(error).__name__)
        raise
    # Whoever has to undo it tells of it by its title.
    token = stack.promise_undo({**data, "title": fault.title}, limit_s=limit_s)
    lapsed = ""
    hurt = True
    try:
        note(FaultStage.REQUESTED)
        try:
            effect = fault.inject(stack)
            if not effect.seen:
                raise FaultError(f"{fault.title}: {effect.sentence}. The fault does not bite.")
        except BaseException as error:
            hurt = not isinstance(error, NothingDoneError)
            note(FaultStage.FAILED, sentence=str(error) or type(error).__name__)
            raise
        note(FaultStage.ACTIVE, effect)
        yield effect
        lapsed = _lapsed(fault, stack)
    finally:
        if not hurt:
            stack.undone(token)  # to heal it now would heal the other fault, that it was refused for
        else:
            try:
                note(FaultStage.HEALING)
            finally:
                try:
                    healed = fault.heal(stack)
                except BaseException as error:
                    note(FaultStage.FAILED, sentence=f"healing: {str(error) or type(error).__name__}")
                    raise
                if healed.undone and not stack.undone(token):
                    lapsed = f"the supervisor has undone it, at its limit of {limit_s:g} s"
            if lapsed:
                note(FaultStage.LAPSED, sentence=lapsed)
            note(FaultStage.HEALED, healed)


def _lapsed(fault: Fault, stack: Stack) -> str:
    """What is gone of a fault that was to be there until now. Whatever cannot be told is not there."""
    try:
        return fault.lapsed(stack)
    except DrillError as error:
        return f"whether it was still there could not be told: {error}"
