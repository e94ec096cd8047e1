"""Telling a full disk from other trouble, whoever met it.

It comes as an errno, as the list of errors of a copied folder, or as the last words of a server or an installer. To
the person at the terminal it is always the same: which disk, how much is left of it, and what to set to use another.
"""

import errno
import os
import shutil
from pathlib import Path

_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
# Programs speak their own languages, but say this in the words of the C library, or of Java, which are these.
_WORDS = tuple(os.strerror(number) for number in _ERRNOS)


def was_met(trouble: BaseException | str) -> bool:
    """Whether an error, or what a program said before it ended, tells of a disk without room."""
    if isinstance(trouble, OSError) and trouble.errno in _ERRNOS:
        return True
    return any(words in str(trouble) for words in _WORDS)


def told(folder: Path, *, takes: str, instead: str) -> str:
    """What a person can do about it.

    Args:
        folder: On the disk that is full; it need not exist.
        takes: How much is wanted: "A stack takes about 300 MB."
        instead: What to set to use another disk: "set DRILLBOOK_STATE to a folder on another disk".
    """
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    usage = shutil.disk_usage(existing)
    return (
        f"the disk of {folder} is too full: {usage.free >> 20} of {usage.total >> 20} MB are free now. {takes} Free "
        f"some, or {instead}."
    )
