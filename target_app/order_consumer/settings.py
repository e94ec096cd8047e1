"""What the order consumer can be told."""

from target_app.service.configuration import ConsumerSettings, DatabaseSettings, ProducerSettings, Settings


class OrderConsumerSettings(ProducerSettings, ConsumerSettings, DatabaseSettings, Settings):
    """The order consumer's settings."""
