"""The inventory service's HTTP interface."""

import logging
from typing import Annotated

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from target_app.inventory.settings import InventorySettings
from target_app.inventory.shelf import Item, Shelf, StockTables
from target_app.service.database import Database
from target_app.service.logs import fields
from target_app.service.metrics import Metrics
from target_app.service.problems import Problem
from target_app.service.server import build

log = logging.getLogger(__name__)


class ItemRequest(BaseModel):
    """So many units of one article."""

    sku: str = Field(min_length=1, max_length=100)
    quantity: int = Field(gt=0, le=1_000_000)


class ReservationRequest(BaseModel):
    """POST /api/v1/inventory/reservations."""

    order_id: str = Field(min_length=1, max_length=100)
    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=100)]


class StockRequest(BaseModel):
    """PUT /api/v1/inventory/stock."""

    sku: str = Field(min_length=1, max_length=100)
    available: int = Field(ge=0)


def create_app(settings: InventorySettings, *, shelf: Shelf | None = None) -> FastAPI:
    """The inventory service. Tests hand in a shelf of their own."""
    metrics = Metrics()
    database = Database(settings, metrics)
    stock = shelf or StockTables(database, variants=settings.shop_variants)
    router = APIRouter(prefix="/api/v1/inventory")

    @router.post("/reservations")
    async def reserve(asked: ReservationRequest) -> JSONResponse:
        """Hold stock for an order, once."""
        items = [Item(sku=item.sku, quantity=item.quantity) for item in asked.items]
        found = await stock.reserve(asked.order_id, items)
        if found.status in {"RELEASED", "REFUSED"}:
            reason = (
                "not enough stock" if found.status == "REFUSED" else "the reservation was released before"
            )
            log.info("Inventory refused: %s", reason, extra=fields(order_id=asked.order_id))
            raise Problem(409, "Conflict", reason)
        return JSONResponse(found.shown())

    @router.post("/reservations/{order_id}/confirm")
    async def confirm(order_id: str) -> JSONResponse:
        """Sell what is held for the order."""
        found = await stock.confirm(order_id)
        if found is None or found.status != "CONFIRMED":
            state = "no reservation" if found is None else f"a reservation that is {found.status}"
            raise Problem(409, "Conflict", f"there is {state} for this order")
        return JSONResponse(found.shown())

    @router.post("/reservations/{order_id}/release")
    async def release(order_id: str) -> JSONResponse:
        """Put back what is held for the order, and refuse to hold anything for it from now on."""
        found = await stock.release(order_id)
        log.info("Compensation: reservation released", extra=fields(order_id=order_id))
        return JSONResponse(found.shown())

    @router.get("/order/{order_id}")
    async def of_order(order_id: str) -> JSONResponse:
        """What is held for the order."""
        found = await stock.find(order_id)
        if found is None:
            raise Problem(404, "Not Found", f"nothing was ever held for order {order_id!r}")
        return JSONResponse(found.shown())

    @router.put("/stock")
    async def supply(asked: StockRequest) -> JSONResponse:
        """Set how many units of an article are available."""
        await stock.supply(asked.sku, asked.available)
        return JSONResponse(asked.model_dump())

    @router.get("/stock")
    async def all_stock() -> JSONResponse:
        """All articles."""
        return JSONResponse({"stock": await stock.stock()})

    parts = [] if shelf is not None else [database]
    return build("inventory", settings, parts, [router], metrics)
