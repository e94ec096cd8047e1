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
    # A look at a slow link, of two round trips in a row, comes before the silence, and one for three of them into it.
    silent_s = payments.at_s + 2 * SLOW_MS / 1000
    answering_s = silent_s + 3 * SLOW_MS / 1000 + payments.for_s
    assert silent_s < by_hand.at_s < answering_s - 1


def test_the_process_is_lost_when_all_answers_again_and_with_time_to_wait_for_its_moment(
    named: Profile,
) -> None:
    planned = plan(named.timers)
    death = next(item for item in planned if item.fault is killed)
    silences = [item for item in planned if isinstance(item.fault, BlackHole)]
    assert all(item.at_s + (item.for_s or 0) + 2 < death.at_s for item in silences)
    assert death.at_s + killed.moment.within_s / 4 + (death.for_s or 0) <= named.unwind.impact_s
    around = [item for item in planned if item.fault in slow]
    assert [(item.at_s, item.for_s) for item in around] == [(0.0, None)] * len(slow), "slow all the time"
