"""`python -m target_app.inventory`."""

import os

from target_app.service.garbage import not_collected

with not_collected():
    from target_app.inventory.app import create_app
    from target_app.inventory.settings import InventorySettings
    from target_app.service.configuration import read_or_exit
    from target_app.service.server import serve

    settings = read_or_exit(InventorySettings, os.environ)
    app = create_app(settings)

serve("inventory", settings, app)
