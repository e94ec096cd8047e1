"""What recording costs the generator, measured against a server that does nothing.

Compared are pairs of runs of the same plan, with a recording and without, in turn, so that a machine that becomes
slower or faster meanwhile does so for both. What counts is the generator's own processor time: the wall clock of an
open loop is the plan's, whatever recording costs. A single pair says little, because other work on the machine costs
some too: the median of the pairs' ratios is the figure, and all of them are beside it.

As a program of its own, this module measures and prints; it is also that server.
"""

import argparse
import asyncio
import importlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psutil

from harness.clock import NS_PER_S, SYSTEM_CLOCK, wait_until
from harness.load.arrivals import Shape, steady
from harness.load.generator import LoadError, LoadGenerator, argv
from harness.load.operations import Answer, Operation, Request, to_record
from harness.load.plan import LoadPlan
from harness.recording.records import Outcome, Stream
from harness.recording.rundir import stream_path
from harness.stack import LOOPBACK, Address
from harness.stack.embedded.readiness import is_ready
from harness.stack.process import Readiness, ReadyKind
from harness.supervisor.ports import FIRST_PORT, LAST_PORT, is_free

ORDINARY = steady(300, seconds=5)
# More a second than any generator of one process can send, for long enough that a look at it every tenth of a second
# tells when it was done: how long it takes is how fast it can be.
AT_ONCE = steady(20_000, seconds=0.5)
_HEAD_START_NS = NS_PER_S // 5
_SETTLED_S = 60.0
_CPUCLOCK_SCHED = 2  # of linux/posix-timers.h: what the scheduler has given it, in nanoseconds


