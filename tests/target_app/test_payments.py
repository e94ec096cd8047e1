"""The payment service against the real provider application, both in this process."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from target_app.payments.app import create_app
from target_app.payments.settings import PaymentsSettings
from target_app.provider.app import create_app as create_provider
from target_app.provider.settings import ProviderSettings
from target_app.service.configuration import read
from target_app.variants import Variant
from tests.target_app.client import ask
from tests.target_app.fakes import FakePayments

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "PROVIDER_URL": "http://provider",
}
BODY = {"order_id": "o1", "amount_cents": 500, "card": "tok_visa"}


class LosingAnswers(httpx.AsyncBaseTransport):
    """The provider in this process. First `refused` requests find no connection, then `lost` answers get lost."""

    def __init__(self, provider: httpx.ASGITransport, lost: int, refused: int) -> None:
        self._provider = provider
        self.lost = lost
        self.refused = refused

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.refused:
            self.refused -= 1
            raise httpx.ConnectError("nobody listens", request=request)
        answer = await self._provider.handle_async_request(request)
        if self.lost:
            self.lost -= 1
            raise httpx.ReadTimeout("lost on the way", request=request)
        return answer


class Desk:
    """The payment service, its table, and the provider behind it."""

    def __init__(self, folder: Path, *variants: Variant, lost: int = 0, refused: int = 0) -> None:
        provider = create_provider(
            read(ProviderSettings, {"LEDGER_PATH": str(folder / "ledger.sqlite"), "WEBHOOK_URL": "http://x"})
        )
        self.provider = httpx.ASGITransport(app=provider)
        self.table = FakePayments()
        environment = ENVIRONMENT | {"SHOP_VARIANTS": ",".join(variants)}
        self.app = create_app(
            read(PaymentsSettings, environment),
            payments=self.table,
            provider_transport=LosingAnswers(self.provider, lost, refused),
        )

    def __call__(self, *requests: tuple[str, str, Any]) -> list[int]:
        """Statuses of requests (path, key, body), one after the other."""

        async def talk(client: httpx.AsyncClient) -> list[int]:
            return [
                (await client.post(path, json=body, headers={"Idempotency-Key": key})).status_code
                for path, key, body in requests
            ]

        return ask(self.app, talk)

    async def entries(self) -> list[tuple[str, str]]:
        async with httpx.AsyncClient(transport=self.provider, base_url="http://provider") as client:
            return [(entry["kind"], entry["key"]) for entry in (await client.get("/v1/ledger")).json()]


def pay(key: str = "k1", **changes: object) -> tuple[str, str, Any]:
    return "/api/v1/payments", key, {**BODY, **changes}


def refund(reference: str = "k1") -> tuple[str, str, Any]:
    return f"/api/v1/payments/{reference}/refund", "-", {"order_id": "o1"}


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Desk]:
    return lambda *variants, lost=0, refused=0: Desk(tmp_path, *variants, lost=lost, refused=refused)


def ledger(desk: Desk) -> list[tuple[str, str]]:
    return asyncio.run(desk.entries())


def charges(desk: Desk) -> int:
    return sum(kind == "charge" for kind, _ in ledger(desk))


def test_one_key_is_one_charge_however_often_it_is_asked(desk: Callable[..., Desk]) -> None:
    here = desk()
    assert here(pay(), pay(), pay()) == [200, 200, 200]
    assert charges(here) == 1


def test_the_same_key_for_another_payment_is_refused(desk: Callable[..., Desk]) -> None:
    here = desk()
    assert here(pay(), pay(amount_cents=501)) == [200, 422]


def test_a_declined_card_is_a_402_and_stays_one(desk: Callable[..., Desk]) -> None:
    here = desk()
    assert here(pay(card="tok_declined"), pay(card="tok_declined")) == [402, 402]


def test_a_lost_answer_is_unknown_and_the_retry_learns_what_happened(desk: Callable[..., Desk]) -> None:
    here = desk(lost=1)
    assert here(pay(), pay()) == [504, 200]
    assert charges(here) == 1


@pytest.mark.parametrize(
    ("refused", "lost", "attempts"), [(0, 0, 1), (0, 1, 2), (0, 2, 3), (2, 0, 1), (1, 1, 2)]
)
def test_attempts_are_the_requests_that_went_out_to_the_provider(
    desk: Callable[..., Desk], refused: int, lost: int, attempts: int
) -> None:
    here = desk(lost=lost, refused=refused)
    # Asking twice more for what is settled asks the provider nothing.
    assert here(*[pay()] * (refused + lost + 3))[-3:] == [200, 200, 200]
    assert here.table.attempts["k1"] == attempts


def test_an_answer_that_a_refund_overtook_is_counted_and_changes_nothing(desk: Callable[..., Desk]) -> None:
    here = desk()
    here.table.refunded_meanwhile = True
    assert here(pay()) == [409]
    assert (here.table.rows["k1"].status, here.table.attempts["k1"]) == ("REFUNDING", 1)


def test_the_variant_charges_again_after_a_lost_answer(desk: Callable[..., Desk]) -> None:
    here = desk(Variant.PAYMENT_KEY_PER_ATTEMPT, lost=1)
    assert here(pay(), pay()) == [504, 200]
    assert charges(here) == 2


def test_a_lost_charge_is_refunded_by_its_key(desk: Callable[..., Desk]) -> None:
    here = desk(lost=1)
    assert here(pay(), refund(), refund()) == [504, 200, 200]
    assert [kind for kind, _ in ledger(here)] == ["charge", "refund"]
    assert here.table.rows["k1"].status == "REFUNDED"


def test_the_variant_finds_no_charge_that_it_never_heard_of(desk: Callable[..., Desk]) -> None:
    here = desk(Variant.REFUND_BY_ORDER, lost=1)
    assert here(pay(), refund(), refund()) == [504, 200, 200]
    assert [kind for kind, _ in ledger(here)] == ["charge"]


def test_the_variant_gives_back_what_it_heard_of(desk: Callable[..., Desk]) -> None:
    here = desk(Variant.REFUND_BY_ORDER)
    assert here(pay(), refund(), refund()) == [200, 200, 200]
    assert [kind for kind, _ in ledger(here)] == ["charge", "refund"]


def test_a_refund_that_got_no_answer_is_tried_again_and_given_once(desk: Callable[..., Desk]) -> None:
    here = desk(lost=2)
    assert here(pay(), refund(), refund()) == [504, 504, 200]
    assert [kind for kind, _ in ledger(here)] == ["charge", "refund"]


def test_a_payment_that_comes_after_its_refund_is_refused(desk: Callable[..., Desk]) -> None:
    here = desk()
    assert here(refund(), pay()) == [200, 409]
    assert ledger(here) == []


def test_a_payment_can_be_refunded_by_its_id(desk: Callable[..., Desk]) -> None:
    here = desk()
    assert here(pay(), refund("id-of-k1")) == [200, 200]
    assert [kind for kind, _ in ledger(here)] == ["charge", "refund"]


def test_a_notification_settles_a_payment_whose_answer_was_lost(desk: Callable[..., Desk]) -> None:
    here = desk(lost=1)
    told = ("/api/v1/payments/webhook", "-", {"event": "charge.succeeded", "key": "k1"})
    assert here(pay(), told, told) == [504, 200, 200]
    assert here.table.rows["k1"].status == "COMPLETED"


@pytest.mark.parametrize(("mode", "status"), [("refuse", 402), ("error", 503)])
def test_the_provider_does_as_it_is_told(desk: Callable[..., Desk], mode: str, status: int) -> None:
    here = desk()

    async def told(client: httpx.AsyncClient) -> list[int]:
        async with httpx.AsyncClient(transport=here.provider, base_url="http://provider") as control:
            await control.put("/control/replies", json={"mode": mode})
            first = await client.post("/api/v1/payments", json=BODY, headers={"Idempotency-Key": "k1"})
            await control.delete("/control/replies")
            said = await control.get("/control/replies")
        assert said.json()["mode"] == "normal"
        return [first.status_code]

    assert ask(here.app, told) == [status]
    assert charges(here) == 0


@pytest.mark.parametrize(
    ("answer", "status", "kept"),
    [
        (httpx.Response(200, text="<html>all is well</html>"), 503, "PENDING"),
        (httpx.Response(200, json=["charged"]), 503, "PENDING"),
        (httpx.Response(200, json={"status": "perhaps"}), 503, "PENDING"),
        (httpx.Response(429, json={}), 503, "PENDING"),
        (httpx.Response(400, json={"detail": "no such currency"}), 503, "PENDING"),
        (httpx.Response(409, json={"detail": "the first request is under way"}), 503, "PENDING"),
    ],
    ids=["a page", "a list", "an unknown word", "too many", "a bad request", "a conflict"],
)
def test_an_answer_that_says_nothing_of_the_charge_leaves_the_payment_open(
    answer: httpx.Response, status: int, kept: str, tmp_path: Path
) -> None:
    here = Desk(tmp_path)
    here.app = create_app(
        read(PaymentsSettings, ENVIRONMENT),
        payments=here.table,
        provider_transport=httpx.MockTransport(lambda _request: answer),
    )
    assert here(pay()) == [status]
    [payment] = asyncio.run(here.table.of_order("o1"))
    assert payment.status == kept
