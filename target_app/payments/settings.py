"""What the payment service can be told."""

from pydantic import Field

from target_app.service.configuration import DatabaseSettings, PeerSettings, Seconds, Settings, Url


class PaymentsSettings(PeerSettings, DatabaseSettings, Settings):
    """The payment service's settings."""

    provider_url: Url = Field(..., description="the external provider, http://host:port")
    provider_timeout_s: Seconds = Field(
        default=3.0, description="for one call to the provider; shorter than the caller's PAYMENT_TIMEOUT_S"
    )
