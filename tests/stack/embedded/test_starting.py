"""Who is started when: servers before services, a controller before brokers, and everything as early as it may."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.clock import wait_until
from harness.errors import StackError
from harness.narration import Silence
from harness.stack.embedded import assembly, starting
from harness.stack.embedded.plan import servers_of
from harness.stack.target import KAFKA, REDIS, Target, Topic
from tests.stack.embedded.targets import service

if TYPE_CHECKING:
    from harness.stack.embedded.stack import EmbeddedStack

BROKERS = ("kafka-1", "kafka-2", "kafka-3")
TARGET = Target(
    name="small",
    services=(
        service("web"),
        service("spare", spare=True),
        service("maker", KAFKA, waits_for=(KAFKA,)),
        service("taker", REDIS),
    ),
    topics=(Topic(name="events", partitions=1),),
    redis=True,
    balanced=("web", "spare"),
)


@dataclass
class FakeStack:
    """Processes that answer when a test lets them, and a list of what happened in which order."""

    held: set[str] = field(default_factory=set)
    fails: str = ""
    not_yet: set[str] = field(default_factory=set)  # no processes when they are signalled for the first time
    happened: list[str] = field(default_factory=list)
    narrator: Silence = field(default_factory=Silence)
    as_made: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ["toxiproxy", *servers_of(TARGET, len(BROKERS))]
        specs = [SimpleNamespace(name=name, port=1) for name in names]
        waits_for = assembly._order(TARGET, len(BROKERS))
        self.plan = SimpleNamespace(specs=specs, waits_for=waits_for, spares=TARGET.spares)
        self.brokers = list(BROKERS)
        self.released = {name: threading.Event() for name in names}
        for name in names:
            if name not in self.held:
                self.released[name].set()

    @property
    def services(self) -> Mapping[str, Any]:
        return {
            spec.name: SimpleNamespace(
                spec=spec, address=None, start=lambda name=spec.name: self._start(name)
            )
            for spec in self.plan.specs
        }

    def _start(self, name: str) -> None:
        self.happened.append(f"{name} begun")
        if not self.released[name].wait(5):
            raise StackError(f"nobody let {name} answer")
        if name == self.fails:
            raise StackError(f"{name} ended before it answered")
        self.happened.append(f"{name} answered")

    @property
    def supervisor(self) -> Any:
        def signal(name: str, number: int) -> None:
            del number
            if name in self.not_yet:
                self.not_yet.remove(name)
                raise StackError(f"{name} was never started")
            self.released[name].set()

        return SimpleNamespace(signal=signal)

    def kafka_contents(self) -> Any:
        def make(topics: object) -> None:
            del topics
            self.happened.append("topics made")

        return SimpleNamespace(make=make, topics=lambda: ["events"])

    def start(self) -> None:
        starting._Start(cast("EmbeddedStack", self), TARGET).side_by_side()

    def at(self, what: str) -> int:
        return self.happened.index(what)


def running(stack: FakeStack) -> Iterator[FakeStack]:
    thread = threading.Thread(target=stack.start)
    thread.start()
    try:
        yield stack
    finally:
        for event in stack.released.values():
            event.set()
        thread.join()


@pytest.fixture
def held_by_two_brokers() -> Iterator[FakeStack]:
    yield from running(FakeStack(held={"kafka-1", "kafka-3"}))


def test_everything_is_started_once_and_services_after_servers() -> None:
    stack = FakeStack()
    stack.start()
    begun = [event for event in stack.happened if event.endswith("begun")]
    at_once = {spec.name for spec in stack.plan.specs} - {"spare"}
    assert sorted(begun) == sorted(f"{name} begun" for name in at_once)
    for name in ("web", "maker", "taker"):
        for server in ("toxiproxy", "redis", "kafka-controller"):
            assert stack.at(f"{server} answered") < stack.at(f"{name} begun")
    assert stack.at("topics made") < stack.at("maker begun")
    assert stack.at("web answered") < stack.at("balancer begun")
    assert stack.as_made == {"topic events": "there"}


def test_brokers_are_begun_after_the_controller_that_they_would_look_for() -> None:
    stack = FakeStack()
    stack.start()
    for broker in BROKERS:
        assert stack.at("kafka-controller answered") < stack.at(f"{broker} begun")


def test_one_broker_is_enough_for_services_to_begin_but_not_for_those_that_wait_for_kafka(
    held_by_two_brokers: FakeStack,
) -> None:
    stack = held_by_two_brokers
    wait_until(
        lambda: {"web answered", "taker answered", "balancer answered"} <= set(stack.happened),
        within_s=5,
        what="services to answer",
        every_s=0.001,
    )
    assert "kafka-2 answered" in stack.happened
    assert "maker begun" not in stack.happened
    assert "topics made" not in stack.happened


@pytest.mark.parametrize("fails", ["toxiproxy", "kafka-controller", "kafka-2", "web", "balancer"])
def test_one_that_does_not_come_up_ends_the_start_with_its_error(fails: str) -> None:
    with pytest.raises(StackError, match=f"{fails} ended before it answered"):
        FakeStack(fails=fails).start()


def test_what_was_still_being_copied_when_another_failed_is_ended_and_not_waited_for() -> None:
    stack = FakeStack(fails="kafka-controller", held={"redis"}, not_yet={"redis"})
    with pytest.raises(StackError, match="kafka-controller ended"):
        stack.start()
    assert "redis answered" in stack.happened, "its second signal did not come"


def test_what_judges_is_not_imported_before_a_stack_is_up() -> None:
    imported = (
        "import sys, harness.settings, harness.stack.embedded.detached, scenarios.shop; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True)
    heavy = {"polars", "pytest", "harness.checks", "harness.reporting", "locust", "redis"}
    assert not heavy & set(done.stdout.split())
