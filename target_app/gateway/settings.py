"""What the gateway can be told."""

from typing import Literal

from pydantic import Field, field_validator

from target_app.service.configuration import Count, PeerSettings, Seconds, Settings, Url
from target_app.service.redis_client import RedisSettings

TierName = Literal["premium", "standard", "default", "unlimited"]


class GatewaySettings(RedisSettings, PeerSettings, Settings):
    """The gateway's settings."""

    orders_url: Url = Field(..., description="the order service, http://host:port")
    orders_timeout_s: Seconds = Field(
        default=8.0,
        description="for one call to orders; a `Prefer: wait` is added to it, up to ORDER_WAIT_MAX_S",
    )
    order_wait_max_s: Seconds = Field(default=30.0, description="the longest `Prefer: wait` that is honoured")

    rate_limit_premium: Count = Field(default=1000, description="requests in a period, for each such client")
    rate_limit_standard: Count = Field(default=100, description="requests in a period, for each such client")
    rate_limit_default: Count = Field(
        default=10, description="requests in a period, for each client that is in no other tier"
    )
    rate_limit_period_s: Seconds = Field(default=60.0, description="after which a client's tokens come back")
    rate_limit_clients: dict[str, TierName] = Field(
        default={}, description="client=tier,client=tier,…; tiers are premium, standard, default, unlimited"
    )
    rate_limit_redis_lost: Literal["open", "closed"] = Field(
        default="open",
        description="without Redis nobody can count: `open` passes everybody on, `closed` refuses with 503",
    )

    @field_validator("rate_limit_clients", mode="before")
    @classmethod
    def _parse_clients(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.strip().partition("=") for pair in value.split(",") if pair.strip()]
        names = [name for name, _, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} would be in two tiers")
        return {name: tier for name, _, tier in pairs}
