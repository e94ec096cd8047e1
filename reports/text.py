"""Text of a recording, made fit for a page: whatever a target wrote is shown, and cannot change what is around it.

Templates escape HTML. What they do not see to is done here: control characters, which a browser drops or obeys (those
that turn the direction of writing make a line read as another), and length, which would bury the rest.
"""

import unicodedata

LENGTH_MAX = 400
# Categories of Unicode: control, format, surrogate, private and unassigned ones, and what ends a line or paragraph.
_UNSEEN = ("C", "Zl", "Zp")


def plain(value: object, length_max: int = LENGTH_MAX) -> str:
    """A value as one readable line: control characters as their escapes, and what is too long cut with its length."""
    text = str(value)
    kept = "".join(
        ascii(c)[1:-1] if unicodedata.category(c).startswith(_UNSEEN) else c for c in text[:length_max]
    )
    return kept if len(text) <= length_max else f"{kept}… ({len(text):,} characters)"


def figure(value: float | None) -> str:
    """A figure with as many digits as say something; "" for none."""
    if value is None:
        return ""
    if value == int(value) and abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def counted(number: int, what: str) -> str:
    """A number with its noun: "1 claim", "2 claims"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(parts: list[str], most: int = 5) -> str:
    """Parts as people list them: "a, b and c"; of many the first, and how many more."""
    if len(parts) > most:
        return f"{', '.join(parts[:most])} and {len(parts) - most} more"
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
