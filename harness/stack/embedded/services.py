"""Services of an embedded stack: local processes, reached through their supervisor.

The handles hold no state of their own. What a service is doing is asked each time, because the whole point of
this tool is that processes end without telling anybody.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from harness import full_disk
from harness.clock import wait_until
from harness.errors import DeadlineError, StackError
from harness.stack import LOOPBACK, Address, State
from harness.stack.embedded.readiness import is_ready
from harness.stack.process import ProcessSpec
from harness.supervisor.client import SupervisorClient

SIGNAL_TIMEOUT_S = 10.0
LOG_LINES_SHOWN = 15
LOOK_EVERY_S = 0.05
LOOKS_A_QUESTION = 5  # how often it is looked for an answer until it is asked whether the process still runs


@dataclass(frozen=True)
class EmbeddedService:
    """One process and its children. See `harness.stack.Service` for what each verb promises.

    Attributes:
        furnish: Gives it what it has in memory only and must have again after each start. May be called again.
        spare: It need not have been started.
    """

    spec: ProcessSpec
    logs: Path
    supervisor: SupervisorClient
    furnish: Callable[[], None] | None = None
    spare: bool = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self.spec.name

    @property
    def address(self) -> Address:
        """Where it listens itself."""
        return Address(LOOPBACK, self.spec.port)

    @property
    def log_path(self) -> Path:
        """Its output so far, over all restarts."""
        return self.logs / f"{self.name}.log"

    def state(self) -> State:
        """What the kernel says it is doing."""
        return self.supervisor.state(self.name, spare=self.spare)

    def launch(self) -> None:
        """Start it without waiting for it to answer."""
        self.supervisor.spawn(self.spec)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.await_ready()
        if self.furnish:
            self.furnish()

    def await_ready(self) -> None:
        """Wait until it answers.

        Raises:
            StackError: It ended, or its time was up; with its last log lines.
        """

        def ended() -> bool:
            return self.state() is State.EXITED

        self._await(lambda: is_ready(self.spec.ready), ended)

    def _await(self, ready: Callable[[], bool], ended: Callable[[], bool]) -> None:
        looks = count()

        def ready_or_ended() -> str | None:
            if ready():
                return "ready"
            # More rarely: while a stack starts, fifteen of us ask one supervisor, which has to start the others.
            return "ended" if next(looks) % LOOKS_A_QUESTION == 0 and ended() else None

        try:
            how = wait_until(
                ready_or_ended,
                within_s=self.spec.ready.timeout_s,
                what=f"{self.name} to answer",
                every_s=LOOK_EVERY_S,
            )
        except DeadlineError as error:
            raise StackError(f"{error}. {self._explained()}") from error
        if how == "ended":
            code = self.supervisor.exit_code(self.name)
            raise StackError(
                f"{self.name} ended with exit code {code} before it answered. {self._explained()}"
            )

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.supervisor.signal(self.name, signal.Signals[self.spec.stop_signal])
        if not self.supervisor.await_state(self.name, State.EXITED, within_s=self.spec.stop_timeout_s):
            raise StackError(
                f"{self.name} was asked to stop and is still there after {self.spec.stop_timeout_s:g} s"
            )

    def kill(self) -> None:
        """SIGKILL it and its children, and wait until none is left."""
        self._signal_and_await(signal.SIGKILL, State.EXITED)

    def pause(self) -> None:
        """SIGSTOP it and its children, and wait until all are seen stopped."""
        self._signal_and_await(signal.SIGSTOP, State.PAUSED)

    def resume(self) -> None:
        """SIGCONT it and its children."""
        if self.state() is State.PAUSED:
            self._signal_and_await(signal.SIGCONT, State.RUNNING)

    def _signal_and_await(self, number: signal.Signals, wanted: State) -> None:
        self.supervisor.signal(self.name, number)
        if not self.supervisor.await_state(self.name, wanted, within_s=SIGNAL_TIMEOUT_S):
            raise StackError(
                f"{self.name} got {number.name} and is {self.state()} instead of {wanted} after {SIGNAL_TIMEOUT_S:g} s"
            )

    def _explained(self) -> str:
        words = self.last_words()
        disk = self.supervisor.folder.no_room_for_data() if full_disk.was_met(words) else ""
        return f"Its last words:\n{words}\n{disk}".rstrip()

    def last_words(self, lines: int = LOG_LINES_SHOWN) -> str:
        """The end of its log, indented, for an error message."""
        try:
            text = self.log_path.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            text = []
        return "\n".join(f"    {line[:400]}" for line in text) or "    (it said nothing)"
