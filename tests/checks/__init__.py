"""Every check meets a guilty and an innocent history."""
