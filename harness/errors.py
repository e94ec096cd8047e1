"""What can go wrong with a drill itself, as opposed to with the system it drills.

Each error knows the exit code of `drill` it leads to, so that a CI gate can tell "your system failed"
from "the drill could not be held". Messages say what was wanted, what came, why it matters and what
to do; a stack trace is for our own mistakes only.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `drill`. They are part of the interface and never change their meaning."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    INCONCLUSIVE = 3
    NO_STACK = 4
    INTERRUPTED = 130


class DrillError(Exception):
    """A drill could not be held. The message is meant for the person at the terminal."""

    exit_code: ExitCode = ExitCode.INCONCLUSIVE


class ConfigError(DrillError):
    """A flag, setting or scenario asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class RecordingError(ConfigError):
    """A run directory cannot be read: not one of ours, of another format, or without its `run.json`."""


class RecordingLostError(RecordingError):
    """What happens cannot be written down (any more), as on a full disk: the drill can prove nothing."""

    exit_code = ExitCode.INCONCLUSIVE


class StackError(DrillError):
    """The stack could not be started, or was lost while it was needed."""

    exit_code = ExitCode.NO_STACK


class ArtifactError(StackError):
    """A server's binaries are not here and cannot be had. The message names what to supply instead."""


class FaultError(DrillError):
    """A fault could not be injected, or its effect was not seen: a drill would prove nothing."""


class NothingDoneError(FaultError):
    """A fault was refused before anything was hurt: there is nothing to heal, and what is there is another fault's."""


class ProbeError(DrillError):
    """A probe could not look. The reading is missing; nothing may be concluded from its absence."""


class DeadlineError(DrillError):
    """A condition that was waited for did not come true in time."""


class Interrupted(DrillError):  # noqa: N818 - named like KeyboardInterrupt, which it stands for
    """Somebody stopped the drill. Whatever was hurt has been healed before this is raised."""

    exit_code = ExitCode.INTERRUPTED
