"""How long `drill judge` takes over a large recording, and how much memory: the whole process, as a user calls it.

Of two shapes, told apart because one figure would hide the other. The bound is about a flood, in which most of the
operations are refused. Where every operation is an order the tables of the shop are what is large, and take more.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.clock import NS_PER_S, SYSTEM_CLOCK
from harness.errors import ExitCode
from scenarios.figures import Figure, others_percent
from scenarios.large_run import Shape, write_large_run

FLOOD = Shape(orders=30_000, refused=970_000)
# A tenth of the flood's operations, and three times its orders: what each of these costs can be told from both.
ORDERS_ONLY = Shape(orders=100_000, refused=0)
SECONDS_MAX, MIB_MAX = 5.0, 1024.0
# The kernel counts the peak in bytes on macOS, and in KiB everywhere else.
PEAKS_PER_MIB = 1024 * 1024 if sys.platform == "darwin" else 1024


def judging_figures(runs: int) -> list[Figure]:
    """Time and memory for each shape."""
    return [
        *_of_shape(FLOOD, "a flood", runs),
        *_of_shape(ORDERS_ONLY, "nothing but orders", runs),
    ]


def _of_shape(shape: Shape, what: str, runs: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        run_dir = Path(folder) / "run"
        write_large_run(run_dir, shape)
        busy = others_percent()
        judged = [judged_in(run_dir) for _ in range(runs)]
    told = f"judging {what}: {shape.operations:,} operations, {shape.orders:,} orders"
    seconds, mib = zip(*judged, strict=True)
    return [
        Figure(
            what=f"{told}; time",
            wanted=f"≤ {SECONDS_MAX:g} s",
            most=SECONDS_MAX,
            unit="s",
            others_percent=busy,
            values=seconds,
        ),
        Figure(
            what=f"{told}; peak memory",
            wanted=f"≤ {MIB_MAX:g} MiB",
            most=MIB_MAX,
            unit="MiB",
            others_percent=busy,
            values=mib,
        ),
    ]


def judged_in(run_dir: Path) -> tuple[float, float]:
    """Seconds and MiB at the peak of one `drill judge`, which has to come to PASS.

    Raises:
        RuntimeError: It came to something else: then it did not do all of the work.
    """
    began_ns = SYSTEM_CLOCK.now_ns()
    drill = subprocess.Popen(
        [Path(sys.executable).with_name("drill"), "judge", str(run_dir)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(drill.pid, 0)  # the only way to learn the peak of this child alone
    took_s = (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_S
    drill.returncode = os.waitstatus_to_exitcode(status)
    if drill.returncode != ExitCode.PASS:
        raise RuntimeError(f"an innocent recording was judged with exit code {drill.returncode}, wanted 0")
    return took_s, used.ru_maxrss / PEAKS_PER_MIB
