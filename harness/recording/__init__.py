"""What a run writes down, and what is read back from it.

Nothing outside this package knows that recordings are files.
"""
