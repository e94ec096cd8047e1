"""The way in: passes orders on, and is honest about what may have become of those that went unanswered."""
