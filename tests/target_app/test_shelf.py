"""Nothing of what is set aside, sold and put back gets lost on the shelf: its statements, on a real PostgreSQL."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from target_app.inventory.shelf import Item, StockTables
from target_app.service.configuration import DatabaseSettings
from target_app.service.database import Database
from target_app.service.metrics import Metrics
from target_app.variants import Variant
from tests.target_app import real_postgres

pytestmark = pytest.mark.stack

ITEMS = (Item(sku="sku-1", quantity=3), Item(sku="sku-2", quantity=2))
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with real_postgres.running() as where:
        yield where


@pytest.fixture
def after(address: str) -> Callable[..., Rows]:
    """The stock by article, after two orders of the same items were told these words each."""

    def told(*words: str, variants: frozenset[Variant] = frozenset()) -> Rows:
        async def session() -> Rows:
            url = await real_postgres.migrated(address, "inventory", f"inventory_{uuid4().hex[:12]}")
            database = Database(DatabaseSettings(database_url=url), Metrics())
            await database.start()
            try:
                shelf = StockTables(database, variants=variants)
                for order_id in ("o1", "o2"):
                    await shelf.reserve(order_id, ITEMS)
                    for word in words:
                        await getattr(shelf, word)(order_id)
                return {row["sku"]: row for row in await shelf.stock()}
            finally:
                await database.stop()

        return asyncio.run(session())

    return told


@pytest.mark.parametrize("words", [("release",), ("confirm", "release"), ("release", "release")])
def test_what_is_released_is_on_the_shelf_again(after: Callable[..., Rows], words: tuple[str, ...]) -> None:
    for row in after(*words).values():
        assert (row["available"], row["reserved"], row["sold"]) == (row["supplied"], 0, 0)


def test_what_is_confirmed_is_sold(after: Callable[..., Rows]) -> None:
    rows = after("confirm", "confirm")
    assert [(rows[item.sku]["reserved"], rows[item.sku]["sold"]) for item in ITEMS] == [(0, 6), (0, 4)]


def test_the_variant_puts_back_one_of_each(after: Callable[..., Rows]) -> None:
    rows = after("release", variants=frozenset({Variant.RELEASE_PUTS_BACK_ONE}))
    assert [rows[item.sku]["reserved"] for item in ITEMS] == [4, 2]
