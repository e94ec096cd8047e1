"""Kafka Consumer Lag: events that are late, and consumers that die over them."""
