"""What a drill needs of a stack besides services and links: load to run beside it, and a state to go back to.

Faults and probes work with a `harness.stack.Stack`. A runtime gives a little more, for whoever holds drills on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.load.arrivals import Shape
from harness.load.generator import LoadState
from harness.load.operations import Operation
from harness.stack import Stack

# What services are told over what they are told as ever: environment variables, by the service's name.
Configured = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A service that has ended by itself: no fault and no reset told it to.

    Attributes:
        exit_code: Negative for a signal.
        of_target: The target's own, and so its own doing; else a server under it.
    """

    service: str
    exit_code: int
    of_target: bool

    def __str__(self) -> str:
        return f"{self.service} ended by itself with exit code {self.exit_code}"


class RunningLoad(Protocol):
    """Load that is armed and waits for its moment. See `harness.load.generator.LoadGenerator`."""

    def start(self, *, at_ns: int) -> None:
        """Have the first request's slot begin at a monotonic time."""
        ...

    def state(self) -> LoadState:
        """How it stands."""
        ...

    def stop(self) -> None:
        """Send nothing new."""
        ...

    def wait_done(self, *, within_s: float) -> LoadState:
        """Wait until every answer is there or given up."""
        ...


class DrillableStack(Stack, Protocol):
    """A stack that drills are held on, one after the other."""

    @property
    def target_name(self) -> str:
        """What it stands for, for people."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Of its servers, by their names."""
        ...

    @property
    def recordings(self) -> Path:
        """The folder that each drill's run directory goes into."""
        ...

    @property
    def data_folder(self) -> Path:
        """A folder on the disk that its stores commit to."""
        ...

    def configuration(self) -> Mapping[str, Any]:
        """What each service of the target was told, by its name: enough to start the same one again."""
        ...

    def fresh(self, configured: Configured) -> None:
        """Make it as it was when it had just been started, and prove it; `configured` is for this time only.

        Raises:
            ConfigError: There is no such service to configure.
            StackError: Something of an earlier drill is still there.
        """
        ...

    def gone(self) -> str:
        """Why nobody owns it any more, so that no other drill can be held on it; "" while somebody does."""
        ...

    def losses(self) -> Sequence[Loss]:
        """What has ended since `fresh` though nobody told it to."""
        ...

    def start_load(
        self, *, operation: Operation, shape: Shape, timeout_s: float, seed: int, run_dir: Path
    ) -> RunningLoad:
        """Start a load generator, armed and silent, which records its operations in `run_dir`."""
        ...

    def end_load(self) -> None:
        """End the load generator, however it is."""
        ...
