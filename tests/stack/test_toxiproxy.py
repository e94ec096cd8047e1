import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
import toxiproxy.api

from harness.errors import ConfigError, StackError
from harness.stack import Address, Direction, Toxic, WireProtocol
from harness.stack.proxied_link import ProxiedLink
from harness.stack.toxiproxy import ProxyInfo, ToxiproxyClient
from harness.stack.toxiproxy_transport import ControlPlaneHangs
from tests.stack.loopback import HTTP_OK, Loopback, free_port, ping_server, silent_server
from tests.stack.real_toxiproxy import running

SLOW = Toxic(name="slow", kind="latency", attributes={"latency": 100, "jitter": 0})
SLOWER = replace(SLOW, name="slower", attributes={"latency": 200, "jitter": 0})


@pytest.fixture(scope="module")
def api() -> Iterator[ToxiproxyClient]:
    with running() as client:
        yield client


@pytest.fixture
def server() -> Iterator[Loopback]:
    with ping_server(WireProtocol.REDIS) as it:
        yield it


def proxy_to(server: Loopback, name: str = "orders->provider") -> ProxyInfo:
    listen = Address("127.0.0.1", free_port())
    return ProxyInfo(name=name, listen=listen, upstream=server.address, enabled=True)


@pytest.fixture
def link(api: ToxiproxyClient, server: Loopback) -> ProxiedLink:
    proxy = proxy_to(server, name=f"orders->provider {free_port()}")
    api.populate([proxy])
    return ProxiedLink(
        name="orders->provider",
        client="orders",
        server="provider",
        protocol=WireProtocol.REDIS,
        entrance=proxy.listen,
        exit=proxy.upstream,
        proxy=proxy,
        api=api,
    )


