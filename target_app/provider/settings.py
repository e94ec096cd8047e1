"""What the provider can be told."""

from pydantic import Field

from target_app.service.configuration import Settings


class ProviderSettings(Settings):
    """The provider's settings."""

    ledger_path: str = Field(
        default=..., min_length=1, description="SQLite file of the ledger; its folder must exist"
    )
    webhook_url: str = Field(
        default="", description="where `twice` delivers its notifications; without it `twice` is refused"
    )
    webhook_timeout_s: float = Field(default=2.0, gt=0, description="for one notification")
