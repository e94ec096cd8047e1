"""The order service's HTTP interface.

An order's id may be chosen by the client, in the header `Idempotency-Key` or in the body: asking again with
the same id gets the order that is there, asking for something else under that id is refused.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from target_app.orders.order_store import Line, NewOrder, Order, Orders
from target_app.orders.outcomes import Outcomes
from target_app.orders.settings import OrdersSettings
from target_app.service import trace
from target_app.service.database import DatabaseLost
from target_app.service.logs import fields
from target_app.service.preference import preferred_wait_s
from target_app.service.problems import Problem
from target_app.service.request_queue import Criticality, RequestQueue

log = logging.getLogger(__name__)

# It becomes part of paths and headers: ASCII only, and nothing that a client would take for "this folder" or "above".
NAME = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}"
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
OptionalHeader = Annotated[str | None, Header()]


class LineRequest(BaseModel):
    """One article."""

    sku: Name
    quantity: int = Field(gt=0, le=10_000)


class OrderRequest(BaseModel):
    """POST /api/v1/orders."""

    order_id: Name | None = None
    customer_id: Name
    items: Annotated[list[LineRequest], Field(min_length=1, max_length=100)]
    amount_cents: int = Field(gt=0, le=10_000_000_000)
    card: Name


def order_routes(
    settings: OrdersSettings,
    orders: Orders,
    outcomes: Outcomes,
    wrote_events: Callable[[], None],
    queue: RequestQueue,
) -> APIRouter:
    """`/api/v1/orders`. Who waits for an order's outcome does no work, and holds no place of those who do."""
    router = APIRouter(prefix="/api/v1/orders")

    @router.post("")
    async def place(
        asked: OrderRequest,
        request: Request,
        idempotency_key: OptionalHeader = None,
        prefer: OptionalHeader = None,
    ) -> JSONResponse:
        """Accept an order: 202 while it is PENDING, 200 if it was settled within the preferred wait."""
        wanted = _wanted(asked, idempotency_key)
        here = trace.current()
        async with queue.slot(Criticality.CRITICAL):
            order = await orders.create(wanted, here.traceparent if here else "")
            if order is None:
                order = await _same(orders, wanted)
            else:
                wrote_events()
                log.info(
                    "Transaction ID: %s, order accepted",
                    order.saga_id,
                    extra=fields(order_id=order.order_id, saga_id=order.saga_id),
                )
        wait_s = preferred_wait_s(prefer, settings.order_wait_max_s)
        if wait_s and not order.is_settled:
            order = await _after_waiting(order, wait_s, request.app.state.lifecycle.draining)
        location = {"Location": f"/api/v1/orders/{order.order_id}"}
        return JSONResponse(order.shown(), 200 if order.is_settled else 202, {**order.headers, **location})

    async def _after_waiting(order: Order, wait_s: float, draining: asyncio.Event) -> Order:
        async def now() -> Order:
            try:
                return await orders.find(order.order_id) or order
            except DatabaseLost:
                return order  # it was accepted; how it is doing now is a question for later

        async def has_ended() -> bool:
            return (await now()).is_settled

        await outcomes.wait_for(order.order_id, wait_s, draining, has_ended)
        return await now()

    @router.get("/{order_id}")
    async def find(order_id: str, if_none_match: OptionalHeader = None) -> JSONResponse:
        """The order as it is now; 304 if the client has this version."""
        async with queue.slot(Criticality.SHEDDABLE):
            order = await orders.find(order_id)
        if order is None:
            raise Problem(404, "Not Found", f"there is no order {order_id!r}")
        if if_none_match and order.headers["ETag"] in {tag.strip() for tag in if_none_match.split(",")}:
            return _NotModified(order.headers)
        return JSONResponse(order.shown(), headers=order.headers)

    return router


def saga_routes(orders: Orders, queue: RequestQueue) -> APIRouter:
    """`/api/v1/sagas`."""
    router = APIRouter(prefix="/api/v1/sagas")

    @router.get("/status")
    async def of_order(order_id: Annotated[str, Query(alias="orderId")]) -> JSONResponse:
        """The saga of an order."""
        async with queue.slot(Criticality.SHEDDABLE):
            saga = await orders.saga(order_id=order_id)
        if saga is None:
            raise Problem(404, "Not Found", f"there is no saga of order {order_id!r}")
        return JSONResponse(saga)

    @router.get("/{saga_id}/status")
    async def of_id(saga_id: str) -> JSONResponse:
        """A saga."""
        async with queue.slot(Criticality.SHEDDABLE):
            saga = await orders.saga(saga_id=saga_id)
        if saga is None:
            raise Problem(404, "Not Found", f"there is no saga {saga_id!r}")
        return JSONResponse(saga)

    return router


class _NotModified(JSONResponse):
    """304 has no body, not even `null`."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(None, 304, headers)

    def render(self, content: object) -> bytes:  # noqa: ARG002 - Starlette's signature
        return b""


def _wanted(asked: OrderRequest, idempotency_key: str | None) -> NewOrder:
    if idempotency_key and asked.order_id and idempotency_key != asked.order_id:
        raise Problem(400, "Bad Request", "Idempotency-Key and order_id name different orders")
    order_id = idempotency_key or asked.order_id or str(uuid4())
    if not re.fullmatch(NAME, order_id):
        detail = "Idempotency-Key must be 1 to 100 of A-Z, a-z, 0-9 and _.:-, the first a letter or digit"
        raise Problem(400, "Bad Request", detail)
    lines = tuple(Line(**item.model_dump()) for item in asked.items)
    return NewOrder(
        order_id=order_id,
        customer_id=asked.customer_id,
        lines=lines,
        amount_cents=asked.amount_cents,
        card=asked.card,
    )


async def _same(orders: Orders, wanted: NewOrder) -> Order:
    found = await orders.find(wanted.order_id)
    if found is None or found.fingerprint != wanted.fingerprint:
        raise Problem(422, "Unprocessable Content", f"the id {wanted.order_id!r} was used for another order")
    return found
