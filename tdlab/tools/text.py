"""Text that people read: untrusted text made visible, values as one short line."""

from __future__ import annotations

import json
import unicodedata

from tdlab.records import Json

__all__ = ["plain", "shorten", "show"]

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that a terminal acts on, hides or cannot take: control, format, surrogate, private, breaks."""


def shorten(text: str, limit: int = 80) -> str:
    """Return ``text`` cut to at most ``limit`` characters, the last one an ellipsis where something was cut.

    Args:
        text: Any text; its lines and blanks are kept.
        limit: Most characters of the result, 1 or more.

    Returns:
        The text itself where it is short enough.

    Example:
        >>> shorten("a long story", 7)
        'a long…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain(text: str, *, most: int = 0) -> str:
    """Untrusted text for a terminal: what is not seen is escaped, lines and tabs apart.

    With ``most`` it is one line of at most that many characters, and lines and tabs are escaped too.
    """
    kept = "" if most else "\n\t"
    shown = text if text.isascii() and text.isprintable() else "".join(_visible(c, kept) for c in text)
    return shorten(shown, most) if most else shown


def _visible(character: str, kept: str) -> str:
    if character in kept or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def show(value: Json) -> str:
    """Return a value as JSON in about 80 characters, without ever writing out a large one.

    Args:
        value: Any value; one that is no JSON value is named by its type.

    Returns:
        JSON text with an ellipsis where it was cut, or ``an object of 500``.

    Example:
        >>> show({"city": "Graz"}), show("x" * 200)[-3:]
        ('{"city": "Graz"}', 'x…"')
    """
    if isinstance(value, str):
        return json.dumps(shorten(value), ensure_ascii=False)
    if isinstance(value, (dict, list)) and len(value) > 80:
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    try:
        return shorten(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
