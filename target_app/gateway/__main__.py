"""`python -m target_app.gateway`."""

import os

from target_app.service.garbage import not_collected

with not_collected():
    from target_app.gateway.app import create_app
    from target_app.gateway.settings import GatewaySettings
    from target_app.service.configuration import read_or_exit
    from target_app.service.server import serve

    settings = read_or_exit(GatewaySettings, os.environ)
    app = create_app(settings)

serve("gateway", settings, app)
