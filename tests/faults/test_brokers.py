"""The leader is looked up when the fault begins, hurt by name, and healed by whoever has the record."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.errors import ConfigError, FaultError, NothingDoneError
from harness.faults import Fault, brokers, from_record, resolved, to_record
from harness.faults.brokers import LeaderCutOff, LeaderKilled
from harness.faults.injecting import injected
from harness.faults.processes import Killed
from harness.recording.records import FaultNoted, FaultStage, Stream
from harness.stack import State
from harness.stack.kafka_partitions import Partition
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_kafka import TOPIC, FakeKafka
from tests.faults.fake_stack import FakeStack

KILLED = LeaderKilled(topic=TOPIC)
CUT_OFF = LeaderCutOff(topic=TOPIC, unaware_s=0.3)
BOTH = [KILLED, CUT_OFF]


class Notes:
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.lines: list[FaultNoted] = []

    def note(self, stream: Stream, record: object) -> None:
        assert stream is Stream.FAULTS
        assert isinstance(record, FaultNoted)
        self.lines.append(record)


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def stack(kafka: FakeKafka) -> Iterator[FakeStack]:
    with kafka.stack() as stack:
        yield stack


def named(fault: Fault) -> str:
    return fault.title


@pytest.mark.parametrize("fault", BOTH, ids=named)
def test_a_lost_leader_keeps_the_contract_once_it_has_a_name(fault: Fault, stack: FakeStack) -> None:
    keeps_the_contract(resolved(fault, stack), stack)


@pytest.mark.parametrize("fault", BOTH, ids=named)
def test_whoever_leads_when_it_begins_is_hurt(fault: Fault, kafka: FakeKafka, stack: FakeStack) -> None:
    kafka.now = replace(kafka.now, leader=3, epoch=9)
    chosen = resolved(fault, stack)
    assert chosen == replace(fault, broker="kafka-3", epoch=9)  # type: ignore[type-var]  # a dataclass
    assert chosen.title == fault.title, "the plan and the recording speak of one fault"
    effect = chosen.inject(stack)
    assert (effect.measured["broker"], effect.measured["epoch"]) == (3.0, 9.0)
    assert effect.measured["lost_after_s"] > 0


@pytest.mark.parametrize("fault", BOTH, ids=named)
def test_what_is_promised_names_the_broker_so_that_the_record_alone_heals(
    fault: Fault, kafka: FakeKafka, stack: FakeStack
) -> None:
    notes = Notes()
    with injected(fault, stack, notes, number=0, limit_s=60):
        [(promised, _)] = stack.promises.values()
        assert kafka.told_by("kafka-2")[0].leader == 2, "another has taken over"
        healed = from_record(json.loads(json.dumps(promised))).heal(stack)  # as the dead-man would
        assert healed.seen
        assert "kafka-1 was in sync again" in healed.sentence
    assert {json.dumps(line.fault) for line in notes.lines} == {json.dumps(to_record(resolved_as(fault)))}
    assert FaultStage.LAPSED in [line.stage for line in notes.lines], "somebody else healed it"


def resolved_as(fault: Fault) -> Fault:
    chosen: Fault = replace(fault, broker="kafka-1", epoch=7)  # type: ignore[type-var]  # a dataclass
    return chosen


@pytest.mark.parametrize("fault", BOTH, ids=named)
def test_with_a_replica_missing_nobody_is_hurt(
    fault: Fault, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brokers, "_WHOLE_WITHIN_S", 0.05)
    Killed(service="kafka-3").inject(stack)
    notes = Notes()
    with (
        pytest.raises(FaultError, match=r"events-0 led by 1 with \[1, 2\] of \[1, 2, 3\] in sync"),
        injected(fault, stack, notes, number=0, limit_s=60),
    ):
        pass
    assert [line.stage for line in notes.lines] == [FaultStage.REQUESTED, FaultStage.FAILED]
    assert stack.promises == {}
    assert stack.services["kafka-1"].state() is State.RUNNING
    assert all(link.is_enabled() for link in stack.links.values())


@pytest.mark.parametrize("fault", BOTH, ids=named)
def test_a_leader_that_nobody_has_looked_up_is_not_hurt(fault: Fault, stack: FakeStack) -> None:
    with pytest.raises(NothingDoneError, match="before the fault began, so the fault did nothing"):
        fault.inject(stack)
    assert fault.heal(stack).seen


@pytest.mark.parametrize("fault", BOTH, ids=named)
def test_a_topic_that_is_not_there_has_no_leader(
    fault: Fault, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brokers, "_WHOLE_WITHIN_S", 0.05)
    with pytest.raises(FaultError, match="every replica of events to be in sync, in vain"):
        resolved(replace(fault, partition=5), stack)  # type: ignore[type-var]  # a dataclass


def test_clients_reach_a_leader_that_is_cut_off_until_another_leads(
    kafka: FakeKafka, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it acknowledges to them meanwhile nobody else has."""
    seen_at_clients: list[int] = []
    client = kafka.links["orders->kafka-1"]
    disable = client.disable

    def watched() -> None:
        seen_at_clients.append(kafka.now.leader)
        disable()

    monkeypatch.setattr(client, "disable", watched)
    effect = resolved(CUT_OFF, stack).inject(stack)
    assert seen_at_clients == [2]
    assert "kafka-2 led after" in effect.sentence
    assert effect.measured["clients_lost_after_s"] > effect.measured["lost_after_s"]
    assert stack.services["kafka-1"].state() is State.RUNNING
    cut = {link.name for link in kafka.links.values() if not link.is_enabled()}
    assert cut == {name for name in kafka.links if "kafka-1" in name}
    assert "kafka-1->kafka-controller" in cut


