"""The inventory service over a shelf in memory that keeps the same rules as the tables."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from target_app.inventory.app import create_app
from target_app.inventory.settings import InventorySettings
from target_app.inventory.shelf import Item, Reservation, _merged
from target_app.service.configuration import read
from target_app.service.database import DatabaseLost
from tests.target_app.client import ask

SETTINGS = read(InventorySettings, {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
BASE = "/api/v1/inventory"


class FakeShelf:
    """One article of which there are five."""

    def __init__(self) -> None:
        self.available = 5
        self.held: dict[str, Reservation] = {}
        self.lost = False

    async def reserve(self, order_id: str, items: Sequence[Item]) -> Reservation:
        if self.lost:
            raise DatabaseLost("gone")
        if order_id not in self.held:
            wanted = sum(item.quantity for item in items)
            status = "RESERVED" if wanted <= self.available else "REFUSED"
            self.available -= wanted if status == "RESERVED" else 0
            self.held[order_id] = Reservation(order_id=order_id, status=status, items=tuple(items))
        return self.held[order_id]

    async def confirm(self, order_id: str) -> Reservation | None:
        found = self.held.get(order_id)
        if found and found.status == "RESERVED":
            found = Reservation(order_id=order_id, status="CONFIRMED", items=found.items)
            self.held[order_id] = found
        return found

    async def release(self, order_id: str) -> Reservation:
        found = self.held.get(order_id)
        if found and found.status in {"RESERVED", "CONFIRMED"}:
            self.available += sum(item.quantity for item in found.items)
        self.held[order_id] = Reservation(order_id=order_id, status="RELEASED")
        return self.held[order_id]

    async def find(self, order_id: str) -> Reservation | None:
        return self.held.get(order_id)

    async def supply(self, sku: str, available: int) -> None:
        self.available = available

    async def stock(self) -> list[dict[str, Any]]:
        return [{"sku": "sku-1", "available": self.available}]


def reserve(quantity: int = 2) -> tuple[str, str, Any]:
    items = [{"sku": "sku-1", "quantity": quantity}]
    return "POST", f"{BASE}/reservations", {"order_id": "o1", "items": items}


def move(verb: str) -> tuple[str, str, Any]:
    return "POST", f"{BASE}/reservations/o1/{verb}", None


def statuses(shelf: FakeShelf, *requests: tuple[str, str, Any]) -> list[int]:
    async def talk(client: httpx.AsyncClient) -> list[int]:
        return [
            (await client.request(method, path, json=body)).status_code for method, path, body in requests
        ]

    return ask(create_app(SETTINGS, shelf=shelf), talk)


def test_a_reservation_is_held_once_however_often_it_is_asked() -> None:
    shelf = FakeShelf()
    assert statuses(shelf, reserve(), reserve(), move("confirm"), move("confirm")) == [200] * 4
    assert shelf.available == 3


def test_too_little_stock_is_a_409() -> None:
    shelf = FakeShelf()
    assert statuses(shelf, reserve(6), move("confirm")) == [409, 409]
    assert shelf.available == 5


def test_a_reservation_after_its_release_is_refused() -> None:
    shelf = FakeShelf()
    assert statuses(shelf, move("release"), move("release"), reserve()) == [200, 200, 409]
    assert shelf.available == 5


def test_what_was_sold_is_put_back_by_a_release() -> None:
    shelf = FakeShelf()
    assert statuses(shelf, reserve(), move("confirm"), move("release")) == [200] * 3
    assert shelf.available == 5


def test_nothing_is_confirmed_that_was_never_held() -> None:
    assert statuses(FakeShelf(), move("confirm"), ("GET", f"{BASE}/order/o1", None)) == [409, 404]


def test_a_lost_database_is_a_503() -> None:
    shelf = FakeShelf()
    shelf.lost = True
    assert statuses(shelf, reserve()) == [503]


def test_stock_can_be_supplied_and_listed() -> None:
    shelf = FakeShelf()
    supplied = ("PUT", f"{BASE}/stock", {"sku": "sku-1", "available": 70})
    assert statuses(shelf, supplied, ("GET", f"{BASE}/stock", None)) == [200, 200]
    assert shelf.available == 70


@pytest.mark.parametrize("quantity", [0, -1, 2_000_000])
def test_a_quantity_that_makes_no_sense_is_a_400(quantity: int) -> None:
    assert statuses(FakeShelf(), reserve(quantity)) == [400]


def test_an_article_named_twice_is_one_item_and_items_are_in_order_of_their_sku() -> None:
    items = [Item(sku="b", quantity=1), Item(sku="a", quantity=2), Item(sku="b", quantity=3)]
    assert _merged(items) == (Item(sku="a", quantity=2), Item(sku="b", quantity=4))
