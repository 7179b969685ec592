"""Text that people read: untrusted text made visible, values as one short line, numbers with their nouns."""

from __future__ import annotations

import json
import unicodedata

from tdlab.records import Json

__all__ = ["counted", "plain", "show"]

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that a terminal acts on, hides or cannot take: control, format, surrogate, private, breaks."""


def plain(text: str, *, most: int = 0) -> str:
    """Untrusted text for a terminal: what is not seen is escaped, lines and tabs apart.

    With ``most`` it is one line of at most that many characters, and lines and tabs are escaped too.
    """
    kept = "" if most else "\n\t"
    shown = text if text.isascii() and text.isprintable() else "".join(_visible(c, kept) for c in text)
    return shown if not most or len(shown) <= most else shown[: most - 1] + "…"


def counted(number: int, noun: str) -> str:
    """A number with its noun in the plural, but for one: 1 generation, 2,000 trajectories."""
    many = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def _visible(character: str, kept: str) -> str:
    if character in kept or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def show(value: Json) -> str:
    """A value as JSON in at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
