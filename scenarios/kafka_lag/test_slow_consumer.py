"""A consumer takes ten times as long for each record, while more come than it can work on.

The guide has an alarm for it, `high-consumer-lag`: more than 1000 on average in two periods of five minutes. What it is
worth depends on what it is fed with. Kafka counts from what the consumer has committed, and the consumer adds up what
it publishes itself; either may leave out what customers are waiting for, and nothing looks so well as a lag of zero.

Its threshold and its two periods are the guide's in every profile. The metric it names is a time and the threshold a
number of messages, so it is held on the number of messages here.
"""

from dataclasses import replace

import pytest

from harness.checks import Claim, Evidence, Kind, Missing
from harness.checks.alarms import AlarmClears, AlarmGoesOff, LagAlarm
from harness.checks.evidence import HealthyBefore
from harness.checks.lag import BacklogDrains, FallsBehind, LagPasses, MetricTellsLag, OffsetsFollowEffects
from harness.checks.lag_log import Effects, Group, LagMetric
from harness.checks.lag_silence import MetricIsTold
from harness.checks.machine import MachineCalm
from harness.checks.redelivery import ToldOnce
from harness.faults.republished import Republished
from harness.faults.schedule import Planned
from harness.faults.slow_consumer import SlowConsumer
from harness.models.alarm import AlarmConfig, Comparison, Statistic
from harness.probes.actuator import ActuatorMetric
from harness.probes.sql import SqlTable
from harness.recording.records import Phase
from harness.runner import Chaos, Load
from scenarios.claims import ORDERS, PLACE_ORDER, STALL_MS_MAX, bounded, had_its_time, universal
from scenarios.kafka import ORDER_EVENTS, RECORDS
from scenarios.profiles import Profile
from scenarios.readings import CONFIRMATIONS, LAG, observation
from scenarios.shop import PlaceOrder

RATE_PER_S = 15.0
GUIDE = "Kafka Consumer Lag"
ALARM = "high-consumer-lag"
THRESHOLD = 1000
# What two seconds of load bring: in a consumer that keeps up, no more than this is ever on its way.
CAUGHT_UP = 60
# To publish again leaves nothing to be undone.
REPLAY_LASTS_S = 1.0
# The consumer looks at most so much later than it is configured to: while a query takes long, or a commit.
LOOK_LATE_S = 1.0
# It asks brokers that have not answered again after two seconds: so long it knows of no lag, and may twice in a row.
SILENT_S_MAX = 5.0

LAG_METRIC = ActuatorMetric(
    name="lag_metric", service="order-consumer", metric="kafka.consumer.fetch.manager.records.lag"
)
EFFECT_TIMES = SqlTable(
    name="effect_times",
    database="views",
    query="select partition, kafka_offset, extract(epoch from applied_at)::float8 * 1000 as applied_ms "
    "from applied_events order by seq",
)

healthy = HealthyBefore(operation=PLACE_ORDER)
slow = SlowConsumer(link="order-consumer->postgres", group=LAG.group, topic=ORDER_EVENTS)
group = Group(reading=LAG.name, topic=ORDER_EVENTS)
effects = Effects(reading=EFFECT_TIMES.name, records=RECORDS.name, topic=ORDER_EVENTS)
behind = FallsBehind(group=group, effects=effects, fault=slow.title, at_least=THRESHOLD + 1)
# What must be seen to happen cannot where the consumer was never behind: without it nobody is guilty, either.
made_behind = replace(behind, if_missing=Missing.BOTH)


