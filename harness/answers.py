"""What `drill --json` prints: one document on standard output, whole or told to be cut off."""

import json as json_library
import sys
from typing import Any

from harness.console import complain, terminal
from harness.errors import DrillError, ExitCode
from harness.listening import forget


def print_json(value: Any) -> None:
    """Print a result for machines.

    Raises:
        DrillError: It could not be written, though somebody wanted it.
    """
    import msgspec  # noqa: PLC0415 - nothing that help or completion would wait for

    try:
        document = msgspec.json.format(msgspec.json.encode(value), indent=2)
    except (
        UnicodeEncodeError
    ):  # a path that is no UTF-8, which Python keeps as surrogates and reads back from \\udcXX
        document = json_library.dumps(msgspec.to_builtins(value), indent=2).encode()
    try:
        sys.stdout.buffer.write(document + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        forget(sys.stdout)  # whoever asked has gone; what came of it stands
    except OSError as error:
        forget(sys.stdout)
        raise DrillError(
            f"the result could not be written to standard output: {error.strerror}. What is there of it is cut off; "
            "take it to a place with room."
        ) from error


def print_judged(value: Any, code: ExitCode) -> None:
    """Print a result for machines. Where it cannot be written, a verdict other than PASS matters more.

    Raises:
        DrillError: It could not be written, and there is nothing worse to tell.
    """
    try:
        print_json(value)
    except DrillError as error:
        if code is ExitCode.PASS:
            raise
        complain(terminal(), str(error))
