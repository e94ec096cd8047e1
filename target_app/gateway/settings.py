"""What the gateway can be told."""

from pydantic import Field

from target_app.service.configuration import PeerSettings, Seconds, Settings, Url


class GatewaySettings(PeerSettings, Settings):
    """The gateway's settings."""

    orders_url: Url = Field(..., description="the order service, http://host:port")
    orders_timeout_s: Seconds = Field(
        default=8.0,
        description="for one call to orders; a `Prefer: wait` is added to it, up to ORDER_WAIT_MAX_S",
    )
    order_wait_max_s: Seconds = Field(default=30.0, description="the longest `Prefer: wait` that is honoured")
