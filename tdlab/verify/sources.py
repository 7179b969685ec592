"""Where the values of arguments come from: what was said, what results held, what a schema fixes.

All checks of grounding share this module, for tdlab's own trajectories and for recordings of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tdlab.records import Json, canonical_json
from tdlab.speech import dates_in, said_in, times_in
from tdlab.tools import LIMITS, leaves
from tdlab.verify.context import plain_number

__all__ = [
    "CLOCK_OF_MOMENT",
    "COMPOSED",
    "MOMENT",
    "NUMBER",
    "WORD",
    "Seen",
    "fixed_by_schema",
    "is_grounded",
    "known_numbers",
    "narrows",
]

WORD = re.compile(r"[^\W_]{3,}")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
COMPOSED = 3
"""Words from which on a text is one that the assistant puts together, such as a message; then its numbers count."""
_LONGEST = 12  # digits of an amount in cents


def fixed_by_schema(value: Json, schema: Mapping[str, Json]) -> bool:
    """Return whether a schema itself states a value, as its default or constant."""
    stated = (schema[keyword] for keyword in ("default", "const") if keyword in schema)
    return any(fixed == value and isinstance(fixed, bool) == isinstance(value, bool) for fixed in stated)


def narrows(value: Json, parameter: str, schema: Mapping[str, Json], heard: Sequence[str], seen: Seen) -> bool:
    """Return whether an argument of a reading call only narrows what is read, so that the assistant may choose it.

    That holds for one of a few listed values, a yes or no, how many rows, a day or time, and words that occur before.
    """
    if isinstance(value, list):
        items = schema.get("items")
        inner = items if isinstance(items, Mapping) else {}
        return bool(value) and all(narrows(item, parameter, inner, heard, seen) for item in value)
    if isinstance(value, bool) or value in (schema.get("enum") or ()):
        return True
    if isinstance(value, int):
        return parameter in LIMITS or _PERIOD.search(parameter) is not None
    if not isinstance(value, str):
        return False
    if MOMENT.fullmatch(value):
        return True
    words = WORD.findall(value.casefold())
    known = "\n".join((*heard, *seen.leaves)).casefold()
    return bool(words) and not NUMBER.search(value) and all(word in known for word in words)


_PERIOD = re.compile(r"(?:year|month|week|day|hour)s?\Z")  # which of them is read is up to the assistant
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?")


class Seen:
    """What the results so far hold: every leaf as text."""

    def __init__(self) -> None:
        self.leaves: set[str] = set()

    def add(self, value: Json) -> None:
        """Add a result."""
        for _, leaf in leaves(value):
            text = leaf if isinstance(leaf, str) else canonical_json(plain_number(leaf))
            self.leaves.add(text)

    def has(self, value: Json) -> bool:
        """Return whether a result held a value."""
        text = value if isinstance(value, str) else canonical_json(plain_number(value))
        if text in self.leaves:
            return True
        # A date is known where a moment of that day is.
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and any(leaf.startswith(text + "T") for leaf in self.leaves)


def is_grounded(value: Json, heard: Sequence[str], seen: Seen, now: str) -> bool:
    """Return whether a value was returned or said, or is a text that the assistant put together from what was."""
    if value is None or seen.has(value) or said_in(heard, value, now):
        return True
    composed = isinstance(value, str) and len(WORD.findall(value)) >= COMPOSED
    return composed and known_numbers(str(value), heard, seen, now)


def known_numbers(value: str, heard: Sequence[str], seen: Seen, now: str) -> bool:
    """Return whether all numbers of a text were said or returned."""
    known = {number for text in (*heard, *seen.leaves) for number in _numbers(text, now)}
    cents = [int(number) / 100 for number in known if number.isdecimal() and len(number) < _LONGEST]
    return not {*_numbers(value, now)} - known - {f"{amount:.2f}" for amount in cents} - {f"{n:g}" for n in cents}


def _numbers(text: str, now: str) -> Iterator[str]:
    """Yield the numbers, days and times of a text."""
    moments = [*dates_in(text, now), *times_in(text), *CLOCK_OF_MOMENT.findall(text)]
    yield from moments
    if not moments:
        yield from NUMBER.findall(text)


CLOCK_OF_MOMENT = re.compile(r"T(\d\d:\d\d)")
