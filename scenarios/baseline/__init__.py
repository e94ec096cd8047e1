"""Drills without a fault: what they say is what every other drill is measured against."""
