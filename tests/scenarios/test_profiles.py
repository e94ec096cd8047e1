"""A profile compresses waits and nothing else, and never further than the machine can keep."""

from dataclasses import fields

import pytest

from harness.checks.steady import OPERATIONS_MIN
from harness.errors import ConfigError
from harness.phases import Phases
from scenarios.claims import AT_THE_END
from scenarios.kafka_lag.test_slow_consumer import RATE_PER_S, THRESHOLD
from scenarios.limits.greedy_client import BURST, HELD_BACK
from scenarios.profiles import CI, GUIDE, ShopTimers, profile

# Orders a second in the drill that these phases are of; 10 in all others.
RATES_PER_S = {"falling_behind": RATE_PER_S}
USUAL_RATE_PER_S = 10.0
SLOWEST_HEALING_S = 2.0
EVENTS_PER_ORDER = 2
SLOWED_WITHIN_S = 19.0
QUICKEST_RECORD_S = 0.001


def test_the_guide_profile_has_the_guides_own_figures() -> None:
    timers = GUIDE.timers
    assert (timers.saga_timeout_s, timers.saga_stuck_after_s) == (600, 300)
    assert (timers.breaker_wait_s, timers.breaker_slow_call_s) == (60, 2)
    assert (timers.session_timeout_s, timers.heartbeat_s, timers.max_poll_s) == (30, 3, 300)


def test_the_ci_profile_lengthens_nothing() -> None:
    longer = [
        item.name
        for item in fields(ShopTimers)
        if getattr(CI.timers, item.name) > getattr(GUIDE.timers, item.name)
    ]
    assert longer == []


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_time_outs_are_in_an_order_that_can_work(named: object) -> None:
    timers = getattr(named, "timers")  # noqa: B009 - one parameter for both profiles
    assert timers.provider_timeout_s < timers.payment_timeout_s < timers.saga_timeout_s
    assert timers.heartbeat_s <= timers.session_timeout_s / 3
    assert timers.saga_stuck_after_s < timers.saga_timeout_s


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_the_final_reading_comes_after_the_longest_time_out(named: object) -> None:
    found = profile(getattr(named, "name"))  # noqa: B009 - see above
    assert found.outage.quiet_s > found.timers.saga_timeout_s


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_one_outage_is_too_long_for_its_first_orders_and_another_for_none(named: object) -> None:
    found = profile(getattr(named, "name"))  # noqa: B009 - see above
    long_s, short_s = found.outages_s
    assert long_s > found.timers.saga_timeout_s + found.limit_slack_s
    assert short_s + found.settle_after_heal_s <= found.timers.saga_timeout_s
    assert found.outage.impact_s - long_s - short_s > found.timers.breaker_wait_s


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_what_is_left_on_its_way_has_had_longer_than_any_limit(named: object) -> None:
    found = profile(getattr(named, "name"))  # noqa: B009 - see above
    timers = found.timers
    longest_request_s = max(timers.payment_timeout_s, timers.provider_timeout_s)
    given_up_s = timers.saga_timeout_s + found.limit_slack_s
    undone_s = timers.saga_lease_s + timers.saga_retry_most_s + longest_request_s
    for phases in (found.steady, found.outage):
        assert phases.quiet_s > longest_request_s
        assert phases.converge_s > given_up_s + undone_s


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_a_client_that_asks_for_too_much_has_done_so_when_the_impact_ends(named: object) -> None:
    found = profile(getattr(named, "name"))  # noqa: B009 - see above
    assert found.limited.steady_s > HELD_BACK * found.timers.rate_limit_period_s
    assert found.limited.impact_s > BURST * found.timers.rate_limit_period_s


def test_the_shortest_timer_is_what_the_machine_must_keep() -> None:
    assert CI.timers.shortest_s == min(CI.timers.queue_look_s, CI.timers.queue_retry_s)


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="ci or guide"):
        profile("fast")


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_what_is_compared_at_the_end_is_enough_although_healing_takes_its_time(named: object) -> None:
    """A phase of healing begins when the faults are told to go, and of ten orders a second every one counts."""
    found = profile(getattr(named, "name"))  # noqa: B009 - see above
    every = {item.name: getattr(found, item.name) for item in fields(found)}
    assert every.keys() >= RATES_PER_S.keys()
    for name, phases in every.items():
        if isinstance(phases, Phases):
            rate_per_s = RATES_PER_S.get(name, USUAL_RATE_PER_S)
            left_s = (phases.heal_s - SLOWEST_HEALING_S) * AT_THE_END
            assert left_s * rate_per_s >= OPERATIONS_MIN, name
            assert phases.steady_s * rate_per_s > OPERATIONS_MIN, name


@pytest.mark.parametrize("named", [CI, GUIDE], ids=lambda named: named.name)
def test_an_alarm_on_lag_has_its_periods_while_the_consumer_is_behind_and_one_after(named: object) -> None:
    """Periods begin when they like, so two whole ones are certain only in three."""
    found = profile(getattr(named, "name"))  # noqa: B009 - see above
    rises_s = SLOWED_WITHIN_S + found.replayed / found.replayed_per_s
    assert found.falling_behind.impact_s > rises_s + 3 * found.alarm_period_s
    assert found.falling_behind.heal_s > 2 * found.alarm_period_s
    # The consumer works on while it is slow: with what a record takes in a shop on a busy machine, times ten.
    left = found.replayed - (found.falling_behind.impact_s - rises_s) / (10 * QUICKEST_RECORD_S)
    assert left + EVENTS_PER_ORDER * RATE_PER_S * found.falling_behind.impact_s > THRESHOLD


def test_the_guides_alarm_has_the_guides_period() -> None:
    assert GUIDE.alarm_period_s == 300
