"""The process that owns a stack, so that a stack never outlives whoever wanted it.

Read `state` for what is on disk, `server` for what it does, `client` for how to ask it, `sweep` for what happens when
even the supervisor was killed, `base_lock` for how the stacks of one user keep out of each other's way.
"""
