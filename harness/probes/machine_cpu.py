"""Who the machine's processors worked for: the drill, or somebody else.

A machine that is shared with another job lets every process have its turn, so no heartbeat comes late, and yet all
work takes twice as long. That is not the target's doing. A target that spins keeps the processors busy as well, but
with its own processes; so the two are told apart.
"""

from dataclasses import dataclass

import psutil

from harness.probes import Json
from harness.stack import Stack


@dataclass(frozen=True, kw_only=True)
class MachineCpu:
    """Processor seconds since some moment long ago; only differences of two readings mean something.

    Reads `{"all_s": …, "busy_s": …, "ours_s": …}`: what there was on all cores together, what was used, and what
    was used by this process and everything it started, the ended ones included. Under virtualisation, time that
    was stolen by the host counts as used, by somebody else.
    """

    name: str = "machine_cpu"

    def read(self, stack: Stack, *, timeout_s: float) -> Json:
        """Look once. It takes some ten milliseconds and waits for nobody."""
        del stack, timeout_s
        times = psutil.cpu_times()
        # Linux counts what guests use in `user` as well.
        all_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        idle_s = times.idle + getattr(times, "iowait", 0.0)
        return {"all_s": all_s, "busy_s": all_s - idle_s, "ours_s": _ours_s()}


def _ours_s() -> float:
    """Of the whole tree, each with its children that have ended and were waited for."""
    this = psutil.Process()
    used_s = 0.0
    for process in [this, *this.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue  # it ended meanwhile: its parent has its times
        used_s += times.user + times.system + times.children_user + times.children_system
    return used_s
