"""Payments, idempotent by key: the shop's only way to the external provider."""
