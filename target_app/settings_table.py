"""`python -m target_app.settings_table`: every service's environment variables, as SETTINGS.md shows them."""

import sys

from pydantic import BaseModel

from target_app.gateway.settings import GatewaySettings
from target_app.inventory.settings import InventorySettings
from target_app.order_consumer.settings import OrderConsumerSettings
from target_app.orders.settings import OrdersSettings
from target_app.payments.settings import PaymentsSettings
from target_app.provider.settings import ProviderSettings
from target_app.service.configuration import table
from target_app.variants import WHAT_GOES_WRONG

SERVICES: dict[str, type[BaseModel]] = {
    "gateway": GatewaySettings,
    "orders": OrdersSettings,
    "inventory": InventorySettings,
    "payments": PaymentsSettings,
    "order-consumer": OrderConsumerSettings,
    "provider": ProviderSettings,
}

_INTRODUCTION = """# The shop's settings

Environment variables, and nothing else, configure a service. Durations are seconds. What is *required* has no
default; a service that misses it, or finds a value that makes no sense, says so and ends with status 2.
Written by `python -m target_app.settings_table`.
"""


def document() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    parts += [f"## {name}\n\n{table(kind)}\n" for name, kind in SERVICES.items()]
    variants = "\n".join(f"- `{variant}`: {sentence}." for variant, sentence in WHAT_GOES_WRONG.items())
    parts.append(f"## Variants (`SHOP_VARIANTS`)\n\nPlanted defects, off by default.\n\n{variants}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
