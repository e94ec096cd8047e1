"""What is read of the shop's Kafka where a drill takes brokers away, from the brokers themselves."""

from harness.checks.publishing import Log, Outbox
from harness.observing import Observation
from harness.probes.kafka_leaders import KafkaLeaders
from harness.probes.kafka_records import KafkaRecords
from harness.probes.sql import SqlTable
from scenarios.readings import observation

ORDER_EVENTS = "order-events"
TOPICS = (ORDER_EVENTS, "compensation-events")

LEADERS = KafkaLeaders(name="leaders", topics=TOPICS)
RECORDS = KafkaRecords(name="records", topics=TOPICS, headers=("event-id", "version"))
OUTBOX_ROWS = SqlTable(
    name="outbox",
    database="orders",
    query="select seq, event_id, topic, order_id, published_at is not null as published from outbox order by seq",
)

LOG = Log(reading=RECORDS.name, topic=ORDER_EVENTS)
OUTBOX = Outbox(reading=OUTBOX_ROWS.name)


def observation_with_kafka() -> Observation:
    """What is read in every drill, and of Kafka."""
    return observation(OUTBOX_ROWS, RECORDS, LEADERS, watching=(LEADERS,))
