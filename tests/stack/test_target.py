"""A target that no runtime could stand up is refused when it is described."""

import pytest

from harness.errors import ConfigError
from harness.stack import WireProtocol
from harness.stack.target import Target
from tests.stack.embedded.targets import SMALL, service


@pytest.mark.parametrize("name", ["postgres", "kafka", "balancer", "kafka-2"])
def test_a_service_may_not_have_a_servers_name(name: str) -> None:
    with pytest.raises(ConfigError, match="is taken"):
        Target(name="t", services=(service(name),))


def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="is taken"):
        Target(name="t", services=(service("a"), service("a")))


def test_a_service_that_uses_what_is_not_there_is_told_what_is() -> None:
    with pytest.raises(ConfigError, match=r"refers to 'ordres'.*orders"):
        Target(name="t", services=(service("orders"), service("gateway", "ordres")))


def test_the_protocol_of_a_link_follows_from_its_server() -> None:
    spoken = {server: SMALL.protocol_to(server) for server in ("kafka-1", "postgres", "redis", "maker")}
    assert list(spoken.values()) == [
        WireProtocol.KAFKA,
        WireProtocol.POSTGRES,
        WireProtocol.REDIS,
        WireProtocol.HTTP,
    ]
