"""`python -m target_app.orders`."""

import os

from target_app.service.garbage import not_collected

with not_collected():
    from target_app.orders.app import create_app
    from target_app.orders.settings import OrdersSettings
    from target_app.service.configuration import read_or_exit
    from target_app.service.server import serve

    settings = read_or_exit(OrdersSettings, os.environ)
    app = create_app(settings)

serve("orders", settings, app)
