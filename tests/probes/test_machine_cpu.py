"""The processors' account, on this very machine."""

import subprocess
import sys

from harness.probes.machine_cpu import MachineCpu
from tests.probes.fake_target import stack_of

STACK = stack_of()


def _used_s() -> dict[str, float]:
    reading = MachineCpu().read(STACK, timeout_s=1)
    assert isinstance(reading, dict)
    return {name: float(value) for name, value in reading.items() if isinstance(value, int | float)}


def test_what_a_process_of_ours_used_is_ours_even_after_it_has_ended() -> None:
    before = _used_s()
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-I", "-S", "-c", spin], check=True, timeout=30)
    after = _used_s()
    assert after["ours_s"] - before["ours_s"] >= 0.2 - 0.02  # the kernel counts in hundredths
    assert after["busy_s"] - before["busy_s"] >= 0.2 - 0.05
    assert after["all_s"] > before["all_s"]


def test_not_more_is_used_than_there_is() -> None:
    reading = _used_s()
    assert 0 < reading["ours_s"] < reading["busy_s"] <= reading["all_s"]
