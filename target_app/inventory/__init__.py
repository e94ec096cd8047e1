"""Stock, and what of it is held for which order."""
