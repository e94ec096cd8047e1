"""Generators as they are in a drill: processes of their own, which the tests start and steer."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import NS_PER_MS, SYSTEM_CLOCK, wait_until
from harness.load.arrivals import Shape
from harness.load.generator import LoadError, LoadGenerator, argv
from harness.load.operations import to_record
from harness.load.plan import LoadPlan
from harness.recording.records import Stream
from harness.recording.rundir import stream_path
from harness.stack import Address
from tests.load.calls import Call
from tests.load.odd_server import free_port

ROOT = Path(__file__).resolve().parents[2]
# Load goes where the plan says, whatever this machine's own way to the world is.
PROXIED = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
TIMEOUT_S = 5.0  # nobody's patience ends here because this machine is busy


@dataclass
class Running:
    """A generator's process and how to steer it."""

    process: subprocess.Popen[bytes]
    load: LoadGenerator
    run_dir: Path
    log: Path

    def begin(self) -> None:
        self.load.start(at_ns=SYSTEM_CLOCK.now_ns() + 50 * NS_PER_MS)

    def ended(self) -> int:
        return self.process.wait(10)


@dataclass
class Wanted:
    """What a generator is to do."""

    name: str
    url: str
    shape: Shape
    operation: Call = field(default_factory=Call)
    timeout_s: float = TIMEOUT_S
    in_flight_max: int = 5_000
    disk: str = ""


def launched(wanted: Wanted, folder: Path) -> Running:
    run_dir = folder / wanted.name
    run_dir.mkdir()
    plan = LoadPlan(
        operation=to_record(wanted.operation),
        shape=wanted.shape,
        base_url=wanted.url,
        seed=1,
        timeout_s=wanted.timeout_s,
        record=str(stream_path(run_dir, Stream.OPERATIONS)),
        control_port=free_port(),
        in_flight_max=wanted.in_flight_max,
        python_path=(str(ROOT),),
    )
    plan_path, log = run_dir / "plan.json", run_dir / "log"
    plan_path.write_text(plan.to_json())
    if wanted.disk:
        Path(plan.record).symlink_to(wanted.disk)
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv(plan_path), stdout=out, stderr=out, env={**os.environ, **PROXIED, "PYTHONPATH": str(ROOT)}
        )
    return Running(process, LoadGenerator(Address("127.0.0.1", plan.control_port)), run_dir, log)


@contextmanager
def generators(folder: Path, *wanted: Wanted) -> Iterator[Sequence[Running]]:
    """Generators that are armed, started side by side: each needs a second to import Locust."""
    with ExitStack() as held:
        running = []
        for one in wanted:
            generator = launched(one, folder)
            held.callback(generator.process.wait)
            held.callback(generator.process.kill)
            running.append(generator)
        for generator in running:
            armed(generator)
        yield running


def armed(generator: Running) -> None:
    def answers() -> bool:
        assert generator.process.poll() is None, generator.log.read_text()
        try:
            return generator.load.state().state == "armed"
        except LoadError:
            return False

    wait_until(answers, within_s=20, what="the generator to be armed")
