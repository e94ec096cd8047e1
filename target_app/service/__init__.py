"""What every service of the shop is made of: configuration, server, logs, metrics, and its connections."""
