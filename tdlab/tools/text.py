"""Text for people: untrusted text made printable, values as one short line."""

from __future__ import annotations

import json
import unicodedata

from tdlab.records import Json

__all__ = ["preview", "printable", "shape_of", "shorten"]

_KEYS = 8

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that a terminal obeys, hides or cannot show: control, format, surrogate, private, breaks."""


def shorten(text: str, limit: int = 80) -> str:
    """Return ``text`` cut to at most ``limit`` characters, the last one an ellipsis where it was cut.

    Args:
        text: Any text; its lines and blanks are kept.
        limit: The most characters to return, 1 or more.

    Returns:
        The text itself if it is short enough.

    Example:
        >>> shorten("a long story", 7)
        'a long…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str, *, most: int = 0) -> str:
    r"""Return untrusted text for a terminal, with invisible and control characters escaped.

    Args:
        text: The text to show; lines and tabs are kept.
        most: If given, the result is one line of at most that many characters, and lines and tabs are escaped too.

    Returns:
        Text that a terminal only prints.

    Example:
        >>> printable("bell\a and\nline"), printable("two\nlines", most=6)
        ('bell\\x07 and\nline', 'two\\n…')
    """
    kept = "" if most else "\n\t"
    shown = text if text.isascii() and text.isprintable() else "".join(_visible(c, kept) for c in text)
    return shorten(shown, most) if most else shown


def _visible(character: str, kept: str) -> str:
    if character in kept or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def shape_of(value: Json, limit: int = 80) -> str:
    """Return what a value is, for a message: of an object only the keys, of a list only the length.

    A value inside may be a secret, or very large.

    Args:
        value: A JSON value.
        limit: The most characters to return.

    Returns:
        The words; a value without others inside is shown.

    Example:
        >>> shape_of({"token": "abc", "id": 1}), shape_of([1, 2]), shape_of(None)
        ('an object with the keys token, id', 'a list of 2', 'None')
    """
    if isinstance(value, dict):
        keys = ", ".join([str(key) for key in list(value)[:_KEYS]]) + (", ..." if len(value) > _KEYS else "")
        return shorten(f"an object with the keys {keys}" if value else "an empty object", limit)
    if isinstance(value, list):
        return f"a list of {len(value):,}" if value else "an empty list"
    return shorten(repr(value), limit)


def preview(value: Json) -> str:
    """Return a value as JSON in about 80 characters, without ever encoding a large one.

    Args:
        value: Any value; one that is not a JSON value is described by its type.

    Returns:
        JSON text with an ellipsis where it was cut, or ``an object of 500``.

    Example:
        >>> preview({"city": "Graz"}), preview("x" * 200)[-3:]
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
