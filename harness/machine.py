"""What this machine can give: memory, after a container's limit, and time.

A timer that is shorter than what the machine is late by measures the scheduler and not the target. How late it is is
measured before anything is started: later the heartbeat watches, and a stall makes claims about times INCONCLUSIVE.
"""

from pathlib import Path

import psutil

from harness.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from harness.errors import ConfigError

LEAST_TIMES_THE_DELAY = 10
_SLEEPS = 100
_SLEEP_S = 0.002
_GIB = 1 << 30
_CGROUP = Path("/sys/fs/cgroup")


def memory_gib() -> tuple[float, float]:
    """Available and total GiB, after a container's limit where there is one."""
    memory = psutil.virtual_memory()
    limit, used = cgroup("memory.max"), cgroup("memory.current")
    if not (limit.isdigit() and used.isdigit()):
        return memory.available / _GIB, memory.total / _GIB
    total = min(memory.total, int(limit))
    return max(0, min(memory.available, int(limit) - int(used))) / _GIB, total / _GIB


def cgroup(name: str) -> str:
    """What the container's control group says of a limit, or ""."""
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""


def wake_up_delay_s(clock: Clock = SYSTEM_CLOCK) -> float:
    """By how much a sleeper is woken late: the 90th percentile of a hundred short sleeps, 0.2 s in all.

    Not the worst: one late waking in a hundred is what the heartbeat is for.
    """
    delays = []
    for _ in range(_SLEEPS):
        began_ns = clock.now_ns()
        clock.sleep(_SLEEP_S)
        delays.append((clock.now_ns() - began_ns) / NS_PER_S - _SLEEP_S)
    return max(0.0, sorted(delays)[_SLEEPS * 9 // 10])


def refuse_timers_below(shortest_timer_s: float, delay_s: float) -> None:
    """Refuse a profile whose shortest timer this machine cannot keep.

    Raises:
        ConfigError: It is below ten times what the machine is late by.
    """
    if shortest_timer_s < LEAST_TIMES_THE_DELAY * delay_s:
        raise ConfigError(
            f"the profile's shortest timer is {shortest_timer_s:g} s, but this machine wakes a sleeper "
            f"{delay_s * 1e3:.0f} ms late: below {LEAST_TIMES_THE_DELAY} times that a drill measures the scheduler "
            "and not the target. Use --profile guide, or a machine with less to do."
        )
