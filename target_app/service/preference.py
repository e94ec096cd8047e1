"""The `Prefer` header (RFC 7240), as far as the shop honours it: how long a client would rather wait."""

import re

_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")


def preferred_wait_s(prefer: str | None, most_s: float) -> float:
    """The seconds in `wait=N`, at most `most_s`; 0 if there are none."""
    match = _WAIT.search(prefer or "")
    return min(float(match[1]), most_s) if match else 0.0
