"""The only door through which chance enters.

One seed a run; every user of randomness draws from a stream of its own, named after what it is for.
Adding a draw in one place therefore leaves all the others as they were, and the seed on a failure's
replay line gives back the same load and the same fault times.
"""

import hashlib
import random
import secrets


def fresh_seed() -> int:
    """A seed short enough to be typed from a screenshot."""
    return secrets.randbelow(10**9)


class Chance:
    """All the randomness of one run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> random.Random:
        """A generator that depends on the seed and the name only, not on who drew before.

        The name is hashed with SHA-256 because Python's own `hash` of a string differs from process
        to process.
        """
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - replayable on purpose
