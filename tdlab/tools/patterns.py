"""Texts that match a regular expression: parsed once, drawn often. The only importer of ``rstr``.

Most patterns in tool schemas are sequences of characters and character classes with counts (``^inv_[a-z0-9]{8}$``), and
texts for those are drawn here. Alternatives, groups and the like go to ``rstr``. ``re`` never *matches* a pattern: a
pattern is untrusted and could backtrack for ever, so the schema library checks what is drawn.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping
from functools import lru_cache

from tdlab.errors import BlueprintError
from tdlab.records import Json

__all__ = ["matching"]

_MAX_PATTERN = 200  # a longer pattern, or one with a larger repeat, is not expanded
_MAX_REPEAT = 1000
_MAX_TEXT = 4000
_OPEN_ENDED = 8  # the most repeats that an open-ended count adds to its least
_CLASSES = {"d": string.digits, "w": string.ascii_lowercase + string.digits, "s": " "}
_ATOM = re.compile(
    r"""(?: \[(?P<set>[^\[\]\\^][^\[\]\\]*)\]      # [a-z0-9_-], no escape and no negation
          | \\(?P<escaped>[dws]|[^A-Za-z0-9])       # \d, \w, \s or an escaped sign
          | (?P<plain>[^\\\[\](){}.*+?|^$]) )       # a character that stands for itself
        (?: \{(?P<low>\d{1,4})(?:(?P<comma>,)(?P<high>\d{1,4})?)?\} | (?P<sign>[*+?]) )?""",
    re.VERBOSE,
)
Repeat = tuple[str, int, int]
"""The characters to choose from, and the fewest and most of them."""


def matching(rng: random.Random, pattern: str, schema: Mapping[str, Json]) -> str:
    """Return a random text for ``pattern`` within the length bounds of ``schema``.

    Raises:
        BlueprintError: The pattern is too large to expand, cannot be expanded, or has no text of that length.
    """
    if _too_large(pattern):
        raise BlueprintError(
            f"the pattern {pattern[:60]!r} is too large to make a value for", expected="a short pattern"
        )
    low, high = schema.get("minLength", 0), schema.get("maxLength", _MAX_TEXT)
    repeats = _repeats(pattern)
    try:
        for _ in range(8):
            text = _by_rstr(rng, pattern) if repeats is None else _draw(rng, repeats)
            if low <= len(text) <= min(high, _MAX_TEXT):
                return text
    except (re.error, KeyError, ValueError, RecursionError, NotImplementedError, IndexError, OverflowError) as error:
        raise BlueprintError(f"no value can be made for the pattern {pattern[:60]!r} ({error})") from None
    raise BlueprintError(f"no value for the pattern {pattern[:60]!r} keeps to the length bounds")


@lru_cache(maxsize=4096)
def _repeats(pattern: str) -> tuple[Repeat, ...] | None:
    """Return the sequence of a simple pattern; None for any other."""
    text = pattern.removeprefix("^")
    text = text[:-1] if text.endswith("$") and not text.endswith("\\$") else text
    repeats: list[Repeat] = []
    position = 0
    while position < len(text):
        atom = _ATOM.match(text, position)
        characters = _characters(atom) if atom is not None else ""
        if atom is None or not characters:
            return None
        low, high = _counts(atom)
        if high < low:
            return None
        repeats.append((characters, low, high))
        position = atom.end()
    return tuple(repeats)


def _characters(atom: re.Match[str]) -> str:
    if atom["plain"]:
        return atom["plain"]
    if atom["escaped"]:
        return _CLASSES.get(atom["escaped"], atom["escaped"])
    chosen: dict[str, None] = {}
    inside, position = atom["set"], 0
    while position < len(inside):
        if position + 2 < len(inside) and inside[position + 1] == "-":
            first, last = ord(inside[position]), ord(inside[position + 2])
            if last < first or last - first > 200:
                return ""
            chosen |= dict.fromkeys(map(chr, range(first, last + 1)))
            position += 3
        else:
            chosen[inside[position]] = None
            position += 1
    return "".join(chosen)


def _counts(atom: re.Match[str]) -> tuple[int, int]:
    if atom["low"] is not None:
        low = int(atom["low"])
        if not atom["comma"]:
            return low, low
        return low, int(atom["high"]) if atom["high"] else low + _OPEN_ENDED
    least = {"*": 0, "+": 1, "?": 0, None: 1}[atom["sign"]]
    return least, least + _OPEN_ENDED if atom["sign"] in ("*", "+") else 1


def _draw(rng: random.Random, repeats: tuple[Repeat, ...]) -> str:
    pieces: list[str] = []
    for characters, low, high in repeats:
        count = low if low == high else rng.randint(low, high)
        if len(characters) == 1:
            pieces.append(characters * count)
        elif count:
            pieces.extend(rng.choices(characters, k=count))
    return "".join(pieces)


def _by_rstr(rng: random.Random, pattern: str) -> str:
    import rstr

    return str(rstr.Rstr(rng).xeger(pattern))


@lru_cache(maxsize=4096)
def _too_large(pattern: str) -> bool:
    counts = [int(n) for n in re.findall(r"\{\d*,?(\d+)\}", pattern)]
    return len(pattern) > _MAX_PATTERN or any(n > _MAX_REPEAT for n in counts)
