"""Who a client is, and what it may: the gateway's own list decides, not what a client says of itself.

`X-Client-ID` says who calls and proves nothing; in front of a gateway like this one something has to authenticate. A
client that says nothing, or what is no name, is one of many strangers, who share one bucket.
"""

import re
from enum import StrEnum

from target_app.gateway.settings import GatewaySettings

# It becomes part of a key in Redis and of log lines.
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ANONYMOUS = "anonymous"


class Tier(StrEnum):
    """What a client has agreed on."""

    PREMIUM = "premium"
    STANDARD = "standard"
    DEFAULT = "default"
    UNLIMITED = "unlimited"  # for those of the house: a drill's own ordinary load


class Clients:
    """The clients that the gateway knows, and what each tier may."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._tiers = {name: Tier(tier) for name, tier in settings.rate_limit_clients.items()}
        self._limits: dict[Tier, int | None] = {
            Tier.PREMIUM: settings.rate_limit_premium,
            Tier.STANDARD: settings.rate_limit_standard,
            Tier.DEFAULT: settings.rate_limit_default,
            Tier.UNLIMITED: None,
        }

    def named(self, client_ids: list[str]) -> str:
        """The client that a request's `X-Client-ID` headers name."""
        if len(client_ids) == 1 and _CLIENT.fullmatch(client_ids[0]):
            return client_ids[0]
        return ANONYMOUS

    def tier_of(self, client: str) -> Tier:
        """The tier of a client."""
        return self._tiers.get(client, Tier.DEFAULT)

    def limit_of(self, tier: Tier) -> int | None:
        """How many requests a tier may make in a period; None for any number."""
        return self._limits[tier]
