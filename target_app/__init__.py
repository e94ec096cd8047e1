"""The sample shop: an event-driven order system, written as a good team would after reading its guide.

It knows nothing about whoever drills it. Every service is one process, `python -m target_app.<service>`,
configured by environment variables alone (SETTINGS.md lists them) and observed through its Actuator
endpoints, its JSON logs and its database.
"""
