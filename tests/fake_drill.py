"""A stack that only exists in memory, and load that only exists on paper, for drills that take a second."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.clock import NS_PER_S
from harness.errors import FaultError
from harness.faults import Effect
from harness.load.arrivals import Shape
from harness.load.generator import LoadState
from harness.probes import Json
from harness.recording.recorder import Recorder
from harness.recording.records import Done, Intent, Outcome, Stream
from harness.stack import Stack
from harness.stack.drillable import Configured, Loss


@dataclass
class PaperLoad:
    """Writes down operations as if they had been sent, all of them answered ok."""

    shape: Shape
    run_dir: Path
    on_start: Callable[[], None] = lambda: None
    sent: int = 0

    def start(self, *, at_ns: int) -> None:
        with Recorder(self.run_dir) as recorder:
            for number in range(self.shape.count):
                sent_ns = at_ns + round((number + 0.5) / self.shape.count * self.shape.seconds * NS_PER_S)
                key = f"order-{number}"
                recorder.note(
                    Stream.OPERATIONS,
                    Intent(id=number, name="place_order", key=key, intended_ns=sent_ns, sent_ns=sent_ns),
                )
                recorder.note(
                    Stream.OPERATIONS, Done(id=number, done_ns=sent_ns + 1, outcome=Outcome.OK, status=202)
                )
        self.sent = self.shape.count
        self.on_start()

    def state(self) -> LoadState:
        return LoadState(
            state="done",
            sent=self.sent,
            done=self.sent,
            in_flight=0,
            not_sent=0,
            sent_last_second=0,
            late_ms_p99=0,
            ok=self.sent,
            rejected=0,
            unknown=0,
        )

    def stop(self) -> None:
        """Nothing is under way."""

    def wait_done(self, *, within_s: float) -> LoadState:
        return self.state()


@dataclass
class FakeStack:
    """What the runner needs of a stack. `happened` tells in which order it was asked for what."""

    recordings: Path
    on_load: Callable[[], None] = lambda: None
    lost: bool = False
    lost_services: list[Loss] = field(default_factory=list)
    run_id: str = "fake"
    services: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    configured: list[Configured] = field(default_factory=list)
    orders: int = 0
    target_name: str = "paper shop"
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_folder(self) -> Path:
        return self.recordings.parent

    def fresh(self, configured: Configured) -> None:
        self.happened.append("fresh")
        self.configured.append(configured)

    def gone(self) -> str:
        return "the paper supervisor is gone" if self.lost else ""

    def losses(self) -> list[Loss]:
        return self.lost_services

    def configuration(self) -> dict[str, Any]:
        return {}

    def start_load(self, *, shape: Shape, run_dir: Path, **_: Any) -> PaperLoad:
        self.happened.append("load")
        self.orders = shape.count
        return PaperLoad(shape, run_dir, self.on_load)

    def end_load(self) -> None:
        self.happened.append("load ended")

    def promise_undo(self, fault: Mapping[str, object], *, limit_s: float) -> str:
        self.happened.append("promised")
        return "token"

    def undone(self, token: str) -> bool:
        self.happened.append("undone")
        return True


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """A fault that hurts nobody, or that does not bite."""

    bites: bool = True

    @property
    def title(self) -> str:
        return "mishap"

    def inject(self, stack: Stack) -> Effect:
        stack.happened.append("inject")  # type: ignore[attr-defined]  # a FakeStack
        if not self.bites:
            raise FaultError("mishap did not bite")
        return Effect(sentence="seen to hurt", seen=True)

    def lapsed(self, stack: Stack) -> str:
        del stack
        return ""

    def heal(self, stack: Stack) -> Effect:
        stack.happened.append("heal")  # type: ignore[attr-defined]  # a FakeStack
        return Effect(sentence="seen to be well", seen=True)


@dataclass(frozen=True)
class Rows:
    """A probe that reads the paper shop's orders, all of them or all but one."""

    name: str
    missing: int = 0

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        count = stack.orders - self.missing  # type: ignore[attr-defined]  # a FakeStack
        return [{"order_id": f"order-{number}"} for number in range(count)]


@dataclass(frozen=True)
class Settled:
    """A probe that finds nothing open."""

    name: str = "open_work"

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        del timeout_s
        return []
