"""What the harness itself adds to the times of a target: a proxy on every link, told apart from the target's own.

Measured like a fault's effect, as round trips through the link and past it, but with no fault there.
"""

from collections.abc import Callable, Sequence

from harness.clock import NS_PER_MS, SYSTEM_CLOCK
from harness.faults.links import Added, added
from harness.stack import Link
from harness.stack.embedded.stack import EmbeddedStack
from scenarios.figures import Figure

TIMES = 15
ORDERS = 50
PROXY_MS_MAX = 1.0


def proxy_figures(
    stack: EmbeddedStack, links: Sequence[str], place_order: Callable[[str], None], *, busy: float
) -> list[Figure]:
    """What the proxy adds to a round trip on each link, and beside it how long a whole order takes its client."""
    return [
        *(
            Figure(
                what=f"latency that the proxy itself adds on {link}, no fault",
                wanted=f"≤ {PROXY_MS_MAX:g} ms",
                most=PROXY_MS_MAX,
                unit="ms",
                others_percent=busy,
                values=tuple(_added_ms(stack.links[link]) for _ in range(TIMES)),
            )
            for link in links
        ),
        Figure(
            what="an order, one at a time, from asking to answer: the shop's work and all proxies on its way",
            wanted="told",
            most=float("inf"),
            unit="ms",
            others_percent=busy,
            values=tuple(_took_ms(stack.entry.url, place_order) for _ in range(ORDERS)),
        ),
    ]


def _added_ms(link: Link) -> float:
    found = added(link, expected_ms=0.0)
    if isinstance(found, Added):
        return found.median_ms
    raise RuntimeError(f"{link.name} without any fault: {found.why}")


def _took_ms(url: str, place_order: Callable[[str], None]) -> float:
    began_ns = SYSTEM_CLOCK.now_ns()
    place_order(url)
    return (SYSTEM_CLOCK.now_ns() - began_ns) / NS_PER_MS
