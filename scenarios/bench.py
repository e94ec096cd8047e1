"""The figures that the README promises, measured here and written to docs/figures.md.

Not tests: a figure depends on the machine and on what else it is doing, so a bound in a test would be a false alarm
waiting to happen. Each figure is measured several times; the table gives the median, the range, how often, and how busy
others kept the machine just before: a figure from a crowded machine says more about the crowd.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil

from harness.clock import NS_PER_S, SYSTEM_CLOCK, wait_until
from harness.faults.network import AddedLatency
from harness.load.bench import measure_recording_cost
from harness.narration import Silence
from harness.settings import Settings
from harness.stack.embedded.artifacts import CACHE_VARIABLE
from harness.stack.embedded.stack import EmbeddedStack
from harness.stack.embedded.starting import started
from harness.supervisor import processes
from scenarios.drill_bench import Course, courses_section, hold_all
from scenarios.figures import WATCHED_S, Figure, others_percent
from scenarios.judging_bench import judging_figures
from scenarios.page_bench import page_figures
from scenarios.proxy_bench import proxy_figures
from scenarios.shop import GOOD_CARD, ORDINARY_CLIENT

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "figures.md"
LATENCIES_MS = (5, 50, 200, 1000)
# The bound of a small one is what two busy cores do to a round trip now and then.
OFTENER_MS, OFTENER = 50, 5
LATENCY_LINKS = ("payments->provider", "orders->postgres", "orders->kafka-1")
MEMORY_READINGS, ORDERS_BETWEEN = 5, 20
MIB = 1024 * 1024
DRILL = str(Path(sys.executable).with_name("drill"))


def place_order(url: str) -> bool:
    """Whether one order is accepted."""
    order = {
        "customer_id": "bench",
        "items": [{"sku": "sku-1", "quantity": 1}],
        "amount_cents": 100,
        "card": GOOD_CARD,
    }
    try:
        answer = httpx.post(
            f"{url}/api/v1/orders",
            json=order,
            headers={"X-Client-ID": ORDINARY_CLIENT},  # anybody else is soon refused, by the rate limit
            timeout=5,
            trust_env=False,
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 202


def place_accepted(url: str) -> None:
    """One order.

    Raises:
        RuntimeError: It was not accepted: what is measured beside it would be the figure of something else.
    """
    if not place_order(url):
        raise RuntimeError("an order was not accepted, with nothing broken")


def command_to_first_order(environment: Mapping[str, str] | None = None) -> float:
    """Seconds from typing `drill up` to the first accepted order; the stack is ended again."""
    began_ns = SYSTEM_CLOCK.now_ns()
    up = subprocess.run(
        [DRILL, "up", "--lease", "10", "--json"],
        check=True,
        stdout=subprocess.PIPE,  # what goes wrong is told on the terminal
        text=True,
        env=os.environ | dict(environment or {}),
        timeout=900,
    )
    stack = json.loads(up.stdout)
    try:
        wait_until(lambda: place_order(stack["entry"]), within_s=30, what="the first order", every_s=0.02)
        return (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
    finally:
        subprocess.run([DRILL, "down", stack["run_id"]], check=True, stdout=subprocess.DEVNULL, timeout=60)


def empty_caches(folder: Path) -> dict[str, str]:
    """An environment in which nothing has been fetched, by us or by the clients that we fetch with.

    Go's caches are missing here because Toxiproxy is always built with empty ones.
    """
    return {
        CACHE_VARIABLE: str(folder / "drillbook"),
        "PIP_NO_CACHE_DIR": "1",
        "MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} -Dmaven.repo.local={folder / 'maven'}",
    }


def memory_mib(stack: EmbeddedStack) -> float:
    """Memory of the whole stack, with its data if that lies in memory.

    Pages that processes share count once, where the system can tell (Linux).
    """

    def of(process: psutil.Process) -> float:
        info = process.memory_full_info()
        return float(getattr(info, "pss", info.rss)) / MIB

    folder = stack.supervisor.folder
    of_processes = sum(of(process) for process in processes.belonging_to(*folder.places))
    return of_processes + (_taken_mib(folder.data.resolve()) if folder.data.is_symlink() else 0.0)


def _taken_mib(folder: Path) -> float:
    """What the files in a folder take, without the holes in them."""
    return sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512 / MIB


def warm_figure(runs: int) -> Figure:
    """How long a start takes once everything has been fetched."""
    return Figure(
        what="warm: `drill up` to the first accepted order, three brokers",
        wanted="≤ 10 s",
        most=10,
        unit="s",
        others_percent=others_percent(),
        values=tuple(command_to_first_order() for _ in range(runs)),
    )


def cold_figure(runs: int) -> Figure:
    """How long it takes when everything must be fetched and built. The Python environment is there already."""
    busy, took_s = others_percent(), []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            Path(folder).chmod(0o755)  # PostgreSQL, as root, runs as somebody else
            took_s.append(command_to_first_order(empty_caches(Path(folder))))
    return Figure(
        what="cold: the same with every cache empty",
        wanted="≤ 180 s",
        most=180,
        unit="s",
        others_percent=busy,
        values=tuple(took_s),
    )


def memory_figure(stack: EmbeddedStack, *, busy: float) -> Figure:
    """Memory while orders are placed."""
    values = []
    for _ in range(MEMORY_READINGS):
        for _ in range(ORDERS_BETWEEN):
            place_accepted(stack.entry.url)
        values.append(memory_mib(stack))
    return Figure(
        what=f"memory of the stack, after each {ORDERS_BETWEEN} orders",
        wanted="≤ 2560 MiB",
        most=2560,
        unit="MiB",
        others_percent=busy,
        values=tuple(values),
    )


def latency_figures(stack: EmbeddedStack, *, runs: int, busy: float) -> list[Figure]:
    """Asked and added latency on links of three protocols."""
    figures = []
    for link in LATENCY_LINKS:
        for asked_ms in LATENCIES_MS:
            allowed_ms = max(2.0, 0.05 * asked_ms)
            figures.append(
                Figure(
                    what=f"latency added on {link}, {asked_ms} ms asked",
                    wanted=f"{asked_ms} ± {allowed_ms:g} ms",
                    least=asked_ms - allowed_ms,
                    most=asked_ms + allowed_ms,
                    unit="ms",
                    others_percent=busy,
                    values=tuple(
                        _added_ms(stack, AddedLatency(link=link, latency_ms=asked_ms))
                        for _ in range(runs * (OFTENER if asked_ms <= OFTENER_MS else 1))
                    ),
                )
            )
    return figures


def _added_ms(stack: EmbeddedStack, fault: AddedLatency) -> float:
    with ExitStack() as healing:
        healing.callback(fault.heal, stack)
        return float(fault.inject(stack).measured["measured_ms"])


def recording_figure() -> Figure:
    """What recording costs the generator; `harness.load.bench` says how that is measured."""
    busy = others_percent()
    return Figure(
        what="processor time that recording adds to a request of the generator",
        wanted="≤ 15 %",
        most=15,
        unit="%",
        others_percent=busy,
        values=tuple(map(float, measure_recording_cost()["cost_percent_each"])),
    )


def measure(*, cold: int, runs: int) -> tuple[list[Figure], list[Course]]:
    """All figures, one after the other, and the course of each drill's faults.

    Args:
        cold: How often to start with empty caches.
        runs: How often to measure what can be measured often.
    """
    figures = [warm_figure(runs)]
    if cold:
        figures.append(cold_figure(cold))
    busy = others_percent()
    settings = Settings()
    with started(settings.make_target(), settings=settings, narrator=Silence()) as stack:
        figures.append(memory_figure(stack, busy=busy))
        figures += proxy_figures(stack, LATENCY_LINKS, place_accepted, busy=busy)
        figures += latency_figures(stack, runs=runs, busy=busy)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        held, courses = hold_all(Path(folder))
    return [*figures, recording_figure(), *held, *judging_figures(runs), *page_figures(runs)], courses


def document(figures: Sequence[Figure], courses: Sequence[Course] = ()) -> str:
    """The page."""
    memory_gib = psutil.virtual_memory().total / (1 << 30)
    machine = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}"
    )
    how = (
        "*Measured* is the median of so many *runs*, *range* all of them. *Others* is how much of the machine's "
        f"processors was in use for {WATCHED_S:g} s just before, when nothing of ours ran. A bound is *kept* by the "
        "median; if not by every run, by how many. Memory counts pages that processes share once."
    )
    head = ("| what | wanted | measured | range | runs | others | kept |", "|---|---|---|---|---|---|---|")
    rows = [figure.row for figure in figures]
    return "\n".join(
        [
            "# Figures",
            "",
            f"Written by `make bench` on {machine}.",
            "",
            how,
            "",
            *head,
            *rows,
            "",
            *courses_section(courses),
        ]
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description="Measure what the README promises.")
    parser.add_argument(
        "--cold", type=int, default=1, help="starts with empty caches, which fetch everything (default: 1)"
    )
    parser.add_argument("--runs", type=int, default=3, help="measurements of anything else (default: 3)")
    chosen = parser.parse_args()
    page = document(*measure(cold=chosen.cold, runs=chosen.runs))
    DOCUMENT.write_text(page, encoding="utf-8")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
