"""What the inventory service can be told."""

from target_app.service.configuration import DatabaseSettings, Settings


class InventorySettings(DatabaseSettings, Settings):
    """The inventory service's settings."""
