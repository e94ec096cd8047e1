"""`python -m target_app.order_consumer`."""

import os

from target_app.service.garbage import not_collected

with not_collected():
    from target_app.order_consumer.app import create_app
    from target_app.order_consumer.settings import OrderConsumerSettings
    from target_app.service.configuration import read_or_exit
    from target_app.service.server import serve

    settings = read_or_exit(OrderConsumerSettings, os.environ)
    app = create_app(settings)

serve("order-consumer", settings, app)
