"""A machine that cannot keep a profile's timers is told so before anything is started."""

import pytest

from harness.errors import ConfigError
from harness.machine import refuse_timers_below, wake_up_delay_s


class LateClock:
    """Wakes sleepers late, now and then."""

    def __init__(self, late_s: float, every: int = 1) -> None:
        self.now_s, self.late_s, self.every, self.sleeps = 0.0, late_s, every, 0

    def now_ns(self) -> int:
        return round(self.now_s * 1e9)

    def wall_ns(self) -> int:
        return self.now_ns()

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now_s += seconds + (self.late_s if self.sleeps % self.every == 0 else 0.0)


def test_a_machine_that_is_always_late_is_measured() -> None:
    assert wake_up_delay_s(LateClock(0.06)) == pytest.approx(0.06)


def test_a_single_late_waking_is_left_to_the_heartbeat() -> None:
    assert wake_up_delay_s(LateClock(5.0, every=50)) == pytest.approx(0.0)


def test_a_profile_below_ten_times_the_delay_is_refused() -> None:
    refuse_timers_below(0.5, 0.05)
    with pytest.raises(
        ConfigError, match=r"shortest timer is 0.5 s, but this machine wakes a sleeper 60\s+ms late"
    ):
        refuse_timers_below(0.5, 0.06)
