from collections.abc import Iterator

import pytest

from tests.faults.fake_stack import FakeStack, small_shop


@pytest.fixture
def stack() -> Iterator[FakeStack]:
    with small_shop() as shop:
        yield shop
