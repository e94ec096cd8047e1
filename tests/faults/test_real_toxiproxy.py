"""The network faults against a real Toxiproxy, in each protocol."""

from collections.abc import Callable, Iterator

import pytest

from harness.faults import Fault
from harness.faults.links import tolerance_ms
from harness.faults.network import AddedLatency, BlackHole, Cut, LimitedBandwidth, Lost, Reset
from harness.stack import Address, WireProtocol
from harness.stack.proxied_link import ProxiedLink
from harness.stack.toxiproxy import ProxyInfo, ToxiproxyClient
from tests.faults.contract import keeps_the_contract
from tests.faults.fake_stack import FakeStack
from tests.stack.loopback import free_port, ping_server
from tests.stack.real_toxiproxy import running

pytestmark = pytest.mark.slow

LINK = "orders->server"
FAULTS: list[Fault] = [
    AddedLatency(link=LINK, latency_ms=40),
    AddedLatency(link=LINK, latency_ms=40, both_ways=True),
    AddedLatency(link=LINK, latency_ms=40, jitter_ms=10),
    LimitedBandwidth(link=LINK, rate_kb_per_s=100),
    BlackHole(link=LINK, lost=Lost.ANSWERS),
    BlackHole(link=LINK, lost=Lost.REQUESTS),
    BlackHole(link=LINK),
    Reset(link=LINK, lost=Lost.ANSWERS),
    Reset(link=LINK, lost=Lost.REQUESTS),
    Cut(link=LINK),
]


@pytest.fixture(scope="module")
def api() -> Iterator[ToxiproxyClient]:
    with running() as client:
        yield client


@pytest.fixture
def linked(api: ToxiproxyClient) -> Iterator[Callable[[WireProtocol], FakeStack]]:
    servers = []

    def make(protocol: WireProtocol) -> FakeStack:
        server = ping_server(protocol)
        servers.append(server)
        entrance = Address("127.0.0.1", free_port())
        proxy = ProxyInfo(
            name=f"{LINK} {entrance.port}", listen=entrance, upstream=server.address, enabled=True
        )
        api.populate([proxy])
        link = ProxiedLink(
            name=LINK,
            client="orders",
            server="server",
            protocol=protocol,
            entrance=entrance,
            exit=server.address,
            proxy=proxy,
            api=api,
        )
        return FakeStack(links={LINK: link})

    yield make
    for server in servers:
        with server:
            pass


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
def test_every_network_fault_keeps_the_contract_on_real_toxiproxy(
    fault: Fault, linked: Callable[[WireProtocol], FakeStack]
) -> None:
    keeps_the_contract(fault, linked(WireProtocol.HTTP))


@pytest.mark.parametrize("protocol", list(WireProtocol))
def test_latency_is_within_two_milliseconds_or_five_per_cent_of_what_was_asked(
    protocol: WireProtocol, linked: Callable[[WireProtocol], FakeStack]
) -> None:
    stack = linked(protocol)
    for asked_ms in (5, 50, 200):
        fault = AddedLatency(link=LINK, latency_ms=asked_ms)
        effect = fault.inject(stack)
        off_ms = abs(effect.measured["measured_ms"] - asked_ms)
        assert off_ms <= tolerance_ms(asked_ms) + 2 * effect.measured["spread_ms"]
        assert fault.heal(stack).seen


@pytest.mark.parametrize("protocol", list(WireProtocol))
def test_a_limited_bandwidth_is_measured_in_every_protocol(
    protocol: WireProtocol, linked: Callable[[WireProtocol], FakeStack]
) -> None:
    effect = LimitedBandwidth(link=LINK, rate_kb_per_s=50).inject(linked(protocol))
    assert effect.measured["measured_kb_per_s"] == pytest.approx(50, rel=0.2)


@pytest.mark.parametrize("heal_first", [0, 1])
@pytest.mark.parametrize("order", [1, -1])
def test_a_latency_and_a_bandwidth_on_one_link_survive_one_another(
    order: int, heal_first: int, linked: Callable[[WireProtocol], FakeStack]
) -> None:
    stack = linked(WireProtocol.HTTP)
    faults = (AddedLatency(link=LINK, latency_ms=50), LimitedBandwidth(link=LINK, rate_kb_per_s=100))[::order]
    for fault in faults:
        assert fault.inject(stack).seen
    first, last = faults[heal_first], faults[1 - heal_first]
    healed = first.heal(stack)
    assert healed.seen, healed.sentence
    assert last.lapsed(stack) == ""
    assert last.heal(stack).seen


def test_a_latency_and_a_cut_on_one_link_survive_one_another(
    linked: Callable[[WireProtocol], FakeStack],
) -> None:
    stack = linked(WireProtocol.HTTP)
    slow, cut = AddedLatency(link=LINK, latency_ms=50), Cut(link=LINK)
    slow.inject(stack)
    cut.inject(stack)
    healed = cut.heal(stack)
    assert healed.seen, healed.sentence
    assert slow.lapsed(stack) == ""
    cut.inject(stack)
    assert not slow.heal(stack).seen  # nothing comes through that could show it
    assert cut.lapsed(stack) == ""
    assert cut.heal(stack).seen
