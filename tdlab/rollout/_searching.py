"""How the simulated world searches: pages of results, words that results hold, ranges that they keep to."""

from __future__ import annotations

import datetime
import random
from collections.abc import Mapping
from typing import NamedTuple

from tdlab.blueprints.lexicon import names_a_person
from tdlab.pool.naming import split_words
from tdlab.records import Json, rng_for
from tdlab.rollout._inventing import fits, is_past

__all__ = ["Page", "matches", "narrowed", "page_of", "paging_fields", "told_of", "words_of_query"]

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
_TIMELY = frozenset("date at on time day".split())
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
        and not set(split_words(name)) & (_LOW | _HIGH | _QUERIES)
    }


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
) -> dict[str, Json]:
    """Fields of the result ``number`` that the search itself fixes.

    Its title holds the query, its numbers and dates keep to the ranges that were asked for. ``place`` seeds what is
    drawn; fields in ``taken`` are fixed already.
    """
    found: dict[str, Json] = {}
    properties = {f: s for f, s in items["properties"].items() if isinstance(s, dict) and f not in taken}
    if query:
        titles = [f for f in properties if (split_words(f)[-1:] or ("",))[0] in _TITLES]
        for field in titles[:1] if number == 0 or not titles or not names_a_person(split_words(titles[0])) else ():
            text = f"{query}{_ENDINGS[number % len(_ENDINGS)]}"
            if fits(text, properties[field]):
                found[field] = text
    bounds = {name: value for name, value in arguments.items() if set(split_words(name)) & (_LOW | _HIGH)}
    for field, schema in properties.items() if bounds else ():
        low, high = _range_for(field, bounds)
        if low is None and high is None:
            continue
        drawn = _between(rng_for(*place, number, field), low, high, timed=field.endswith(("_at", "_time")))
        fitting = [value for value in drawn if fits(value, schema)]
        if fitting:
            found[field] = fitting[0]
    return found


def _range_for(field: str, arguments: Mapping[str, Json]) -> tuple[Json, Json]:
    """The bounds that the arguments set for a field: ``min_price`` and ``max_price`` for ``price_cents``."""
    words = set(split_words(field))
    dated = bool(words & _TIMELY) and not is_past(field)
    low: Json = None
    high: Json = None
    for name, value in arguments.items():
        parts = set(split_words(name))
        about = parts - _LOW - _HIGH - _TIMELY
        if not (about and about <= words) and not (dated and not about and _moment(value) is not None):
            continue
        if parts & _LOW:
            low = value
        elif parts & _HIGH:
            high = value
    return low, high


def _between(rng: random.Random, low: Json, high: Json, *, timed: bool) -> list[Json]:
    """Values between two bounds, of which one may be missing: a number, or a day and a moment, the better first."""
    first, last = _moment(low), _moment(high)
    if first is not None or last is not None:
        start = first or (last or datetime.date.max) - datetime.timedelta(days=14)
        days = (last - start).days if last is not None else 14
        day = (start + datetime.timedelta(days=rng.randint(0, max(days - 1, 0)))).isoformat()
        moment = f"{day}T{rng.randint(8, 18):02d}:{rng.choice((0, 30)):02d}:00Z"
        return [moment, day] if timed else [day, moment]
    numbers = [n for n in (low, high) if isinstance(n, (int, float)) and not isinstance(n, bool)]
    if len(numbers) != sum(bound is not None for bound in (low, high)) or not numbers:
        return []
    bottom = numbers[0] if low is not None else min(0, numbers[0] / 2)
    top = numbers[-1] if high is not None else bottom + abs(bottom) + 10
    if all(isinstance(n, int) for n in numbers):
        return [rng.randint(int(bottom), max(int(bottom), int(top)))]
    return [round(rng.uniform(bottom, max(bottom, top)), 2)]


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