@pytest.mark.scenario("lag-slow-consumer", guide=GUIDE, gate=True)
@pytest.mark.detects("lag-of-one-partition", by="high-consumer-lag-goes-off-in-time")
@pytest.mark.detects("lag-outliers-are-dropped", by="lag-metric-is-told")
@pytest.mark.detects("commit-before-effect", by="lag-counts-what-waits")
@pytest.mark.detects("confirmation-per-delivery", by="customers-are-told-once")
def test_a_consumer_that_falls_behind_is_told_of_in_time_and_catches_up(
    chaos: Chaos, profile: Profile
) -> None:
    """Orders alone would need many minutes to make a backlog of a thousand, so events are replayed while it is slow.

    A replay is what fills a topic in an instant in earnest, too. Nothing of it is new, so that everything which must
    hold of the orders must hold all the same; and two periods of the alarm are far longer than a consumer which is not
    slow would need for it.
    """
    phases = profile.falling_behind
    replayed = Republished(topic=ORDER_EVENTS, records=profile.replayed, per_s=profile.replayed_per_s)
    metric = LagMetric(reading=LAG_METRIC.name, age_s_max=profile.timers.lag_look_s + LOOK_LATE_S)
    alarm = LagAlarm(
        config=AlarmConfig(
            statistic=Statistic.AVERAGE,
            period_s=profile.alarm_period_s,
            evaluation_periods=2,
            threshold=THRESHOLD,
            comparison=Comparison.GREATER,
        ),
        metric=metric,
        group=group,
    )
    # What is told is compared with what it can have been, however crowded the machine is. Only where all stood still
    # the consumer may not have looked for longer than that reaches back.
    looked: tuple[Evidence, ...] = (
        healthy,
        behind,
        MachineCalm(
            phases=(Phase.STEADY, Phase.IMPACT, Phase.HEAL),
            max_stall_ms=STALL_MS_MAX,
            if_missing=Missing.EXCUSES,
        ),
    )
    chaos.run(
        load=Load(operation=PlaceOrder(), rate_per_s=RATE_PER_S),
        faults=[
            Planned(fault=slow),
            # What a record takes is measured until then, and that needs a consumer with little to do.
            Planned(fault=replayed, after=slow, for_s=REPLAY_LASTS_S),
        ],
        phases=phases,
        claims=(
            *universal(phases, RATE_PER_S),
            Claim(
                id="lag-passes-1000",
                sentence="When more records come than take effect, the group's lag passes 1000.",
                source=GUIDE,
                check=LagPasses(group=group, fault=slow.title, above=THRESHOLD),
                counts_only_if=(healthy, made_behind),
                kind=Kind.LIVENESS,
            ),
            Claim(
                id="lag-counts-what-waits",
                sentence="No offset is committed before its event took effect: whatever waits is in the lag.",
                source=GUIDE,
                check=OffsetsFollowEffects(group=group, effects=effects),
                counts_only_if=(healthy, behind),
                kind=Kind.SAFETY,
            ),
            Claim(
                id="lag-metric-tells-the-lag",
                sentence="The lag that the consumer publishes is what Kafka knows, over all its partitions.",
                source=GUIDE,
                check=MetricTellsLag(metric=metric, group=group, behind=THRESHOLD),
                counts_only_if=looked,
                kind=Kind.RATE,
            ),
            Claim(
                id="lag-metric-is-told",
                sentence="While the consumer is behind, it is never silent about its lag for long.",
                source=GUIDE,
                check=MetricIsTold(
                    metric=metric, group=group, behind=CAUGHT_UP + 1, silent_s_max=SILENT_S_MAX
                ),
                # Brokers that are kept from answering by somebody else keep it silent.
                counts_only_if=(healthy, behind, *bounded(phases, RATE_PER_S)),
                kind=Kind.RATE,
            ),
            Claim(
                id=f"{ALARM}-goes-off-in-time",
                sentence=f"{ALARM} goes off with the second period above 1000 on average, and not before.",
                source=GUIDE,
                check=AlarmGoesOff(alarm=alarm, fault=slow.title),
                counts_only_if=looked,
                kind=Kind.RATE,
            ),
            Claim(
                id=f"{ALARM}-clears",
                sentence=f"{ALARM} is over with the first period that is not above 1000, once the consumer is well.",
                source=GUIDE,
                check=AlarmClears(alarm=alarm, fault=slow.title),
                counts_only_if=looked,
                kind=Kind.RATE,
            ),
            Claim(
                id="backlog-is-drained",
                sentence="Once each record takes as long as before, the backlog is drained while orders go on coming.",
                source=GUIDE,
                check=BacklogDrains(group=group, fault=slow.title, caught_up=CAUGHT_UP),
                counts_only_if=(healthy, behind, *bounded(phases, RATE_PER_S)),
                kind=Kind.RATE,
            ),
            Claim(
                id="customers-are-told-once",
                sentence="Customers are told once that their order is confirmed, also of events that were replayed.",
                source=GUIDE,
                check=ToldOnce(orders=ORDERS, told=CONFIRMATIONS.name),
                counts_only_if=(healthy, behind, had_its_time(phases)),
                kind=Kind.LIVENESS,
            ),
        ),
        observing=observation(CONFIRMATIONS, EFFECT_TIMES, RECORDS, watching=(LAG_METRIC,)),
    )
