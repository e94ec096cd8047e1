"""Executable references: what a pattern does by its own documentation, step by step, to compare a target with.

A model knows nothing of histories, targets or clocks: it is told what happened and when, and says what follows. A
checker feeds it what a recording shows and compares the ends.
"""
