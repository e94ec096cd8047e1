"""`python -m target_app.provider`."""

import os

from target_app.service.garbage import not_collected

with not_collected():
    from target_app.provider.app import create_app
    from target_app.provider.settings import ProviderSettings
    from target_app.service.configuration import read_or_exit
    from target_app.service.server import serve

    settings = read_or_exit(ProviderSettings, os.environ)
    app = create_app(settings)

serve("provider", settings, app)
