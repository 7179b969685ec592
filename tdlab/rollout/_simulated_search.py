"""How the simulated world searches: pages of results, words that results hold, ranges that they keep to."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from tdlab.records import Json, rng_for
from tdlab.rollout._simulated_values import fits
from tdlab.tools import names_a_person, referenced_entity, split_words

__all__ = [
    "Page",
    "bounds_of",
    "matches",
    "narrowed",
    "page_of",
    "paging_fields",
    "told_of",
    "within",
    "words_of_query",
]

_SIZES = (
    "limit",
    "max_results",
    "page_size",
    "per_page",
    "top_k",
    "maxresults",
    "pagesize",
    "max_items",
    "num_results",
)
_STARTS = ("offset", "skip", "start_index")
_TOKENS = ("cursor", "page_token", "pagetoken", "next_token", "starting_after")
_PAGING = frozenset((*_SIZES, *_STARTS, *_TOKENS, "page", "page_number"))
_QUERIES = frozenset("query q search keyword keywords term text".split())
_TITLES = ("title", "name", "subject", "headline", "summary", "description")
_LOW = frozenset("min minimum from start starts since after low earliest".split())
_HIGH = frozenset("max maximum to until end ends before high latest".split())
_REACH = frozenset("radius within".split())
_BOUNDS = _LOW | _HIGH | _REACH
_TIMELY = frozenset("date at on time day".split())
_BOOKKEEPING = frozenset("created updated modified changed registered joined added".split())
_ENDINGS = ("", " B", " (new)", " (old)", " C")


class Page(NamedTuple):
    """A slice of the results, ``first`` to ``last`` (excluded)."""

    first: int
    last: int


def page_of(arguments: Mapping[str, Json], total: int, most: Json) -> Page | str:
    """The slice that the arguments ask for, or why there is none (a page token that was never given out)."""
    size = _first_number(arguments, _SIZES, 1)
    if isinstance(most, int) and not isinstance(most, bool):
        size = most if size is None else min(size, most)
    first = _first_number(arguments, _STARTS, 0) or 0
    page = _first_number(arguments, ("page", "page_number"), 1)
    if page is not None and size is not None:
        first = (page - 1) * size
    elif page is not None and page > 1:
        first = total
    for name in _TOKENS:
        token = arguments.get(name)
        if token in (None, ""):
            continue
        number = str(token).removeprefix("after-")
        if not number.isdecimal() or not 0 < int(number[:9]) <= total:
            return f"the {name} {str(token)[:40]!r} was never given out"
        first = int(number)
    first = min(first, total)
    return Page(first, total if size is None else min(first + size, total))


def paging_fields(schema: Mapping[str, Json], page: Page, total: int) -> dict[str, Json]:
    """What the output fields about paging say, as far as their schemas let them."""
    more = page.last < total
    found: dict[str, Json] = {}
    for field, inner in schema["properties"].items():
        name = field.lower()
        if not isinstance(inner, dict):
            continue
        if name in ("total", "total_count", "total_results", "total_items", "totalcount"):
            found[field] = total
        elif name in ("count", "returned", "result_count"):
            found[field] = page.last - page.first
        elif name in ("has_more", "has_next", "more", "hasmore", "truncated"):
            found[field] = more
        elif name in ("cursor", "next_cursor", "next_page_token", "next_token", "nextcursor", "nextpagetoken"):
            found[field] = f"after-{page.last}" if more else None if fits(None, inner) else ""
        elif name in ("next_offset", "next_page") and not more and fits(None, inner):
            found[field] = None
        elif name == "next_offset":
            found[field] = page.last
    return found


def words_of_query(arguments: Mapping[str, Json]) -> str:
    """The free text that is searched for; empty where there is none."""
    for name, value in arguments.items():
        if isinstance(value, str) and value and (split_words(name)[-1:] or ("",))[0] in _QUERIES:
            return value
    return ""


def told_of(arguments: Mapping[str, Json]) -> dict[str, Json]:
    """What a search says about everything that it finds: its scalar arguments, without paging, query and ranges."""
    return {
        name: value
        for name, value in arguments.items()
        if not isinstance(value, (list, dict))
        and name.lower() not in _PAGING
        and not set(split_words(name)) & (_BOUNDS | _QUERIES)
    }


def bounds_of(arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments that say between which values the results lie: least, most, from, until, within what distance."""
    return {
        name: value
        for name, value in arguments.items()
        if set(split_words(name)) & _BOUNDS
        and name.lower() not in _PAGING
        and referenced_entity(name) is None
        and not isinstance(value, (list, dict))
    }


def within(fields: Mapping[str, Json], bounds: Mapping[str, Json]) -> bool:
    """Whether every field that the bounds speak of lies between them; days count whole, the last one included."""
    for field, value in fields.items() if bounds else ():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            continue
        for bound, sign in zip(_range_for(field, bounds, fields), (1, -1), strict=True):
            if isinstance(value, str):
                here, there = _moment(value), _moment(bound)
                outside = here is not None and there is not None and (here - there).days * sign < 0
            else:
                outside = isinstance(bound, (int, float)) and (value - bound) * sign < 0
            if outside:
                return False
    return True


