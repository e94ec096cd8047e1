"""A consumer's own word on how far it is behind: whole, of now, and nothing where it does not know."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from target_app.service.lag import GroupLag
from target_app.service.metrics import Metrics
from target_app.variants import Variant

NAME = "kafka.consumer.fetch.manager.records.lag"
NOTHING_COMMITTED = -1001


class Brokers:
    """What the brokers say of each partition: first offset, end, and what is committed."""

    def __init__(self, *said: tuple[int, int, int]) -> None:
        self.said = dict(enumerate(said))
        self.asked = 0
        self.trouble: Exception | None = None
        self.silent = False

    def assignment(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(topic="t", partition=number) for number in self.said]

    def get_watermark_offsets(self, place: Any, *, timeout: float) -> tuple[int, int] | None:
        del timeout
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return None if self.silent else self.said[place.partition][:2]

    def committed(self, places: list[Any], *, timeout: float) -> list[SimpleNamespace]:
        del timeout
        return [
            SimpleNamespace(topic="t", partition=place.partition, offset=self.said[place.partition][2])
            for place in places
        ]


def told(metrics: Metrics, *wanted: str) -> float | None:
    """What Actuator answers."""
    answer: Any = metrics.describe(NAME, wanted)
    return None if answer is None else answer["measurements"][0]["value"]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def lag(metrics: Metrics) -> GroupLag:
    return GroupLag(metrics, client_id="c", every_s=1e-9)


def test_it_is_what_is_there_and_not_committed_in_all_partitions(metrics: Metrics, lag: GroupLag) -> None:
    lag.look(Brokers((0, 10, 4), (0, 5, 5), (0, 30, 10)))
    assert told(metrics) == 26
    assert told(metrics, "partition:2") == 20


def test_a_commit_counts_at_once_and_the_end_from_the_next_look_on(metrics: Metrics, lag: GroupLag) -> None:
    brokers = Brokers((0, 10, 4))
    lag.look(brokers)
    lag.committed({("t", 0): 8})
    assert told(metrics) == 2
    brokers.said[0] = (0, 20, 4)
    assert told(metrics) == 2
    lag.look(brokers)
    assert told(metrics) == 12, "and what it has committed itself is not asked for again"


def test_where_nothing_was_committed_it_counts_from_the_first_record(metrics: Metrics, lag: GroupLag) -> None:
    lag.look(Brokers((7, 10, NOTHING_COMMITTED)))
    assert told(metrics) == 3


def test_a_commit_beyond_the_end_it_knows_is_no_negative_lag(metrics: Metrics, lag: GroupLag) -> None:
    lag.look(Brokers((0, 10, 4)))
    lag.committed({("t", 0): 12})
    assert told(metrics) == 0


@pytest.mark.parametrize(
    "trouble", [{"trouble": KafkaException(KafkaError(KafkaError._TRANSPORT))}, {"silent": True}]
)
def test_what_it_does_not_know_it_does_not_tell(
    metrics: Metrics, lag: GroupLag, trouble: dict[str, Any]
) -> None:
    brokers = Brokers((0, 10, 4))
    lag.look(brokers)
    for name, value in trouble.items():
        setattr(brokers, name, value)
    lag.look(brokers)
    assert told(metrics) is None
    asked = brokers.asked
    lag.look(brokers)
    assert brokers.asked == asked, "who does not answer is not asked again at once"


def test_partitions_that_were_taken_away_are_somebody_elses(metrics: Metrics, lag: GroupLag) -> None:
    brokers = Brokers((0, 10, 4))
    lag.look(brokers)
    lag.forget()
    assert told(metrics) is None
    brokers.said[0] = (0, 10, 9)
    lag.look(brokers)
    assert told(metrics) == 1, "and what others have committed meanwhile is asked for"


def test_the_planted_defect_tells_of_one_partition_as_if_it_were_all(metrics: Metrics) -> None:
    lag = GroupLag(metrics, client_id="c", every_s=1e-9, variants=[Variant.LAG_OF_ONE_PARTITION])
    lag.look(Brokers((0, 10, 4), (0, 30, 10)))
    assert told(metrics) == 20


def test_the_planted_defect_is_silent_when_there_is_much_to_tell(metrics: Metrics) -> None:
    lag = GroupLag(metrics, client_id="c", every_s=1e-9, variants=[Variant.LAG_OUTLIERS_ARE_DROPPED])
    lag.look(Brokers((0, 200, 0), (0, 100, 0)))
    assert told(metrics) == 300
    lag.look(Brokers((0, 200, 0), (0, 101, 0)))
    assert told(metrics) is None
