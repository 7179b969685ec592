"""Texts that match a regular expression: parsed once, drawn often. The only door to ``rstr``.

Most patterns in tool schemas are a row of characters and character classes with counts (``^inv_[a-z0-9]{8}$``). Those
are drawn here directly; alternatives, groups and the like go to ``rstr``. No pattern is ever *matched* by ``re``: a
pattern comes from a stranger and could backtrack for ever, so what is drawn is checked by the schema library.
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
_OPEN_ENDED = 8  # how many more than the least an open-ended repeat gives at most
_CLASSES = {"d": string.digits, "w": string.ascii_lowercase + string.digits, "s": " "}
_ATOM = re.compile(
    r"""(?: \[(?P<set>[^\[\]\\^][^\[\]\\]*)\]      # [a-z0-9_-], no escape and no negation
          | \\(?P<escaped>[dws]|[^A-Za-z0-9])       # \d, \w, \s or an escaped sign
          | (?P<plain>[^\\\[\](){}.*+?|^$]) )       # a character that stands for itself
        (?: \{(?P<low>\d{1,4})(?:(?P<comma>,)(?P<high>\d{1,4})?)?\} | (?P<sign>[*+?]) )?""",
    re.VERBOSE,
)
Part = tuple[str, int, int]
"""The characters to choose from, and how often at least and at most."""


def matching(rng: random.Random, pattern: str, schema: Mapping[str, Json]) -> str:
    """A text for ``pattern`` that keeps to the length bounds of ``schema``.

    BlueprintError where the pattern is too large to expand, cannot be expanded, or never gives a text of that length.
    """
    if _too_large(pattern):
        raise BlueprintError(
            f"the pattern {pattern[:60]!r} is too large to make a value for", expected="a short pattern"
        )
    low, high = schema.get("minLength", 0), schema.get("maxLength", _MAX_TEXT)
    parts = _parts(pattern)
    try:
        for _ in range(8):
            made = _by_rstr(rng, pattern) if parts is None else _drawn(rng, parts)
            if low <= len(made) <= min(high, _MAX_TEXT):
                return made
    except (re.error, KeyError, ValueError, RecursionError, NotImplementedError, IndexError, OverflowError) as error:
        raise BlueprintError(f"no value can be made for the pattern {pattern[:60]!r} ({error})") from None
    raise BlueprintError(f"no value for the pattern {pattern[:60]!r} keeps to the length bounds")


@lru_cache(maxsize=4096)
def _parts(pattern: str) -> tuple[Part, ...] | None:
    """The row of a simple pattern; None for any other."""
    text = pattern.removeprefix("^")
    text = text[:-1] if text.endswith("$") and not text.endswith("\\$") else text
    parts: list[Part] = []
    place = 0
    while place < len(text):
        found = _ATOM.match(text, place)
        characters = _characters(found) if found is not None else ""
        if found is None or not characters:
            return None
        low, high = _counts(found)
        if high < low:
            return None
        parts.append((characters, low, high))
        place = found.end()
    return tuple(parts)


def _characters(found: re.Match[str]) -> str:
    if found["plain"]:
        return found["plain"]
    if found["escaped"]:
        return _CLASSES.get(found["escaped"], found["escaped"])
    chosen: dict[str, None] = {}
    inside, place = found["set"], 0
    while place < len(inside):
        if place + 2 < len(inside) and inside[place + 1] == "-":
            first, last = ord(inside[place]), ord(inside[place + 2])
            if last < first or last - first > 200:
                return ""
            chosen |= dict.fromkeys(map(chr, range(first, last + 1)))
            place += 3
        else:
            chosen[inside[place]] = None
            place += 1
    return "".join(chosen)


def _counts(found: re.Match[str]) -> tuple[int, int]:
    if found["low"] is not None:
        low = int(found["low"])
        if not found["comma"]:
            return low, low
        return low, int(found["high"]) if found["high"] else low + _OPEN_ENDED
    least = {"*": 0, "+": 1, "?": 0, None: 1}[found["sign"]]
    return least, least + _OPEN_ENDED if found["sign"] in ("*", "+") else 1


def _drawn(rng: random.Random, parts: tuple[Part, ...]) -> str:
    made: list[str] = []
    for characters, low, high in parts:
        count = low if low == high else rng.randint(low, high)
        if len(characters) == 1:
            made.append(characters * count)
        elif count:
            made.extend(rng.choices(characters, k=count))
    return "".join(made)


def _by_rstr(rng: random.Random, pattern: str) -> str:
    import rstr

    return str(rstr.Rstr(rng).xeger(pattern))


@lru_cache(maxsize=4096)
def _too_large(pattern: str) -> bool:
    repeats = [int(n) for n in re.findall(r"\{\d*,?(\d+)\}", pattern)]
    return len(pattern) > _MAX_PATTERN or any(n > _MAX_REPEAT for n in repeats)
