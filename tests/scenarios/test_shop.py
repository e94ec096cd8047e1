"""The shop as seen from outside: what its clients send, and what an answer means."""

import json
from dataclasses import asdict

import pytest

from harness.chance import Chance
from harness.checks import Missing, from_record, to_record
from harness.checks.load import LoadReached
from harness.load import operations
from harness.load.operations import Answer
from harness.recording.records import Outcome, Phase
from harness.settings import Settings
from scenarios import shop
from scenarios.claims import bounded, compared, universal
from scenarios.profiles import CI
from scenarios.readings import observation
from scenarios.shop import DECLINED_CARD, SOLD_OUT, SOLD_OUT_SKU, PlaceOrder


def test_the_same_number_and_seed_make_the_same_order() -> None:
    first, again = (PlaceOrder().request(7, Chance(3).stream("order")) for _ in range(2))
    assert asdict(first) == asdict(again)
    assert first.key == first.body["order_id"] == first.headers["Idempotency-Key"]


def test_declined_cards_are_told_to_the_checkers() -> None:
    requests = [PlaceOrder(declined_share=0.3).request(n, Chance(n).stream("order")) for n in range(300)]
    declined = [request for request in requests if request.body["card"] == DECLINED_CARD]
    assert 0 < len(declined) < 300
    assert all((request in declined) == (request.detail.get("expect") == "declined") for request in requests)


def test_orders_of_what_is_sold_out_are_told_to_the_checkers() -> None:
    shopper = PlaceOrder(sold_out_share=0.3)
    requests = [shopper.request(n, Chance(n).stream("order")) for n in range(100)]
    sold_out = [request for request in requests if request.detail.get("stock") == SOLD_OUT]
    assert 0 < len(sold_out) < 100
    assert all((request in sold_out) == (SOLD_OUT_SKU in str(request.body["items"])) for request in requests)
    assert all(request.detail["contents"] == f"{SOLD_OUT_SKU}:1" for request in sold_out)


def test_what_was_ordered_is_told_to_the_checkers() -> None:
    request = PlaceOrder().request(7, Chance(3).stream("order"))
    assert request.detail["amount_cents"] == request.body["amount_cents"]
    assert request.detail["customer"] == request.body["customer_id"]
    items = sorted((item["sku"], item["quantity"]) for item in request.body["items"])
    assert request.detail["contents"] == " ".join(f"{sku}:{quantity}" for sku, quantity in items)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (202, b"", Outcome.OK),
        (200, b"", Outcome.OK),
        (422, b"", Outcome.REJECTED),
        (503, b'{"outcome": "rejected"}', Outcome.REJECTED),
        (503, b'{"outcome": "unknown"}', Outcome.UNKNOWN),
        (503, b"", Outcome.UNKNOWN),
        (503, b"<html>no upstream</html>", Outcome.UNKNOWN),
        (503, b'["rejected"]', Outcome.UNKNOWN),
        (500, b"", Outcome.UNKNOWN),
        (502, b'{"outcome": "unknown"}', Outcome.UNKNOWN),
        (504, b"", Outcome.UNKNOWN),
    ],
)
def test_only_an_answer_that_says_so_is_a_rejection(status: int, body: bytes, outcome: Outcome) -> None:
    assert PlaceOrder().outcome(Answer(status=status, headers={}, body=body))[0] is outcome


def test_the_operation_survives_its_way_to_the_load_generator() -> None:
    operation = PlaceOrder(declined_share=0.25)
    assert operations.from_record(json.loads(json.dumps(operations.to_record(operation)))) == operation


def test_every_claim_survives_its_way_through_the_recording() -> None:
    claims = universal(CI.outage, 10)
    assert tuple(from_record(json.loads(json.dumps(to_record(claim)))) for claim in claims) == claims
    assert len({claim.id for claim in claims}) == len(claims)


def test_a_crowded_end_excuses_and_a_crowded_steady_hides() -> None:
    """What slows the time after the fault makes "as before" hard to keep, what slows steady makes it easy."""
    weights = {
        (phase, type(evidence).__name__): evidence.if_missing
        for evidence in compared(CI.outage, 10)
        for phase in getattr(evidence, "phases", ())
    }
    assert {phase for phase, _ in weights} == {Phase.STEADY, Phase.IMPACT, Phase.HEAL}
    for (phase, _), weight in weights.items():
        assert weight is (Missing.VOIDS if phase is Phase.STEADY else Missing.EXCUSES)


def test_a_bound_on_one_side_is_voided_by_too_little_load_only() -> None:
    for evidence in bounded(CI.outage, 10):
        wanted = Missing.VOIDS if isinstance(evidence, LoadReached) else Missing.EXCUSES
        assert evidence.if_missing is wanted


def test_what_the_claims_read_is_what_the_probes_read() -> None:
    final = {probe.name for probe in observation().final}
    text = json.dumps([to_record(claim) for claim in universal(CI.steady, 10)])
    for name in (
        "orders",
        "ledger",
        "payments",
        "stock",
        "reservations",
        "applied_events",
        "order_view",
        "saga_log",
    ):
        assert f'"{name}"' in text
        assert name in final


def test_every_service_is_told_only_where_its_own_proxies_are() -> None:
    target = shop.target(Settings())
    told: dict[str, set[str]] = {}

    class Spy:
        host, port, data_folder = "127.0.0.1", 1, "data"

        def __init__(self, service: str) -> None:
            self.service = service

        def to(self, server: str) -> str:
            told.setdefault(self.service, set()).add(server)
            return f"proxy-to-{server}:1"

    for service in target.services:
        service.environment(Spy(service.name))
        assert told.get(service.name, set()) == set(service.uses)
