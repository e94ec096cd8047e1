"""What every fault must keep, whatever it does: one text for every fault and every stack."""

import json

from harness.faults import Fault, from_record, to_record
from harness.faults.moments import DoneByHand
from harness.faults.processes import Restarted
from harness.faults.republished import Republished
from harness.stack import Stack


def keeps_the_contract(fault: Fault, stack: Stack) -> None:
    """Measure, heal, heal again, heal from the record as another process would."""
    record = to_record(fault)
    as_read_from_disk = from_record(json.loads(json.dumps(record)))
    assert as_read_from_disk == fault
    assert fault.title

    before = fault.heal(stack)
    assert before.seen, f"healing before injecting: {before.sentence}"

    effect = fault.inject(stack)
    assert effect.seen
    assert effect.measured, "an effect without a figure was not measured"
    assert all(isinstance(figure, float) for figure in effect.measured.values())

    assert fault.lapsed(stack) == "", "it is there until it is healed"
    healed = as_read_from_disk.heal(stack)
    assert healed.seen, healed.sentence
    again = fault.heal(stack)
    assert again.seen, again.sentence
    over_at_once = isinstance(
        fault, Restarted | Republished | DoneByHand
    )  # what they did stays, and cannot lapse
    assert over_at_once or fault.lapsed(stack), "what is healed is gone"

    second = fault.inject(stack)
    assert second.seen, "a fault that was healed can be injected again"
    assert fault.heal(stack).seen
