"""Saga Pattern Failures: orders that stop half-way, and what brings them to an end."""
