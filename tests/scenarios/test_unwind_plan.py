"""The drill that fails every step in every way has its faults in an order that can work, in every profile."""

from typing import Any

import pytest

from harness.faults.dead_links import BlackHole
from harness.faults.schedule import FaultPlan
from scenarios.profiles import CI, GUIDE, Profile
from scenarios.sagas.test_unwind import (
    SLOW_MS,
    killed,
    plan,
    released,
    silent_inventory,
    silent_payments,
    slow,
)
from target_app.service.retry import RetrySettings


@pytest.fixture(params=[CI, GUIDE], ids=lambda named: named.name)
def named(request: Any) -> Profile:
    found: Profile = request.param
    return found


def test_the_faults_are_all_within_the_impact(named: Profile) -> None:
    assert FaultPlan(planned=tuple(plan(named.timers)), impact_s=named.unwind.impact_s).planned


def test_a_silence_is_longer_than_the_patience_of_those_who_ask(named: Profile) -> None:
    planned = plan(named.timers)
    inventory = next(item for item in planned if item.fault is silent_inventory)
    payments = next(item for item in planned if item.fault is silent_payments)
    assert inventory.for_s is not None
    assert payments.for_s is not None
    measured_s = 3 * SLOW_MS / 1000  # it takes as much to see a silence, which is no part of its time
    pause_s = RetrySettings().retry_wait_duration_s
    assert inventory.for_s + measured_s > named.timers.inventory_timeout_s
    assert payments.for_s + measured_s > named.timers.payment_timeout_s + pause_s


def test_what_is_released_by_hand_is_so_before_payments_answer_again(named: Profile) -> None:
    planned = plan(named.timers)
    by_hand = next(item for item in planned if item.fault is released)
    payments = next(item for item in planned if item.fault is silent_payments)
    assert payments.for_s is not None
    # Two looks at a slow link, each of two round trips in a row, come before the silence, and one of three into it.
    silent_s = payments.at_s + 4 * SLOW_MS / 1000
    answering_s = silent_s + 3 * SLOW_MS / 1000 + payments.for_s
    assert silent_s < by_hand.at_s < answering_s - 1


def test_the_silence_outlasts_the_death_of_the_process(named: Profile) -> None:
    planned = plan(named.timers)
    death = next(item for item in planned if item.fault is killed)
    silences = [item for item in planned if item.fault in (silent_inventory, silent_payments)][2:]
    assert len(silences) == 2
    assert death.for_s is not None
    assert all(silence.at_s < death.at_s for silence in silences)
    assert all(silence.for_s is not None and silence.for_s > death.for_s for silence in silences)


def test_links_are_slow_in_no_two_parts_at_once_and_around_each_silence(named: Profile) -> None:
    """A fault of the same kind that is there already is refused, and what heals in a silence cannot be seen to."""
    planned = plan(named.timers)
    for fault in slow:
        parts = [item for item in planned if item.fault is fault]
        ends_s = [item.at_s + (item.for_s or 0) for item in parts]
        assert all(later.at_s > end_s + 1 for later, end_s in zip(parts[1:], ends_s, strict=False))
    for silence in (item for item in planned if isinstance(item.fault, BlackHole)):
        around = [item for item in planned if item.fault in slow and item.at_s <= silence.at_s]
        assert around[-1].at_s + (around[-1].for_s or 0) > silence.at_s + (silence.for_s or 0) + 1
