"""A consumer is slowed by a factor on its own pace, which is measured, before and after, and never guessed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.clock import NS_PER_S
from harness.errors import ConfigError, FaultError, NothingDoneError
from harness.faults import from_record, slow_consumer, to_record
from harness.faults.republished import Again
from harness.faults.slow_consumer import SlowConsumer
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack, link_of

LINK = "orders->provider"
BASE_MS = 2.0
ALONE_MS = 40.0


def slow(**changes: Any) -> SlowConsumer:
    return SlowConsumer(**{"link": LINK, "group": "g", "topic": "t", **changes})


class FakeGroup:
    """A consumer that takes BASE_MS and the link's latency for each record, on a clock of its own."""

    def __init__(self, stack: FakeStack) -> None:
        self._stack = stack
        self.now_s = 0.0
        self.end = self.committed = self.done = 100.0
        self.asks_for_each = 1
        self.commits_first = False  # all there is, as soon as it is done with what it had

    def now_ns(self) -> int:
        return round(self.now_s * NS_PER_S)

    def publish(self, records: int) -> Again:
        self.end += records
        self.now_s += ALONE_MS / 1000  # on the way, whatever it is
        return Again(records=records, ends={0: int(self.end)}, seconds=0.001)

    def rows(self) -> list[dict[str, Any]]:
        """Each look takes a tenth of a millisecond, in which it works."""
        self.now_s += 0.0001
        late_ms = sum(toxic.attributes["latency"] for toxic in link_of(self._stack, LINK).toxics())
        each_ms = BASE_MS + late_ms * self.asks_for_each
        if self.commits_first and self.done >= self.committed:
            self.committed = self.end
        self.done = min(self.end, self.done + 0.1 / each_ms)
        if not self.commits_first:
            self.committed = self.done
        lag = int(self.end) - int(self.committed)
        return [
            {"topic": "t", "partition": 0, "end": int(self.end), "lag": lag},
            {"topic": "another", "partition": 0, "end": 9, "lag": 9},
        ]


@pytest.fixture
def group(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> FakeGroup:
    made = FakeGroup(stack)

    class Lag:
        def __init__(self, **_: Any) -> None: ...

        def rows(self, _stack: object, *, timeout_s: float) -> Any:
            del timeout_s
            return made.rows()

    class Copies:
        def __init__(self, *_: Any) -> None: ...

        def publish(self, records: int) -> Again:
            return made.publish(records)

        def publish_one_each(self) -> Again:
            return made.publish(1)

    def at_once(condition: Callable[[], Any], **_: Any) -> Any:
        return next(found for _ in range(1_000_000) if (found := condition()))

    class Clock:
        now_ns = staticmethod(made.now_ns)

    for name, fake in {
        "KafkaLag": Lag,
        "Copies": Copies,
        "wait_until": at_once,
        "SYSTEM_CLOCK": Clock,
    }.items():
        monkeypatch.setattr(slow_consumer, name, fake)
    return made


@pytest.mark.usefixtures("group")
def test_it_keeps_the_contract_of_every_fault(stack: FakeStack) -> None:
    keeps_the_contract(slow().resolved(stack), stack)


@pytest.mark.usefixtures("group")
def test_its_own_pace_is_measured_before_and_its_latency_follows_from_that(stack: FakeStack) -> None:
    found = slow().resolved(stack)
    assert found.base_ms == pytest.approx(BASE_MS, rel=0.05)
    effect = found.inject(stack)
    assert effect.measured["measured_factor"] == pytest.approx(10, rel=0.1)
    [toxic] = link_of(stack, LINK).toxics()
    assert toxic.attributes["latency"] == pytest.approx(9 * BASE_MS, abs=2)


def test_one_that_commits_before_it_works_is_as_slow_as_it_is(stack: FakeStack, group: FakeGroup) -> None:
    group.commits_first = True
    found = slow().resolved(stack)
    assert found.base_ms == pytest.approx(BASE_MS, rel=0.05)
    assert found.inject(stack).measured["measured_factor"] == pytest.approx(10, rel=0.1)


@pytest.mark.usefixtures("group")
def test_whoever_has_only_the_record_can_heal_it(stack: FakeStack) -> None:
    found = slow().resolved(stack)
    assert found.title == slow().title, "it is planned under the same name"
    found.inject(stack)
    assert from_record(to_record(found)).heal(stack).seen
    assert not link_of(stack, LINK).toxics()


def test_a_consumer_that_does_not_get_slower_by_that_is_an_error(stack: FakeStack, group: FakeGroup) -> None:
    group.asks_for_each = 0
    with pytest.raises(FaultError, match=r"1\.\d times .* is another fault than was asked for"):
        slow().resolved(stack).inject(stack)


def test_a_consumer_that_asks_twice_for_each_record_is_an_error(stack: FakeStack, group: FakeGroup) -> None:
    group.asks_for_each = 2
    with pytest.raises(
        FaultError, match=r"1[89]\.\d times .* does it ask over this link once for each record"
    ):
        slow().resolved(stack).inject(stack)


def test_one_whose_pace_nobody_measured_is_refused_and_was_never_hurt(stack: FakeStack) -> None:
    with pytest.raises(NothingDoneError, match="so the fault did nothing"):
        slow().inject(stack)
    assert slow().heal(stack).seen


@pytest.mark.usefixtures("group")
def test_one_that_is_slow_already_is_refused(stack: FakeStack) -> None:
    found = slow().resolved(stack)
    found.inject(stack)
    with pytest.raises(NothingDoneError, match="before the fault began"):
        found.inject(stack)


@pytest.mark.parametrize("factor", [1.0, 1.5, float("inf")])
def test_a_factor_that_slows_nobody_is_refused(factor: float) -> None:
    with pytest.raises(ConfigError, match="factor must be at least 2"):
        replace(slow(), factor=factor)
