"""How the runner steers a load generator: arm, start at a moment, look, stop, wait."""

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.clock import wait_until
from harness.errors import DrillError
from harness.stack import Address
from harness.stack.http import NoAnswer, ask

_TIMEOUT_S = 5.0
# Of `harness.load.dispatch.State`, which cannot be imported here: it brings gevent along.
_DONE, _BROKEN = "done", "broken"


class LoadError(DrillError):
    """The load generator does not answer, or did not do what it was told: there is no load to judge by."""


class LoadState(msgspec.Struct, frozen=True, kw_only=True):
    """How a generator stands.

    Attributes:
        state: armed, running, draining (nothing new, answers outstanding), done or broken.
        sent, done: Requests so far; `in_flight` are sent and not done.
        not_sent: Requests that the generator itself could not send. They are rejected too, and neither sent nor done.
        sent_last_second: The rate that is really offered.
        late_ms_p99: How late requests left, the last thousand of them: the generator's own slowness.
        ok, rejected, unknown: How they ended.
        problem: Why the state is "broken", or "".
    """

    state: str
    sent: int
    done: int
    in_flight: int
    not_sent: int
    sent_last_second: float
    late_ms_p99: float
    ok: int
    rejected: int
    unknown: int
    problem: str = ""


def argv(plan_path: Path) -> tuple[str, ...]:
    """How the generator's process is started."""
    return (sys.executable, "-m", "harness.load.generate", str(plan_path))


@dataclass(frozen=True)
class LoadGenerator:
    """A handle to a running generator. It holds nothing open: there is nothing to close.

    Attributes:
        control: Where the generator is steered.
    """

    control: Address

    def start(self, *, at_ns: int) -> None:
        """Have the first request's slot begin at a monotonic time. It can be done once.

        Raises:
            LoadError: It does not answer, or was started or stopped before.
        """
        self._ask("POST", "/start", {"at_ns": at_ns})

    def state(self) -> LoadState:
        """How it stands.

        Raises:
            LoadError: It does not answer, or cannot do what its plan asks for.
        """
        state = msgspec.json.decode(self._ask("GET", "/state"), type=LoadState)
        if state.state == _BROKEN:
            raise LoadError(
                f"the load generator gave up after {state.sent} requests: {state.problem}. The load is not the one "
                "that was planned, so nothing can be concluded from it."
            )
        return state

    def stop(self) -> None:
        """Have it send nothing new. Answers outstanding are waited for to their time-out.

        Raises:
            LoadError: It does not answer.
        """
        self._ask("POST", "/stop")

    def wait_done(self, *, within_s: float) -> LoadState:
        """Wait until every answer is there or given up.

        Raises:
            DeadlineError: It took longer.
            LoadError: It does not answer, or cannot do what its plan asks for.
        """

        def done() -> LoadState | None:
            state = self.state()
            return state if state.state == _DONE else None

        return wait_until(done, within_s=within_s, what="the last answers to the load generator", every_s=0.1)

    def _ask(self, method: str, path: str, body: dict[str, int] | None = None) -> bytes:
        try:
            answer = ask(self.control, method, path, timeout_s=_TIMEOUT_S, body=body)
        except NoAnswer as error:
            raise LoadError(
                f"the load generator did not answer: {error}. Without it nobody knows what was sent; its log is "
                "beside the services' logs."
            ) from error
        if answer.status >= 400:
            raise LoadError(
                f"the load generator refused {method} {path} with {answer.status}: {answer.text()}. A plan is carried "
                "out once, by whoever started its generator."
            )
        return answer.content
