"""Text of a recording, made fit for a page: whatever a target wrote is shown, and cannot change what is around it.

Templates escape HTML. What they do not see to is done here: control characters, which a browser drops or obeys (those
that turn the direction of writing make a line read as another), and length, which would bury the rest.
"""

import unicodedata

LENGTH_MAX = 400


def plain(value: object, length_max: int = LENGTH_MAX) -> str:
    """A value as one readable line: control characters as their escapes, and what is too long cut with its length."""
    text = str(value)
    kept = "".join(
        c if not unicodedata.category(c).startswith("C") else ascii(c)[1:-1] for c in text[:length_max]
    )
    return kept if len(text) <= length_max else f"{kept}… ({len(text)} characters)"