def answering(text: bytes) -> Loopback:
    def converse(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(text)

    return Loopback(converse)


def test_what_was_populated_is_what_is_listed(api: ToxiproxyClient, server: Loopback) -> None:
    wanted = [proxy_to(server, name) for name in ("a->b", "a->c")]
    api.populate(wanted)
    api.populate(wanted)  # a second time changes nothing
    assert [api.proxies()[proxy.name] for proxy in wanted] == wanted
    assert api.version()


@pytest.mark.parametrize("name", ["a->b ü", "100%", "what?", "a#b", "a&b=c", "%2F"])
def test_names_are_quoted_where_toxiproxy_python_does_not(
    api: ToxiproxyClient, server: Loopback, name: str
) -> None:
    api.populate([proxy_to(server, name)])
    toxic = replace(SLOW, name=name)
    api.put_toxic(name, toxic)
    assert api.toxics(name) == (toxic,)
    api.remove_toxic(name, name)
    api.set_enabled(name, enabled=False)
    assert not api.proxy(name).enabled


@pytest.mark.parametrize("name", ["a/b", "", "..", "."])
def test_a_name_that_could_be_created_and_never_removed_is_refused(
    api: ToxiproxyClient, server: Loopback, name: str
) -> None:
    with pytest.raises(ConfigError, match="cannot name"):
        api.populate([proxy_to(server, name)])


def test_a_port_that_is_taken_is_an_error_and_no_success(api: ToxiproxyClient, server: Loopback) -> None:
    with pytest.raises(StackError, match=r"POST /populate wanted a 2xx, got 500.*address already in use"):
        api.populate([replace(proxy_to(server, "taken"), listen=server.address)])


def test_a_toxic_is_added_changed_in_place_and_removed(link: ProxiedLink) -> None:
    link.add(SLOW)
    assert link.toxics() == (SLOW,)
    slower = replace(SLOW, attributes={"latency": 300, "jitter": 5}, toxicity=0.5)
    link.add(slower)
    assert link.toxics() == (slower,)
    turned = replace(slower, direction=Direction.UPSTREAM)
    link.add(turned)
    assert link.toxics() == (turned,)
    link.remove("slow")
    link.remove("slow")
    assert link.toxics() == ()


def test_a_toxic_that_toxiproxy_does_not_know_is_refused_in_its_words(link: ProxiedLink) -> None:
    with pytest.raises(StackError, match="invalid toxic type"):
        link.add(Toxic(name="x", kind="packet_loss"))


def test_an_attribute_that_toxiproxy_ignores_is_noticed_when_reading_back(link: ProxiedLink) -> None:
    with pytest.raises(StackError, match="another one than was asked for"):
        link.add(Toxic(name="x", kind="latency", attributes={"latncy": 5}))


def test_a_proxy_that_is_not_there_is_named(api: ToxiproxyClient) -> None:
    with pytest.raises(StackError, match=r"/proxies/nobody.*404"):
        api.proxy("nobody")
    with pytest.raises(StackError, match="404"):
        api.remove_toxic("nobody", "slow")


def test_disabling_and_enabling_are_read_back(link: ProxiedLink) -> None:
    link.disable()
    link.disable()
    assert not link.is_enabled()
    link.enable()
    link.enable()
    assert link.is_enabled()


def test_reset_takes_away_all_toxics_and_enables_all_proxies(api: ToxiproxyClient, link: ProxiedLink) -> None:
    link.add(SLOW)
    link.disable()
    api.reset()
    assert link.is_enabled()
    assert link.toxics() == ()


def test_a_stalled_link_heals_on_the_same_socket_with_nothing_lost(link: ProxiedLink) -> None:
    with socket.create_connection((link.entrance.host, link.entrance.port), timeout=5) as client:
        client.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        link.add(Toxic(name="hole", kind="bandwidth", attributes={"rate": 0}))
        client.sendall(b"*1\r\n$4\r\nPING\r\n")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        link.remove("hole")
        client.settimeout(5)
        assert client.recv(100) == b"+PONG\r\n"


def test_a_proxy_made_anew_listens_where_it_did_with_what_others_have_put_on_it(
    api: ToxiproxyClient, link: ProxiedLink
) -> None:
    narrow = Toxic(name="narrow", kind="bandwidth", attributes={"rate": 50})
    link.add(SLOW)
    link.add(narrow)
    link.remove(SLOW.name)
    api.replace_proxy(link.proxy)
    assert link.toxics() == (narrow,)
    link.remove(narrow.name)
    api.replace_proxy(link.proxy)
    assert api.proxy(link.proxy.name) == link.proxy


def test_a_proxy_made_anew_stays_cut_until_the_cut_is_healed(api: ToxiproxyClient, link: ProxiedLink) -> None:
    link.add(SLOW)
    link.disable()
    api.replace_proxy(link.proxy)
    assert not link.is_enabled()
    link.enable()
    api.replace_proxy(link.proxy)
    assert link.is_enabled()
    assert link.toxics() == (SLOW,)


def test_what_a_reset_took_away_does_not_come_back(api: ToxiproxyClient, link: ProxiedLink) -> None:
    link.add(SLOW)
    link.disable()
    api.reset()
    api.replace_proxy(link.proxy)
    assert api.proxy(link.proxy.name) == link.proxy


def test_two_servers_in_one_process_and_many_threads_do_not_meet(
    api: ToxiproxyClient, server: Loopback
) -> None:
    with running() as other:
        clients = {"one": api, "other": other}
        for name, client in clients.items():
            client.populate([proxy_to(server, f"only-{name}")])
        wrong: list[str] = []

        def hammer(name: str, client: ToxiproxyClient) -> None:
            for number in range(20):
                toxic = replace(SLOW, name=f"{name}-{threading.get_ident()}-{number}")
                client.put_toxic(f"only-{name}", toxic)
                if toxic not in client.toxics(f"only-{name}"):
                    wrong.append(toxic.name)
                client.remove_toxic(f"only-{name}", toxic.name)

        threads = [threading.Thread(target=hammer, args=item) for item in clients.items() for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert "only-other" not in api.proxies()
        assert "only-one" not in other.proxies()


def test_somebody_else_s_use_of_toxiproxy_python_is_left_alone() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}") as theirs:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(toxiproxy.api.APIConsumer, "port", theirs.address.port)
            patch.setenv("NO_PROXY", "127.0.0.1")
            assert toxiproxy.Toxiproxy().proxies() == {}
        assert theirs.connections == 1


def test_an_api_that_hangs_is_named_with_its_call_and_not_waited_for() -> None:
    with silent_server() as hanging:
        client = ToxiproxyClient(hanging.address, timeout_s=0.2)
        with pytest.raises(ControlPlaneHangs, match=r"GET /proxies/x/toxics had no answer within 0\.2 s"):
            client.toxics("x")


def test_an_api_that_is_gone_is_told_apart_from_one_that_hangs() -> None:
    client = ToxiproxyClient(Address("127.0.0.1", free_port()))
    with pytest.raises(StackError, match="still running") as caught:
        client.version()
    assert not isinstance(caught.value, ControlPlaneHangs)


def test_a_500_is_an_error_and_something_else_than_toxiproxy_is_noticed() -> None:
    oops = answering(b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\noops")
    with oops as failing, pytest.raises(StackError, match="wanted a 2xx, got 500: oops"):
        ToxiproxyClient(failing.address).reset()
    with answering(HTTP_OK) as stranger, pytest.raises(StackError, match="something else than Toxiproxy"):
        ToxiproxyClient(stranger.address).version()


@pytest.fixture
def stuck(api: ToxiproxyClient) -> Iterator[ProxiedLink]:
    """A link whose proxy holds its own lock for good, as Toxiproxy does when a server takes no more bytes.

    On it are SLOWER, and SLOW perhaps: nobody got an answer.
    """
    gone = threading.Event()

    def take_nothing(connection: socket.socket) -> None:
        gone.wait()

    with Loopback(take_nothing) as deaf:
        proxy = proxy_to(deaf, name=f"stuck {free_port()}")
        impatient = ToxiproxyClient(api.address, timeout_s=0.3)
        impatient.populate([proxy])
        link = ProxiedLink(
            name="orders->deaf",
            client="orders",
            server="deaf",
            protocol=WireProtocol.HTTP,
            entrance=proxy.listen,
            exit=proxy.upstream,
            proxy=proxy,
            api=impatient,
            patience_s=0.3,
        )
        link.add(SLOWER)
        with socket.create_connection((proxy.listen.host, proxy.listen.port), timeout=0.5) as client:
            with suppress(TimeoutError):
                while True:  # until every buffer on the way is full
                    client.sendall(b"x" * 65_536)
            with pytest.raises(ControlPlaneHangs, match="POST"):
                link.add(replace(SLOW, direction=Direction.UPSTREAM))
            yield link
        gone.set()


def test_a_proxy_that_is_stuck_is_made_anew_to_be_rid_of_its_toxic_and_of_no_other(
    stuck: ProxiedLink,
) -> None:
    with pytest.raises(ControlPlaneHangs):
        stuck.toxics()
    stuck.remove("slow")
    assert stuck.toxics() == (SLOWER,)
    assert stuck.is_enabled()


def test_a_proxy_that_is_stuck_is_made_anew_to_listen(stuck: ProxiedLink) -> None:
    stuck.enable()
    assert stuck.is_enabled()
    assert {toxic.name for toxic in stuck.toxics()} == {
        "slow",
        "slower",
    }  # whoever failed to add it removes it


def test_a_removal_that_is_only_slow_is_waited_for(api: ToxiproxyClient, link: ProxiedLink) -> None:
    class Slow(ToxiproxyClient):
        def remove_toxic(self, name: str, toxic_name: str) -> None:
            threading.Timer(0.1, super().remove_toxic, (name, toxic_name)).start()
            raise ControlPlaneHangs("DELETE had no answer")

        def replace_proxy(self, proxy: ProxyInfo) -> None:
            pytest.fail("connections were dropped without need")

    link.add(SLOW)
    replace(link, api=Slow(api.address), patience_s=5.0).remove("slow")
    assert link.toxics() == ()
