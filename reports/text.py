"""Text of a recording, made fit for a page: whatever a target wrote is shown, and cannot change what is around it.

Templates escape HTML. What they do not see to is done here: control characters, which a browser drops or obeys (those
that turn the direction of writing make a line read as another), and length, which would bury the rest.
"""

import unicodedata
from math import isfinite, isnan

LENGTH_MAX = 400
_LEAST, _MOST = 1e-4, 1e15  # what lies between is written in full
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
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
    """A figure as people write it, with the digits that say something; "" for none.

    From 1000 on it is whole, below it has three digits that count; so many that nobody would count them are a power of
    ten. Rounding comes before the choice: 999.7 is 1000.
    """
    if value is None:
        return ""
    if not isfinite(value):
        return "not a number" if isnan(value) else ("∞" if value > 0 else "-∞")
    size = abs(value)
    if size and not _LEAST <= size < _MOST:
        mantissa, _, power = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')} × 10{str(int(power)).translate(_RAISED)}"
    if size >= 999.5:
        return f"{value:,.0f}" if size >= 9_999.5 else f"{value:.0f}"
    return f"{value or 0.0:.3g}"


def counted(number: int, what: str) -> str:
    """A number with its noun: "1 claim", "2 claims"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(parts: list[str], most: int = 5) -> str:
    """Parts as people list them: "a, b and c"; of many the first, and how many more."""
    if len(parts) > most:
        return f"{', '.join(parts[:most])} and {len(parts) - most} more"
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