def matches(query: str, fields: Mapping[str, Json]) -> bool:
    """Whether some text among the fields holds the query; an empty query matches everything."""
    wanted = query.casefold()
    return not wanted or any(isinstance(v, str) and wanted in v.casefold() for v in fields.values())


def narrowed(
    items: Mapping[str, Json],
    arguments: Mapping[str, Json],
    query: str,
    number: int,
    place: tuple[Json, ...],
    taken: Mapping[str, Json],
    *,
    series: bool = False,
) -> dict[str, Json]:
    """Fields of the result ``number`` that the search itself fixes.

    Its title holds the query, its numbers and dates keep to the ranges that were asked for. ``place`` seeds what is
    drawn; fields in ``taken`` are fixed already. In a ``series`` the days follow one another from the first on.
    """
    found: dict[str, Json] = {}
    properties = {f: s for f, s in items["properties"].items() if isinstance(s, dict) and f not in taken}
    if query:
        titles = [f for f in properties if (split_words(f)[-1:] or ("",))[0] in _TITLES]
        for field in titles[:1] if number == 0 or not titles or not names_a_person(split_words(titles[0])) else ():
            text = f"{query}{_ENDINGS[number % len(_ENDINGS)]}"
            if fits(text, properties[field]):
                found[field] = text
    bounds = bounds_of(arguments)
    for field, schema in properties.items() if bounds else ():
        low, high = _range_for(field, bounds, items["properties"])
        if low is None and high is None:
            continue
        low, high = _also(max, low, schema.get("minimum"), high), _also(min, high, schema.get("maximum"), low)
        timed = field.endswith(("_at", "_time"))
        drawn = _between(rng_for(*place, number, field), low, high, timed=timed, day=number if series else None)
        fitting = [value for value in drawn if fits(value, schema)]
        if fitting:
            found[field] = fitting[0]
    return found


def _range_for(field: str, bounds: Mapping[str, Json], fields: Collection[str]) -> tuple[Json, Json]:
    """The bounds for one of the fields: ``min_price`` for ``price_cents``, ``radius_km`` for ``distance_km``.

    Days that name no field (``start_date``) are about when things happen, not about when they were written down.
    """
    words = set(split_words(field))
    dated = bool(words & _TIMELY) and not (words & _BOOKKEEPING and any(map(_happens, fields)))
    low: Json = None
    high: Json = None
    for name, value in bounds.items():
        parts = set(split_words(name))
        about = parts - _BOUNDS - _TIMELY
        if parts & _REACH:
            if "distance" in words and about <= words:
                high = value
            continue
        if not (about and _stems(about) <= _stems(words)) and not (dated and not about and _moment(value) is not None):
            continue
        if parts & _LOW:
            low = value
        elif parts & _HIGH:
            high = value
    return low, high


def _also(choose: Callable[..., Json], bound: Json, own: Json, other: Json) -> Json:
    """A bound in numbers together with the one that the schema sets itself; ``other`` is the bound across."""
    if not _is_number(own) or not (_is_number(bound) or (bound is None and _is_number(other))):
        return bound
    return own if bound is None else choose(bound, own)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _happens(field: str) -> bool:
    """Whether a field says when something happens."""
    words = set(split_words(field))
    return bool(words & _TIMELY) and not words & _BOOKKEEPING


def _stems(words: Collection[str]) -> set[str]:
    return {word[:5] for word in words}


def _between(rng: random.Random, low: Json, high: Json, *, timed: bool, day: int | None = None) -> list[Json]:
    """Values between two bounds, of which one may be missing: a number, or a day and a moment, the better first.

    ``day`` counts from the first day on, as far as there are days; where it is None the day is drawn.
    """
    first, last = _moment(low), _moment(high)
    if first is not None or last is not None:
        start = first or (last or datetime.date.max) - datetime.timedelta(days=14)
        days = max((last - start).days - 1 if last is not None else 13, 0)
        chosen = rng.randint(0, days) if day is None else min(day, days)
        date = (start + datetime.timedelta(days=chosen)).isoformat()
        moment = f"{date}T{rng.randint(8, 18):02d}:{rng.choice((0, 30)):02d}:00Z"
        return [moment, date] if timed else [date, moment]
    numbers = [n for n in (low, high) if _is_number(n)]
    if len(numbers) != sum(bound is not None for bound in (low, high)) or not numbers:
        return []
    bottom = numbers[0] if low is not None else min(0, numbers[0] / 2)
    top = numbers[-1] if high is not None else bottom + abs(bottom) + 10
    if all(isinstance(n, int) for n in numbers):
        return [rng.randint(int(bottom), max(int(bottom), int(top)))]
    drawn = rng.uniform(bottom, max(bottom, top))
    return [round(drawn, 2), round(drawn)] if bottom <= round(drawn) <= top else [round(drawn, 2)]


def _moment(value: Json) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _first_number(arguments: Mapping[str, Json], names: tuple[str, ...], least: int) -> int | None:
    for name, value in arguments.items():
        if name.lower() in names and isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
    return None
