"""What clients do in the drills of limits, besides ordering: they look at an order."""

from harness.load.operations import Request
from scenarios.shop import order_key

READ_ORDER = "read_order"


def read_of_the_first_order(number: int, client: str) -> Request:
    """The request of that number, as a look at the very first order."""
    return Request(
        method="GET",
        path=f"/api/v1/orders/{order_key(0)}",
        headers={"X-Client-ID": client},
        key=f"read-{number:06d}",
        detail={"client": client},
        name=READ_ORDER,
    )
