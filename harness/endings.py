"""How a command ends: whatever is raised becomes a message and a documented exit code.

The codes are read by programs that let a deployment through or hold it back. Python's own for an exception is 1, which
here says that the target broke a promise: a mistake of ours must never look like that.
"""

import sys
import traceback

import typer

from harness.console import complain, terminal
from harness.errors import DrillError, ExitCode


def told(error: BaseException, command: str) -> ExitCode:
    """Say what went wrong; the exit code that belongs to it.

    Args:
        error: What was raised.
        command: What was called, for a complaint about how.
    """
    if isinstance(error, DrillError):
        complain(terminal(), str(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        complain(terminal(), "interrupted")
        return ExitCode.INTERRUPTED
    say_what = getattr(error, "format_message", None)  # the command line's own complaint
    if say_what is not None:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else command
        sentence = say_what().rstrip(".")
        complain(terminal(), f"{sentence[:1].lower()}{sentence[1:]}. `{command} --help` shows what there is.")
        return ExitCode.USAGE
    return _mistaken(_underlying(error))


def _underlying(error: BaseException) -> BaseException:
    """What Typer took for something else: an end of file for an abort, any broken pipe for standard output's."""
    if isinstance(error, typer.Abort | SystemExit):
        return error.__cause__ or error.__context__ or error
    return error


def show_traceback(error: BaseException) -> None:
    """Print where a mistake of ours was made, for whoever is to mend it."""
    sys.stderr.write("".join(traceback.format_exception(error)))


def _mistaken(error: BaseException) -> ExitCode:
    show_traceback(error)
    complain(
        terminal(),
        f"this is a mistake in drillbook itself ({type(error).__name__}) and no verdict: nothing can be concluded "
        "about your system. What was recorded is kept. Please report it with the lines above.",
    )
    return ExitCode.INCONCLUSIVE
