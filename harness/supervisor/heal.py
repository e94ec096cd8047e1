"""Undo one fault from its record: what a supervisor runs when the one who injected it cannot any more.

A process of its own, so that a control plane that hangs cannot hang the supervisor with it.
"""

import sys
from pathlib import Path

from harness.errors import DrillError, FaultError
from harness.faults import from_record
from harness.stack.embedded.stack import attach
from harness.supervisor import state


def main(folder_path: str, token: str) -> None:
    """Heal the fault that was promised under `token`, and say so to the supervisor.

    Raises:
        DrillError: It could not be healed, or its healing was not verified; the supervisor has been told nothing.
    """
    folder = state.StateFolder(Path(folder_path))
    record = next(
        line["fault"] for line in state.read_lines(folder.undo) if line["token"] == token and "fault" in line
    )
    stack = attach(folder)
    fault = from_record(record)
    healed = fault.heal(stack)
    if not healed.undone:
        raise FaultError(f"{fault.title}: its healing was not verified: {healed.sentence}")
    stack.undone(token)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except DrillError as trouble:
        sys.exit(str(trouble))  # into the supervisor's log, which says then what became of the stack
