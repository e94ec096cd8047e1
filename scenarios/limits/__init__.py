"""Rate Limiting and Throttling: who is let through, how often, and what those are told who are not."""
