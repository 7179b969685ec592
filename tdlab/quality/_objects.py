"""The objects in results, the entities that they describe, and the moments in their fields."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import NamedTuple

from tdlab.quality._conversation import Call, text_form
from tdlab.records import Json
from tdlab.tools import singular, split_words

__all__ = ["Found", "entity_of", "later_than", "moment", "objects_in"]

_MOST_OBJECTS = 300  # read of one result
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)?")
_STRONG = frozenset({"id", "uuid"})


class Found(NamedTuple):
    """An object in a result: its fields, the name of what holds it, and the object around it, if any."""

    fields: dict[str, Json]
    holder: str
    parent: dict[str, Json] | None


def objects_in(call: Call) -> Iterator[Found]:
    """Yield the objects of a result from the outside in."""
    waiting: list[tuple[Json, str, dict[str, Json] | None]] = [(call.value, call.nature.entity, None)]
    count = 0
    for value, holder, parent in waiting:  # grows while it is read
        if isinstance(value, dict):
            count += 1
            if count > _MOST_OBJECTS:
                return
            yield Found(value, holder, parent)
            waiting.extend(
                (inner, key, value) for key, inner in value.items() if isinstance(inner, (dict, list)) and inner
            )
        elif isinstance(value, list):
            waiting.extend((inner, holder, parent) for inner in value if isinstance(inner, (dict, list)))


def entity_of(found: Found, given: Collection[str] | None = None) -> tuple[str, str] | None:
    """Return the field and the value that identify an object itself, rather than something that it refers to.

    That is a field ``id``, or an ``..._id`` whose noun is the noun of what holds the object ("order" of ``get_order``
    or ``orders``). ``given`` are the arguments of a call that created the object: its identifier is not among them.
    """
    noun = _noun(found.holder)
    for key, value in found.fields.items():
        words = split_words(key)
        if not words or words[-1] not in _STRONG or isinstance(value, bool) or not isinstance(value, (str, int)):
            continue
        if given is not None:
            if text_form(value) not in given:
                return f"{words[-2] if len(words) > 1 else noun}_id", text_form(value)
        elif len(words) == 1 or (noun and singular(words[-2]) == noun):
            return f"{noun}_id", text_form(value)
    return None


@lru_cache(maxsize=4096)
def _noun(name: str) -> str:
    words = split_words(name)
    return singular(words[-1]) if words else ""


def moment(value: Json) -> str | None:
    """Return a value that is a date or a date with time; None for anything else."""
    if isinstance(value, str) and 10 <= len(value) <= 35 and value[4:5] == "-" and _MOMENT.fullmatch(value):
        return value
    return None


def later_than(one: str, other: str) -> bool:
    """Return whether one moment is certainly later than another; without a common zone only by more than a day."""
    if len(one) == 10 or len(other) == 10:
        return one[:10] > other[:10]
    if one[19:] == other[19:]:
        return one > other
    try:
        first, second = (datetime.datetime.fromisoformat(value) for value in (one, other))
    except ValueError:  # such as the 30th of February
        return False
    if (first.tzinfo is None) != (second.tzinfo is None):
        return first.replace(tzinfo=None) - second.replace(tzinfo=None) > datetime.timedelta(days=1)
    return first > second
