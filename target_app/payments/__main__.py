"""`python -m target_app.payments`."""

import os

from target_app.service.garbage import not_collected

with not_collected():
    from target_app.payments.app import create_app
    from target_app.payments.settings import PaymentsSettings
    from target_app.service.configuration import read_or_exit
    from target_app.service.server import serve

    settings = read_or_exit(PaymentsSettings, os.environ)
    app = create_app(settings)

serve("payments", settings, app)
