"""How long things take: `guide` uses the guide's own durations, `ci` compresses the waits.

A profile divides timers only. Counts, sizes, rates and thresholds are the guide's in both, since they are what is
proven. A compressed timer must stay far above what the machine itself is late by, or a drill would measure the
scheduler: the harness measures that first and refuses such a profile.
"""

from dataclasses import dataclass, fields

from harness.errors import ConfigError
from harness.phases import Phases


@dataclass(frozen=True, kw_only=True)
class ShopTimers:
    """Durations that the sample shop is configured with. Defaults are the guide's, where it names one.

    Attributes:
        saga_timeout_s: "saga timeout policies (10 minutes max)": then a saga is compensated.
        saga_stuck_after_s: "stuck sagas (> 5 minutes in progress)".
        breaker_wait_s: wait-duration-in-open-state.
        breaker_slow_call_s: slow-call-duration-threshold.
        inventory_timeout_s: How long orders waits for inventory; the guide names none.
        payment_timeout_s: How long orders waits for payments; the guide names none.
        provider_timeout_s: How long payments waits for the provider; below payment_timeout_s, or the caller
            would be gone before the callee has answered (the guide's time-out mismatch).
        saga_lease_s: After which a saga whose process died is taken up by another.
        saga_retry_most_s: Longest pause between two tries of a compensation.
        queue_look_s: Pause between two looks into the payment queue.
        queue_retry_s: Pause between two tries of one queued payment.
        rate_limit_period_s: After which a client's tokens come back: "limit = 100, period = 1m".
        session_timeout_s, heartbeat_s, max_poll_s: The consumer's settings of the same names.
        lag_look_s: Pause between two looks of a consumer at how far it is behind; the guide names none.
    """

    saga_timeout_s: float = 600.0
    saga_stuck_after_s: float = 300.0
    breaker_wait_s: float = 60.0
    breaker_slow_call_s: float = 2.0
    inventory_timeout_s: float = 2.0
    payment_timeout_s: float = 5.0
    provider_timeout_s: float = 4.0
    saga_lease_s: float = 10.0
    saga_retry_most_s: float = 30.0
    queue_look_s: float = 1.0
    queue_retry_s: float = 5.0
    rate_limit_period_s: float = 60.0
    session_timeout_s: float = 30.0
    heartbeat_s: float = 3.0
    max_poll_s: float = 300.0
    lag_look_s: float = 1.0

    @property
    def shortest_s(self) -> float:
        """The shortest of them: what the machine must be able to keep."""
        return min(float(getattr(self, item.name)) for item in fields(self))


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One table of durations.

    Attributes:
        timers: The shop's.
        steady: Phases of a drill without a fault.
        crash: Phases in which a consumer falls behind, is killed, and joins its group again.
        flooded: Phases in which far more is asked for than can be done.
        limited: Phases in which one client asks for too much, before a refill of its bucket and after.
        flapping: Phases in which a breaker opens, probes and opens again, several times.
        outage: Phases of two outages of the provider.
        outages_s: How long it is lost the first time, which is longer than the saga's limit, and the second time,
            which ends with the impact.
        unwind: Phases in which each step of a saga fails in every way it can.
        leader_lost: Phases of a drill that loses two leaders one after the other.
        leader_away_s: How long each is away: longer than another may take to be elected.
        falling_behind: Phases in which a consumer is slowed, falls behind, stays there for longer than an alarm waits,
            and catches up.
        alarm_period_s: `--period` of the guide's alarm on lag.
        replayed: How many records are published again while the consumer is slow: it has to be behind for all of the
            time that an alarm waits, also where that is long.
        replayed_per_s: How fast.
        settle_after_heal_s: By when orders left pending must be confirmed once the provider is back: the breaker's
            wait, one look into the queue, and the queue's own draining at the permitted calls.
        limit_slack_s: How much later than its limit a saga may be found expired.
    """

    name: str
    timers: ShopTimers
    steady: Phases
    crash: Phases
    flooded: Phases
    limited: Phases
    flapping: Phases
    outage: Phases
    outages_s: tuple[float, float]
    unwind: Phases
    leader_lost: Phases
    leader_away_s: float
    falling_behind: Phases
    alarm_period_s: float
    replayed: int
    replayed_per_s: float
    settle_after_heal_s: float
    limit_slack_s: float


GUIDE = Profile(
    name="guide",
    timers=ShopTimers(),
    steady=Phases(warm_up_s=30, steady_s=60, impact_s=60, heal_s=60, converge_s=900, quiet_s=60),
    crash=Phases(warm_up_s=30, steady_s=60, impact_s=60, heal_s=120, converge_s=900, quiet_s=60),
    flooded=Phases(warm_up_s=30, steady_s=60, impact_s=60, heal_s=60, converge_s=900, quiet_s=60),
    limited=Phases(warm_up_s=30, steady_s=60, impact_s=70, heal_s=60, converge_s=900, quiet_s=60),
    flapping=Phases(warm_up_s=30, steady_s=60, impact_s=300, heal_s=180, converge_s=900, quiet_s=60),
    outage=Phases(warm_up_s=30, steady_s=60, impact_s=930, heal_s=180, converge_s=1500, quiet_s=630),
    outages_s=(660.0, 120.0),
    unwind=Phases(warm_up_s=30, steady_s=60, impact_s=200, heal_s=120, converge_s=900, quiet_s=60),
    leader_lost=Phases(warm_up_s=30, steady_s=60, impact_s=180, heal_s=120, converge_s=900, quiet_s=60),
    leader_away_s=40.0,
    falling_behind=Phases(warm_up_s=30, steady_s=60, impact_s=1200, heal_s=900, converge_s=900, quiet_s=60),
    alarm_period_s=300.0,
    replayed=110_000,
    replayed_per_s=800.0,
    settle_after_heal_s=180.0,
    limit_slack_s=30.0,
)

CI = Profile(
    name="ci",
    timers=ShopTimers(
        saga_timeout_s=14.0,
        saga_stuck_after_s=7.0,
        breaker_wait_s=2.0,
        breaker_slow_call_s=1.0,
        payment_timeout_s=1.5,
        provider_timeout_s=1.0,
        saga_lease_s=3.0,
        saga_retry_most_s=2.0,
        queue_look_s=0.5,
        queue_retry_s=0.5,
        rate_limit_period_s=6.0,
        session_timeout_s=6.0,
        heartbeat_s=1.0,
        max_poll_s=30.0,
        lag_look_s=0.5,
    ),
    steady=Phases(warm_up_s=3, steady_s=8, impact_s=4, heal_s=14, converge_s=40, quiet_s=3),
    crash=Phases(warm_up_s=3, steady_s=7, impact_s=8, heal_s=17, converge_s=40, quiet_s=3),
    flapping=Phases(warm_up_s=3, steady_s=7, impact_s=10, heal_s=15, converge_s=40, quiet_s=3),
    outage=Phases(warm_up_s=3, steady_s=7, impact_s=29, heal_s=18, converge_s=60, quiet_s=15),
    outages_s=(20.0, 4.0),
    flooded=Phases(warm_up_s=3, steady_s=11.5, impact_s=6, heal_s=21, converge_s=40, quiet_s=3),
    limited=Phases(warm_up_s=3, steady_s=7, impact_s=7, heal_s=14, converge_s=40, quiet_s=3),
    unwind=Phases(warm_up_s=3, steady_s=6.5, impact_s=18.5, heal_s=15, converge_s=40, quiet_s=3),
    leader_lost=Phases(warm_up_s=3, steady_s=7, impact_s=19, heal_s=17, converge_s=40, quiet_s=3),
    leader_away_s=6.0,
    falling_behind=Phases(warm_up_s=3, steady_s=5, impact_s=28, heal_s=10, converge_s=40, quiet_s=3),
    alarm_period_s=2.0,
    replayed=2_000,
    replayed_per_s=800.0,
    settle_after_heal_s=10.0,
    limit_slack_s=3.0,
)

PROFILES = {profile.name: profile for profile in (CI, GUIDE)}


def profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ConfigError: There is none.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigError(
            f"there is no profile {name!r}: {' or '.join(PROFILES)} was wanted. `guide` keeps the guide's durations, "
            "`ci` compresses the waits."
        ) from None
