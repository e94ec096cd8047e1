"""One real stack: its services can be hurt and brought back, its links carry what they should, and a reset is complete.

The target is the tests' own, with one Kafka broker, PostgreSQL, Valkey and two tiny services.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest
import redis
from confluent_kafka import Producer

from harness.clock import wait_until
from harness.errors import StackError
from harness.faults import to_record
from harness.faults.network import AddedLatency, Cut
from harness.faults.processes import Killed, Paused
from harness.faults.round_trip import Ending, round_trip
from harness.faults.scaling import ScaledOut
from harness.narration import Silence
from harness.settings import Settings
from harness.stack import State
from harness.stack.embedded import contents
from harness.stack.embedded.stack import EmbeddedStack, attach
from harness.stack.embedded.starting import started
from tests.stack.embedded import targets

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    settings = Settings(runs=tmp_path_factory.mktemp("runs"), brokers=1)
    with started(targets.running(settings), settings=settings, narrator=Silence()) as stack:
        stack.fresh({})  # the first use resets nothing
        yield stack


def test_a_service_is_seen_killed_paused_resumed_stopped_and_back(stack: EmbeddedStack) -> None:
    maker = stack.services["maker"]
    seen = []
    for verb in (maker.pause, maker.resume, maker.kill, maker.start, maker.stop, maker.start):
        verb()
        seen.append(maker.state())
    assert seen == [State.PAUSED, State.RUNNING, State.EXITED, State.RUNNING, State.EXITED, State.RUNNING]
    assert httpx.get(maker.address.url, trust_env=False).text == "ok"


def test_latency_and_a_cut_are_felt_on_the_link_and_nowhere_else(stack: EmbeddedStack) -> None:
    slow = AddedLatency(link="taker->maker", latency_ms=100)
    measured_ms = slow.inject(stack).measured["measured_ms"]
    assert 90 <= measured_ms <= 150
    assert slow.heal(stack).seen
    cut = Cut(link="taker->maker")
    assert cut.inject(stack).seen
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.links["taker->maker"].entrance.url, trust_env=False)
    assert httpx.get(stack.services["maker"].address.url, trust_env=False).text == "ok"
    assert cut.heal(stack).seen


def bytes_through(stack: EmbeddedStack) -> dict[str, float]:
    """Bytes that each proxy has moved, by Toxiproxy's own count; it counts a connection when that closes."""
    page = httpx.get(f"{stack.toxiproxy.address.url}/metrics", trust_env=False).text
    counted: dict[str, float] = {}
    for line in page.splitlines():
        if found := re.match(r'toxiproxy_proxy_\w+_bytes_total\{.*proxy="([^"]+)".*\} (\S+)', line):
            counted[found[1]] = counted.get(found[1], 0.0) + float(found[2])
    return counted


def test_a_roles_bytes_cross_its_own_proxy_and_no_other(stack: EmbeddedStack) -> None:
    before = bytes_through(stack)
    entrance = stack.links["maker->kafka-1"].entrance
    producer = Producer({"bootstrap.servers": str(entrance), "acks": "all"})
    for number in range(50):
        producer.produce("events", key=str(number), value=b"x" * 1000)
    assert producer.flush(20) == 0
    told_brokers = {
        f"{broker.host}:{broker.port}" for broker in producer.list_topics(timeout=10).brokers.values()
    }
    assert told_brokers == {str(entrance)}
    del producer  # closes its connections, so that they are counted

    def counted() -> dict[str, float] | None:
        moved = {name: count - before.get(name, 0.0) for name, count in bytes_through(stack).items()}
        return moved if moved.get("maker->kafka-1", 0) > 50_000 else None

    moved = wait_until(counted, within_s=15, what="the producer's bytes to be counted")
    crossed = {name for name, count in moved.items() if count > 0 and not name.startswith("kafka-")}
    assert crossed == {"maker->kafka-1"}, "beside what Kafka's own nodes say to each other"


async def _leave_rows(postgres: str, port: int) -> None:
    connection = await asyncpg.connect(host=postgres, port=port, user="drillbook", database="things")
    await connection.execute("insert into things (name) values ('left'); create table strange (a int)")
    await connection.close()


def test_a_toxiproxy_that_was_killed_comes_back_with_every_link(stack: EmbeddedStack) -> None:
    killed = Killed(service="toxiproxy")
    killed.inject(stack)
    link = stack.links["taker->maker"]
    assert round_trip(link.entrance, link.protocol, timeout_s=1).ending is Ending.REFUSED
    assert killed.heal(stack).seen
    assert stack.toxiproxy.proxies().keys() == stack.links.keys()
    assert round_trip(link.entrance, link.protocol, timeout_s=5).ending is Ending.ANSWERED


def litter(stack: EmbeddedStack) -> None:
    """Leave something of every kind behind."""
    postgres, server = stack.services["postgres"].address, stack.services["redis"].address
    asyncio.run(_leave_rows(postgres.host, postgres.port))
    with redis.Redis(host=server.host, port=server.port) as client:
        client.set("left", "over")
    producer = Producer({"bootstrap.servers": stack.bootstrap})
    producer.produce("events", b"left over")
    producer.flush(10)
    stack.links["taker->maker"].disable()
    AddedLatency(link="taker->redis", latency_ms=50).inject(stack)
    Killed(service="maker").inject(stack)
    Paused(service="redis").inject(stack)
    stack.supervisor.folder.work("taker").joinpath("data", "left").write_text("over")


def end_offsets(stack: EmbeddedStack) -> int:
    from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - only here

    consumer = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": "unused"})
    try:
        marks = [consumer.get_watermark_offsets(TopicPartition("events", n), timeout=10) for n in range(2)]
    finally:
        consumer.close()
    return sum(high for _, high in marks)


