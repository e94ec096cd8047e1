"""Orders, the outbox that publishes what happens to them, and the coordinator of their sagas."""
