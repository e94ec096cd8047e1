"""The payment service's HTTP interface."""

import logging
from typing import TYPE_CHECKING, Annotated

import httpx
from fastapi import APIRouter, FastAPI, Header
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from target_app.payments.cashier import Cashier
from target_app.payments.settings import PaymentsSettings
from target_app.payments.store import Payments, PaymentTable
from target_app.service.database import Database
from target_app.service.http_client import Peer
from target_app.service.logs import fields
from target_app.service.metrics import Metrics
from target_app.service.server import build

if TYPE_CHECKING:
    from target_app.service.lifecycle import Part

log = logging.getLogger(__name__)

Key = Annotated[str, Header(min_length=1, max_length=200)]


class PaymentRequest(BaseModel):
    """POST /api/v1/payments."""

    order_id: str = Field(min_length=1, max_length=100)
    amount_cents: int = Field(gt=0)
    card: str = Field(min_length=1, max_length=100)


class RefundRequest(BaseModel):
    """POST /api/v1/payments/{reference}/refund."""

    order_id: str = Field(min_length=1, max_length=100)


class Notification(BaseModel):
    """What the provider tells by itself. It may come twice, early, late or never."""

    event: str
    key: str


def create_app(
    settings: PaymentsSettings,
    *,
    payments: Payments | None = None,
    provider_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """The payment service. Tests hand in payments of their own and a provider to reach in-process."""
    metrics = Metrics()
    database = Database(settings, metrics)
    provider = Peer(
        "provider",
        settings.provider_url,
        settings=settings,
        timeout_s=settings.provider_timeout_s,
        transport=provider_transport,
    )
    table = payments or PaymentTable(database)
    cashier = Cashier(table, provider, settings.shop_variants)
    router = APIRouter(prefix="/api/v1/payments")

    @router.post("")
    async def pay(asked: PaymentRequest, idempotency_key: Key) -> JSONResponse:
        """Pay once per key."""
        payment = await cashier.pay(key=idempotency_key, **asked.model_dump())
        return JSONResponse(payment.shown())

    @router.post("/{reference}/refund")
    async def refund(reference: str, asked: RefundRequest) -> JSONResponse:
        """Refund by payment id or idempotency key, as often as it is asked for."""
        payment = await cashier.refund(reference=reference, order_id=asked.order_id)
        return JSONResponse(payment.shown())

    @router.get("/order/{order_id}")
    async def of_order(order_id: str) -> JSONResponse:
        """All payments of an order."""
        found = await table.of_order(order_id)
        return JSONResponse({"order_id": order_id, "payments": [payment.shown() for payment in found]})

    @router.post("/webhook")
    async def webhook(notification: Notification) -> JSONResponse:
        """Take note of a charge whose answer may never have come."""
        news = notification.event == "charge.succeeded" and await table.notified(notification.key)
        log.info("Notification received", extra=fields(key=notification.key, news=news))
        return JSONResponse({"received": True})

    parts: list[Part] = [provider] if payments is not None else [database, provider]
    return build("payments", settings, parts, [router], metrics)