@dataclass(frozen=True, kw_only=True)
class Ping(Operation):
    """A request as large as a small order's."""

    @property
    def name(self) -> str:
        """What it is called in the recording."""
        return "ping"

    def request(self, number: int, rng: random.Random) -> Request:
        """Some JSON."""
        body = {
            "number": number,
            "items": [{"sku": f"sku-{rng.randint(1, 10)}", "quantity": rng.randint(1, 3)}],
        }
        return Request(method="POST", path="/", key=f"ping-{number:06d}", body=body)

    def outcome(self, answer: Answer) -> tuple[Outcome, Mapping[str, Any]]:
        """There is one answer only."""
        return (Outcome.OK if answer.status == 200 else Outcome.UNKNOWN), {}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run of the generator took.

    Attributes:
        cpu_us: Processor time of a request, in microseconds.
        per_s: Requests a second from the first one due to the last answer.
        late_ms_p99: How late the last thousand left.
    """

    cpu_us: float
    per_s: float
    late_ms_p99: float


def measure_recording_cost(*, pairs: int = 5) -> dict[str, Any]:
    """Measure with and without a recording, `pairs` times at 300/s and as often as fast as it goes.

    Returns:
        `cost_percent`: processor time that recording adds to a request at 300/s, in percent of a request's without: the
        median of `cost_percent_each`, one for each pair. `throughput_percent` and `throughput_percent_each`: how many
        more requests a second it manages with a recording, when all are due at once; below 0 when fewer. `ordinary`
        and `at_once` hold the `Cost` of each run behind them, by "recorded" and "unrecorded".

    Raises:
        LoadError: The generator did not do what it was told.
        DeadlineError: It did not come to an end.
    """
    with _trivial_server() as url:
        ordinary, at_once = (_runs(url, shape, pairs=pairs) for shape in (ORDINARY, AT_ONCE))
    cost = [_added_percent(recorded.cpu_us, without.cpu_us) for recorded, without in _paired(ordinary)]
    throughput = [_added_percent(recorded.per_s, without.per_s) for recorded, without in _paired(at_once)]
    return {
        "cost_percent": median(cost),
        "cost_percent_each": cost,
        "throughput_percent": median(throughput),
        "throughput_percent_each": throughput,
        "ordinary": ordinary,
        "at_once": at_once,
    }


def _runs(url: str, shape: Shape, *, pairs: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {"recorded": [], "unrecorded": []}
    for pair in range(pairs):
        # Whoever goes second finds warm caches: each goes second in turn.
        for kind in sorted(costs, reverse=bool(pair % 2)):
            costs[kind].append(_cost(url, shape, recorded=kind == "recorded"))
    return costs


def _paired(costs: Mapping[str, list[Cost]]) -> Iterator[tuple[Cost, Cost]]:
    return zip(costs["recorded"], costs["unrecorded"], strict=True)


def _added_percent(with_it: float, without: float) -> float:
    return 100 * (with_it - without) / without


def _cost(url: str, shape: Shape, *, recorded: bool) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        record = stream_path(Path(folder), Stream.OPERATIONS)
        plan = LoadPlan(
            operation=to_record(Ping()),
            shape=shape,
            base_url=url,
            seed=1,
            timeout_s=30.0,
            record=str(record) if recorded else "",
            control_port=_free_port(),
            in_flight_max=shape.count,
        )
        with _generator(plan, Path(folder)) as (process, load):
            before_s = _processor_s(process)
            start_ns = SYSTEM_CLOCK.now_ns() + _HEAD_START_NS
            load.start(at_ns=start_ns)
            state = load.wait_done(within_s=_SETTLED_S)
            took_s = (SYSTEM_CLOCK.now_ns() - start_ns) / NS_PER_S
            cpu_s = _processor_s(process) - before_s
        if state.ok != shape.count:
            raise LoadError(
                f"{state.ok} of {shape.count} requests were answered by a server that does nothing else: the figures "
                "would be about something else. Look for what else is using this machine."
            )
    return Cost(cpu_us=1e6 * cpu_s / shape.count, per_s=shape.count / took_s, late_ms_p99=state.late_ms_p99)


def _processor_s(process: psutil.Process) -> float:
    """Processor time of a process and its threads: on Linux by its own clock, elsewhere in ticks."""
    if sys.platform == "linux":
        # What clock_getcpuclockid(3) makes of a process id; Python's time module offers it for threads only.
        return time.clock_gettime(~process.pid << 3 | _CPUCLOCK_SCHED)
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _generator(plan: LoadPlan, folder: Path) -> Iterator[tuple[psutil.Process, LoadGenerator]]:
    plan_path = folder / "plan.json"
    plan_path.write_text(plan.to_json())
    load = LoadGenerator(Address(LOOPBACK, plan.control_port))
    with _process(*argv(plan_path)) as process:
        _await_port(process, plan.control_port)
        yield psutil.Process(process.pid), load


@contextmanager
def _trivial_server() -> Iterator[str]:
    port = _free_port()
    with _process(sys.executable, "-m", __name__, "--serve", str(port)) as process:
        _await_port(process, port)
        yield f"http://{LOOPBACK}:{port}"


@contextmanager
def _process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    def there() -> bool:
        if process.poll() is not None:
            raise LoadError(f"{process.args!r} ended with {process.returncode} before it answered")
        # Not `is_free`: it would bind the port for a moment, perhaps the very one in which the process wants it.
        return is_ready(Readiness(kind=ReadyKind.TCP, port=port))

    wait_until(there, within_s=30, what=f"port {port}")


def _free_port() -> int:
    """Anywhere, so that two benches that begin together seldom choose the same; if they do, one says so and ends."""
    ports = iter(lambda: random.SystemRandom().randrange(FIRST_PORT, LAST_PORT), None)
    return next(port for port in ports if is_free(port))


class _Answers(asyncio.Protocol):
    """Takes each piece that comes for a request: the generator sends one in one call, and none is large."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        del data
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answers, LOOPBACK, port, backlog=4_096)
    await server.serve_forever()


def main() -> None:
    """Measure and print, or be the server that it is measured against."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__name__}", description="What recording costs the generator."
    )
    parser.add_argument("--json", action="store_true", help="everything that was measured")
    parser.add_argument(
        "--pairs", type=int, default=5, help="how often to run each with a recording and without"
    )
    parser.add_argument("--serve", type=int, metavar="PORT", help="only be the server, until killed")
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(_serve(chosen.serve))
        return
    cost = measure_recording_cost(pairs=chosen.pairs)
    if chosen.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(cost), indent=2).decode() + "\n")
    else:
        for what, figure in (("processor time", "cost_percent"), ("requests a second", "throughput_percent")):
            each = ", ".join(f"{percent:+.1f}" for percent in cost[f"{figure}_each"])
            sys.stdout.write(f"recording changes the generator's {what} by {cost[figure]:+.1f} % ({each})\n")


if __name__ == "__main__":
    # By its own name, or its operation would belong to a module that the generator cannot import.
    importlib.import_module("harness.load.bench").main()