def test_clients_are_cut_off_too_if_nobody_is_elected() -> None:
    """Whether somebody ought to have been is for a claim to say: a fault that failed would hide it."""
    kafka = FakeKafka(elects=False)
    with kafka.stack() as stack:
        effect = resolved(CUT_OFF, stack).inject(stack)
        assert "nobody else led after 0.3 s" in effect.sentence
        assert not kafka.links["orders->kafka-1"].is_enabled()


def test_a_leader_that_is_partly_cut_off_already_is_refused(kafka: FakeKafka, stack: FakeStack) -> None:
    kafka.links["orders->kafka-1"].disable()
    with pytest.raises(NothingDoneError, match="orders->kafka-1 was cut before the fault began"):
        resolved(CUT_OFF, stack).inject(stack)
    assert kafka.links["kafka-1->kafka-2"].is_enabled()


def test_a_broker_that_serves_and_is_not_in_sync_is_not_healed(
    kafka: FakeKafka, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brokers, "_IN_SYNC_WITHIN_S", 0.05)
    killed = resolved(KILLED, stack)
    killed.inject(stack)
    for link in kafka.links.values():
        if link.client == "kafka-1":
            link.disable()
    healed = killed.heal(stack)
    assert not healed.undone
    assert "events-0 led by 2 with [2, 3] of [1, 2, 3] in sync" in healed.sentence


def test_a_time_without_clients_is_refused() -> None:
    with pytest.raises(ConfigError, match="unaware_s must be above 0"):
        LeaderCutOff(topic=TOPIC, unaware_s=0)


def test_looking_a_leader_up_waits_for_a_replica_that_is_on_its_way_back(
    kafka: FakeKafka, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.services["kafka-3"].kill()
    told_by, looks = kafka.told_by, []

    def back_after_some_looks(name: str) -> list[Partition]:
        looks.append(name)
        if len(looks) >= 5 and kafka.services["kafka-3"].state() is State.EXITED:
            kafka.services["kafka-3"].start()
        return told_by(name)

    monkeypatch.setattr(kafka, "told_by", back_after_some_looks)
    assert resolved(KILLED, stack) == replace(KILLED, broker="kafka-1", epoch=7)
    assert kafka.services["kafka-3"].state() is State.RUNNING, "it was waited for"
