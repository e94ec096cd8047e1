from collections.abc import Iterator

import pytest

from harness.errors import ProbeError
from harness.probes import Probe
from harness.probes.actuator import ActuatorHealth, ActuatorMetric, BreakerEvents
from harness.probes.http import HttpAnswer, HttpTable
from harness.stack import Address
from tests.probes.fake_target import Addresses, answering, stack_of
from tests.stack.loopback import free_port, silent_server

BREAKER = {"status": "CIRCUIT_OPEN", "details": {"state": "OPEN", "failureRate": "60.0%"}}
PATHS: dict[str, tuple[int, object]] = {
    "/v1/ledger": (200, [{"key": "k1", "amount": 5}]),
    "/empty": (200, []),
    "/paged": (200, {"entries": [1, 2]}),
    "/text": (200, "plain words"),
    "/broken": (500, {"error": "x"}),
    "/actuator/health": (
        503,
        {
            "status": "DOWN",
            "components": {
                "db": {"status": "UP", "details": {"database": "PostgreSQL"}},
                "circuitBreakers": {"status": "DOWN", "details": {"paymentService": BREAKER}},
            },
        },
    ),
    "/actuator/metrics/saga.failures": (
        200,
        {"name": "saga.failures", "measurements": [{"statistic": "COUNT", "value": 3.0}]},
    ),
    "/actuator/metrics/http.server.requests?tag=status%3A500&tag=uri%3A%2Fapi%2Fv1": (
        200,
        {
            "measurements": [
                {"statistic": "COUNT", "value": 12.0},
                {"statistic": "MAX", "value": 0.1},
            ]
        },
    ),
    "/actuator/metrics/odd": (200, {"name": "odd"}),
    "/actuator/circuitbreakerevents/paymentService": (
        200,
        {"circuitBreakerEvents": [{"circuitBreakerName": "paymentService", "type": "STATE_TRANSITION"}]},
    ),
}


@pytest.fixture
def target() -> Iterator[Addresses]:
    with answering(PATHS) as server:
        yield stack_of(payments=server.address)


def test_an_answer_is_its_status_and_its_body(target: Addresses) -> None:
    assert HttpAnswer(name="x", service="payments", path="/broken").read(target, timeout_s=2) == {
        "status": 500,
        "body": {"error": "x"},
    }
    assert HttpAnswer(name="x", service="payments", path="/text").read(target, timeout_s=2) == {
        "status": 200,
        "body": "plain words",
    }


def test_a_table_is_its_rows(target: Addresses) -> None:
    ledger = HttpTable(name="ledger", service="payments", path="/v1/ledger")
    assert ledger.read(target, timeout_s=2) == [{"key": "k1", "amount": 5}]
    assert HttpTable(name="x", service="payments", path="/empty").read(target, timeout_s=2) == []
    paged = HttpTable(name="x", service="payments", path="/paged", rows_at="entries")
    assert paged.read(target, timeout_s=2) == [1, 2]


@pytest.mark.parametrize("path", ["/broken", "/text", "/paged", "/nowhere"])
def test_a_table_that_could_not_be_read_never_looks_like_an_empty_one(target: Addresses, path: str) -> None:
    with pytest.raises(ProbeError, match=path):
        HttpTable(name="ledger", service="payments", path=path).read(target, timeout_s=2)


def test_a_service_that_is_down_says_so_with_503_and_has_been_seen(target: Addresses) -> None:
    health = ActuatorHealth(name="h", service="payments").read(target, timeout_s=2)
    assert isinstance(health, dict)
    assert health["status"] == "DOWN"


def test_a_component_is_found_among_components_and_then_details(target: Addresses) -> None:
    probe = ActuatorHealth(name="h", service="payments", component="circuitBreakers.paymentService")
    assert probe.read(target, timeout_s=2) == BREAKER


def test_a_component_that_is_not_there_names_those_that_are(target: Addresses) -> None:
    with pytest.raises(ProbeError, match="circuitBreakers, db"):
        ActuatorHealth(name="h", service="payments", component="redis").read(target, timeout_s=2)


def test_a_metric_is_read_by_statistic_and_tag(target: Addresses) -> None:
    failures = ActuatorMetric(name="m", service="payments", metric="saga.failures")
    assert failures.read(target, timeout_s=2) == {"COUNT": 3.0}
    tagged = ActuatorMetric(
        name="m",
        service="payments",
        metric="http.server.requests",
        tags={"uri": "/api/v1", "status": "500"},
    )
    assert tagged.read(target, timeout_s=2) == {"COUNT": 12.0, "MAX": 0.1}


def test_a_counter_that_was_never_counted_reads_as_none_and_a_wrong_shape_as_an_error(
    target: Addresses,
) -> None:
    assert ActuatorMetric(name="m", service="payments", metric="not.yet").read(target, timeout_s=2) is None
    with pytest.raises(ProbeError, match="wanted measurements"):
        ActuatorMetric(name="m", service="payments", metric="odd").read(target, timeout_s=2)


def test_breaker_events_come_as_the_endpoint_gives_them(target: Addresses) -> None:
    events = BreakerEvents(name="e", service="payments", breaker="paymentService").read(target, timeout_s=2)
    assert events == [{"circuitBreakerName": "paymentService", "type": "STATE_TRANSITION"}]
    with pytest.raises(ProbeError, match="404"):
        BreakerEvents(name="e", service="payments", breaker="nobody").read(target, timeout_s=2)


PROBES: list[Probe] = [
    HttpAnswer(name="a", service="payments", path="/x"),
    HttpTable(name="b", service="payments", path="/x"),
    ActuatorHealth(name="c", service="payments"),
    ActuatorMetric(name="d", service="payments", metric="x"),
    BreakerEvents(name="e", service="payments", breaker="x"),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: type(probe).__name__)
def test_every_probe_keeps_its_time_limit_and_says_who_did_not_answer(probe: Probe) -> None:
    with silent_server() as hanging, pytest.raises(ProbeError, match=r"payments.* within 0\.2 s"):
        probe.read(stack_of(payments=hanging.address), timeout_s=0.2)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: type(probe).__name__)
def test_every_probe_tells_a_dead_service_from_a_misspelt_one(probe: Probe) -> None:
    nobody = Address("127.0.0.1", free_port())
    with pytest.raises(ProbeError, match="failed"):
        probe.read(stack_of(payments=nobody), timeout_s=1)
    with pytest.raises(ProbeError, match="no service is called 'payments'"):
        probe.read(stack_of(paymnts=nobody), timeout_s=1)
