"""The consumer of order events: confirmations to customers, and the read view."""
