"""What a network does to a link: delay it, narrow it, cut it, swallow it, reset it.

`link` is a link's name or a pattern such as "orders->kafka-*". Each fault is measured on the wire, through
the link and past it, before `inject` returns and again after `heal`.
"""

from harness.faults.dead_links import BlackHole, Cut, Reset
from harness.faults.slow_links import AddedLatency, LimitedBandwidth
from harness.faults.toxic_fault import Lost

__all__ = ["AddedLatency", "BlackHole", "Cut", "LimitedBandwidth", "Lost", "Reset"]
