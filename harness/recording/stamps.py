"""Moments that a target wrote down as text, by its wall clock.

A stamp without a time zone is one of UTC, wherever it is read. Python takes it for a time of the reader's own zone, and
then the same recording would say something else on the machine of whoever judges it again.
"""

import re
from datetime import UTC, datetime

# Java's ZonedDateTime names its zone behind the offset, which says all.
_ZONE_NAME = re.compile(r"(?<=[Z\d])\[[\w/+-]+\]$")


def has_zone(stamp: str) -> bool:
    """Whether a stamp says itself which zone it is of.

    Raises:
        ValueError: It is none.
    """
    return _read(stamp).tzinfo is not None


def wall_s(stamp: str) -> float:
    """A stamp in seconds since 1970.

    Raises:
        ValueError: It is none, or no clock can show it.
    """
    found = _read(stamp)
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, OSError) as error:
        raise ValueError(f"{stamp[:40]!r} is no moment that a clock can show") from error


def _read(stamp: str) -> datetime:
    return datetime.fromisoformat(_ZONE_NAME.sub("", stamp))
