"""The shop can be given more gateways and consumers while it works, and each of them gets its part of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from harness.faults.scaling import ScaledOut
from harness.narration import Silence
from harness.probes.kafka import KafkaGroup
from harness.settings import Settings
from harness.stack import State
from harness.stack.embedded.stack import EmbeddedStack
from harness.stack.embedded.starting import started
from scenarios.bench import place_order
from scenarios.readings import LAG
from scenarios.scaling import MORE_CONSUMERS, MORE_GATEWAYS

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    settings = Settings(runs=tmp_path_factory.mktemp("runs"))
    with started(settings.make_target(), settings=settings, narrator=Silence()) as stack:
        yield stack


@contextmanager
def orders_placed(shop: EmbeddedStack) -> Iterator[None]:
    """A customer who orders on and on."""
    over = threading.Event()

    def order() -> None:
        while not over.is_set():
            place_order(shop.entry.url)  # one in hand of a gateway that ends may be refused

    customer = threading.Thread(target=order)
    customer.start()
    try:
        yield
    finally:
        over.set()
        customer.join()


def owners(shop: EmbeddedStack) -> list[int]:
    """How many partitions each member of the consumers' group owns."""
    group = cast("Any", KafkaGroup(name="group", group=LAG.group).read(shop, timeout_s=5))
    return sorted(len(member["partitions"]) for member in group["members"])


@pytest.mark.parametrize("more", [MORE_CONSUMERS, MORE_GATEWAYS], ids=lambda more: more.service)
def test_each_of_more_instances_does_its_part_and_goes_in_good_order(
    shop: EmbeddedStack, more: ScaledOut
) -> None:
    with orders_placed(shop):
        effect = more.inject(shop)
        assert effect.seen
        assert more.lapsed(shop) == ""
        if more is MORE_CONSUMERS:
            assert owners(shop) == [1, 1, 1], "each of three has one of three partitions"
        assert more.heal(shop).seen
    assert {shop.services[name].state() for name in more.instances} == {State.EXITED}
    assert not shop.losses()
