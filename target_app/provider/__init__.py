"""The external payment provider: somebody else's system, with books of its own.

What it says was charged is the truth that every other record is compared with.
"""
