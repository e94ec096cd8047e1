"""Circuit Breaker Issues: calls that are not made, and whether they were rightly not made."""
