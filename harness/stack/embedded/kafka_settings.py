"""What Kafka's nodes are told besides addresses, and why each differs from Kafka's default.

Most of it lets a failure be seen within seconds, or a broker live in a quarter of a gigabyte. Nothing of it makes
records safer than they are in a cluster as it comes, and one of three brokers may be missing, as usual.
"""

from collections.abc import Mapping

BROKERS_OWN: Mapping[str, str] = {
    # A topic that a typing error creates would hide a lost event.
    "auto.create.topics.enable": "false",
    # An out-of-sync leader loses acknowledged records: that would be our own setting's fault, not the
    # target's.
    "unclean.leader.election.enable": "false",
    # A consumer that restarts must not wait for companions, and may ask for short session time-outs.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    # One partition holds every group's offsets here; fifty would be fifty folders and a slower start.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "num.io.threads": "4",
    "background.threads": "2",
    # The cleaner's default buffer is half of our heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    # A replica that lags this long leaves the in-sync set, and a drill can see it leave.
    "replica.lag.time.max.ms": "3000",
}

# What brokers and controller must agree on.
SHARED: Mapping[str, str] = {
    # Threads are counted per listener, and there is a listener a client.
    "num.network.threads": "1",
    # A dead broker is noticed after this long: its partitions get another leader.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.recovery.threads.per.data.dir": "1",
}


def replication(replicas: int, min_insync: int) -> Mapping[str, str]:
    """Kafka's own topics are kept like everybody's: on all brokers, one of which may be missing."""
    kept, least = str(replicas), str(min_insync)
    return {
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": kept,
        "transaction.state.log.replication.factor": kept,
        "transaction.state.log.min.isr": least,
    }