def test_a_reset_leaves_nothing_of_what_was_there(stack: EmbeddedStack) -> None:
    litter(stack)
    stack.fresh({})
    target = stack.target
    assert target is not None
    postgres, server = stack.services["postgres"].address, stack.services["redis"].address
    tables = contents.table_digests(target, postgres)
    assert [name for name in tables if "strange" in name] == []
    assert tables["things/public.things"].startswith("1 rows")
    assert contents.redis_keys(server) == 0
    assert end_offsets(stack) == 0
    assert stack.links["taker->maker"].is_enabled()
    assert list(stack.links["taker->redis"].toxics()) == []
    states = {name: service.state() for name, service in stack.services.items()}
    assert states.pop("taker-2") is State.EXITED, "it is a spare"
    assert set(states.values()) == {State.RUNNING}
    assert sorted(path.name for path in (stack.supervisor.folder.work("taker") / "data").iterdir()) == [
        "started"
    ]


def test_what_one_drill_configures_is_told_to_its_service_and_is_gone_in_the_next(
    stack: EmbeddedStack,
) -> None:
    def answers() -> list[str]:
        return [
            httpx.get(stack.services[name].address.url, trust_env=False).text for name in ("maker", "taker")
        ]

    stack.fresh({"maker": {"ANSWER": "configured"}})
    assert answers() == ["configured", "ok"]
    assert stack.configuration()["maker"]["ANSWER"] == "configured"
    stack.services["maker"].kill()
    attach(stack.supervisor.folder).services["maker"].start()  # as it is healed when we have died
    assert answers() == ["configured", "ok"]
    stack.fresh({})
    assert answers() == ["ok", "ok"]


def test_a_reset_starts_a_dead_toxiproxy_again_with_all_its_links(stack: EmbeddedStack) -> None:
    stack.links["taker->maker"].disable()
    stack.services["toxiproxy"].kill()
    stack.fresh({})
    assert all(link.is_enabled() for link in stack.links.values())
    assert httpx.get(stack.links["taker->maker"].entrance.url, trust_env=False).text == "ok"


def test_a_reset_that_leaves_something_is_refused(
    stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = stack.services["postgres"].address
    asyncio.run(_leave_rows(postgres.host, postgres.port))
    monkeypatch.setattr(contents, "remake_databases", lambda target, postgres: None)
    with pytest.raises(StackError, match=r"could not be made as new.*strange"):
        stack.fresh({})
    monkeypatch.undo()
    stack.fresh({})
    assert stack.services["maker"].state() is State.RUNNING


def test_a_fault_past_its_time_limit_is_healed_from_outside(stack: EmbeddedStack) -> None:
    cut = Cut(link="taker->maker")
    token = stack.promise_undo(to_record(cut), limit_s=1.0)
    cut.inject(stack)
    link = stack.links["taker->maker"]
    assert not link.is_enabled()
    wait_until(link.is_enabled, within_s=15, what="the supervisor to heal the link")
    stack.undone(token)  # too late, and harmless
    assert stack.services["maker"].state() is State.RUNNING


def test_what_a_dead_client_hurt_is_healed_while_the_stack_lives_on(stack: EmbeddedStack) -> None:
    other = attach(stack.supervisor.folder)
    cut = Cut(link="taker->maker")
    other.promise_undo(to_record(cut), limit_s=600)
    cut.inject(other)
    other.supervisor.close()  # what the kernel does when a process dies
    wait_until(stack.links["taker->maker"].is_enabled, within_s=15, what="the supervisor to heal the link")
    assert not stack.gone()


def test_a_service_that_dies_at_its_start_tells_its_last_words(stack: EmbeddedStack) -> None:
    maker = stack.services["maker"]
    maker.kill()
    broken = replace(maker, spec=replace(maker.spec, environment={**maker.spec.environment, "FAIL": "1"}))
    with pytest.raises(StackError, match=r"exit code 3[\s\S]*there is no configuration for this service"):
        broken.start()
    maker.start()
    assert maker.state() is State.RUNNING


def test_a_spare_is_started_by_a_drill_only_and_is_gone_in_the_next(stack: EmbeddedStack) -> None:
    spare = stack.services["taker-2"]
    assert spare.state() is State.EXITED
    more = ScaledOut(service="taker", instances=("taker-2",), work="work")
    assert more.inject(stack).seen
    assert httpx.get(spare.address.url, trust_env=False).text == "ok"
    assert more.heal(stack).seen
    lost = {loss.service for loss in stack.losses()}
    assert "taker-2" not in lost, "what we have ended ourselves is no loss"
    more.inject(stack)
    stack.fresh({})
    assert spare.state() is State.EXITED


def test_two_stacks_never_meet(stack: EmbeddedStack, tmp_path: Path) -> None:
    settings = Settings(runs=tmp_path)
    with started(targets.alone(settings), settings=settings, narrator=Silence()) as other:
        mine = {port for spec in stack.plan.specs for port in spec.ports} | {
            e.entrance for e in stack.plan.edges
        }
        theirs = {port for spec in other.plan.specs for port in spec.ports}
        assert mine.isdisjoint(theirs)
        folder = other.supervisor.folder.path
    assert not folder.exists()
    assert httpx.get(stack.services["maker"].address.url, trust_env=False).text == "ok"
    assert not stack.gone()
    assert stack.supervisor.folder.path.is_dir()


def test_logs_are_kept_beside_the_recordings_and_not_in_the_folder_that_goes(stack: EmbeddedStack) -> None:
    assert stack.services["maker"].log_path.is_file()
    assert stack.recordings in stack.services["maker"].log_path.parents
