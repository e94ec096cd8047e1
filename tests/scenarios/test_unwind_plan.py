"""The drill that fails every step in every way has its faults in an order that can work, in every profile."""

from typing import Any

import pytest

from harness.faults.schedule import FaultPlan
from scenarios.profiles import CI, GUIDE, Profile
from scenarios.sagas.test_unwind import killed, plan, released, silent_inventory, silent_payments


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
    measured_s = 1.0  # what it takes to see a silence is part of it, and not of its time
    assert inventory.for_s + measured_s > named.timers.inventory_timeout_s
    assert payments.for_s >= 2 * named.timers.payment_timeout_s


def test_what_is_released_by_hand_is_so_before_payments_answer_again(named: Profile) -> None:
    planned = plan(named.timers)
    by_hand = next(item for item in planned if item.fault is released)
    payments = next(item for item in planned if item.fault is silent_payments)
    assert payments.for_s is not None
    assert payments.at_s < by_hand.at_s < payments.at_s + payments.for_s


def test_the_silence_outlasts_the_death_of_the_process(named: Profile) -> None:
    planned = plan(named.timers)
    death = next(item for item in planned if item.fault is killed)
    silences = [item for item in planned if item.fault in (silent_inventory, silent_payments)][2:]
    assert len(silences) == 2
    assert death.for_s is not None
    assert all(silence.at_s < death.at_s for silence in silences)
    assert all(silence.for_s is not None and silence.for_s > death.for_s for silence in silences)
