"""Contradictions inside of one result: ranges, sums, counts, durations, currencies, capacities."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from tdlab.quality._conversation import Call, text_form
from tdlab.quality._objects import Found, later_than, moment
from tdlab.records import Json
from tdlab.tools import split_words

__all__ = ["CAPACITY", "PEOPLE", "contradictions_in_object"]

_ORDER = (
    ("start", "end"), ("starts", "ends"), ("started", "ended"), ("start", "stop"), ("begin", "end"), ("begins", "ends"),
    ("from", "to"), ("from", "until"), ("from", "through"), ("min", "max"), ("minimum", "maximum"), ("since", "until"),
    ("checkin", "checkout"), ("in", "out"), ("departure", "arrival"), ("departs", "arrives"), ("departed", "arrived"),
    ("opens", "closes"), ("opened", "closed"), ("started", "finished"), ("started", "completed"), ("sent", "received"),
    ("created", "updated"), ("created", "modified"), ("created", "closed"), ("created", "resolved"),
    ("created", "completed"), ("created", "cancelled"), ("created", "revoked"), ("ordered", "shipped"),
    ("shipped", "delivered"), ("submitted", "approved"), ("issued", "expires"), ("created", "expires"),
    ("opened", "resolved"), ("pickup", "dropoff"), ("pickup", "delivery"), ("first", "last"),
    ("departs", "returns"), ("departs", "return"), ("outbound", "return"),
)  # fmt: skip
"""Words of two fields of which the first is never later or larger than the second, where their other words agree."""

_MINUTES = {"minutes": 1, "minute": 1, "min": 1, "mins": 1, "hours": 60, "hour": 60, "days": 1440, "nights": 1440}
_TOTALS = frozenset({"total", "subtotal", "sum"})
_EACH = ("unit_price", "unit_price_cents", "price_each")
_TAKEN = ("booked", "occupied", "reserved", "registered", "enrolled")
_PARTS = frozenset("amount price cost total subtotal cents minor sum".split())
_BESIDE = re.compile(
    r"tax|vat|ship|deliver|discount|fee|tip|surcharge|coupon|credit|adjust|deposit|paid|refund|balance|handling|rebate"
)
_PAGED = re.compile(r"page|cursor|offset|next|has_more|hasmore|truncated|limit|partial|complete", re.IGNORECASE)
_COUNTS = frozenset("count returned total_count total_results num_results result_count number_of_results total".split())
PEOPLE = frozenset(
    "party_size guests guest_count number_of_guests num_guests attendees attendee_count participants people num_people"
    " headcount passengers_count passenger_count occupancy occupants group_size persons pax diners covers".split()
)
CAPACITY = frozenset(
    "capacity max_guests max_capacity max_occupancy max_party_size max_people sleeps seats seat_count max_attendees"
    " max_participants max_persons".split()
)


_WITHIN = frozenset("replies messages comments events entries history updates notes timeline log activities".split())
"""What only comes after the object that holds it was created."""


class _Shape(NamedTuple):
    """What can contradict itself in objects with the same fields."""

    ordered: tuple[tuple[str, str], ...]
    minutes: str | None
    totals: tuple[str, ...]
    people: tuple[str, ...]
    rooms: tuple[str, ...]
    counts: tuple[tuple[str, tuple[str, ...]], ...]


@lru_cache(maxsize=4096)
def _shape(names: tuple[str, ...]) -> _Shape:
    words = {name: split_words(name) for name in names}
    minutes = [
        name
        for name, parts in words.items()
        if parts and parts[-1] in _MINUTES and (len(parts) == 1 or parts[0] in ("duration", "length"))
    ]
    totals = [name for name, parts in words.items() if _TOTALS & set(parts) and "count" not in parts]
    counts = [
        (name, parts[:-1] if parts[-1:] == ("count",) else parts[1:] if parts[:1] == ("num",) else ())
        for name, parts in words.items()
        if name in _COUNTS or parts[-1:] == ("count",) or parts[:1] == ("num",)
    ]
    return _Shape(
        _ordered(names),
        next(iter(minutes), None),
        () if len(totals) > 1 or any(_BESIDE.search(name) for name in names) else tuple(totals),
        tuple(name for name in names if name in PEOPLE),
        tuple(name for name in names if name in CAPACITY),
        tuple(counts),
    )


def contradictions_in_object(call: Call, found: Found) -> Iterator[tuple[str, str]]:
    """Yield the kind and the words of each contradiction in one object."""
    fields = found.fields
    shape = _shape(tuple(fields))
    if shape.ordered:
        yield from _ranges(fields, shape)
        if shape.minutes is not None:
            yield from _durations(fields, shape.minutes, shape)
    yield from _sums(fields, shape)
    if shape.counts:
        yield from _lengths(call, found, shape)
    if "currency" in fields:
        yield from _currencies(fields)
    if found.holder in _WITHIN and found.parent is not None:
        begun = moment(found.parent.get("created_at"))
        own = moment(fields.get("created_at", fields.get("sent_at")))
        if begun and own and later_than(begun, own):
            yield "clock", f"created_at {begun}, with {found.holder} of {own}"
    rooms = [(key, fields[key]) for key in shape.rooms if _is_number(fields[key])]
    for limit, most in rooms:
        for key in (*shape.people, *_TAKEN):
            if _is_number(fields.get(key)) and fields[key] > most:
                yield "capacity", f"{key} {fields[key]}, {limit} {most}"


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# -------------------------------------------------------------------------------------------------- ranges, durations


def _ordered(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of fields of which the first must not exceed the second."""
    by_words: dict[tuple[str, ...], str] = {}
    for name in names:
        words = split_words(name)
        by_words.setdefault(words, name)
    pairs = []
    for words, name in by_words.items():
        for first, last in _ORDER:
            if first in words:
                partner = by_words.get(tuple(last if word == first else word for word in words))
                if partner is not None:
                    pairs.append((name, partner))
    if "planned_start_at" in names and "ready_by" in names:
        pairs.append(("planned_start_at", "ready_by"))
    return tuple(pairs)


def _ranges(fields: Mapping[str, Json], shape: _Shape) -> Iterator[tuple[str, str]]:
    for first, last in shape.ordered:
        low, high = fields[first], fields[last]
        if _is_number(low) and _is_number(high):
            words = split_words(first)
            if low > high and not {"from", "in", "first", "departure"} & set(words):
                yield "range", f"{first} {low}, {last} {high}"
        elif (begin := moment(low)) and (end := moment(high)) and later_than(begin, end):
            yield "range", f"{first} {begin}, {last} {end}"


def _durations(fields: Mapping[str, Json], name: str, shape: _Shape) -> Iterator[tuple[str, str]]:
    if not _is_number(fields[name]):
        return
    unit = _MINUTES[split_words(name)[-1]]
    for first, last in shape.ordered:
        begin, end = moment(fields[first]), moment(fields[last])
        if (
            begin is None
            or end is None
            or split_words(first)[0] not in ("start", "starts", "check", "checkin", "begins")
        ):
            continue
        if unit < 1440 and (len(begin) == 10 or len(end) == 10 or begin[19:] != end[19:]):
            continue
        try:
            start, stop = (
                datetime.datetime.fromisoformat(value[: 10 if unit == 1440 else 19]) for value in (begin, end)
            )
        except ValueError:
            continue
        minutes = (stop - start).total_seconds() / 60
        if abs(minutes - fields[name] * unit) > max(1.0, 0.02 * abs(minutes)):
            yield "duration", f"{first} {begin}, {last} {end}, {name} {fields[name]}"


# -------------------------------------------------------------------------------------------------- sums and counts


def _sums(fields: Mapping[str, Json], shape: _Shape) -> Iterator[tuple[str, str]]:
    quantity = fields.get("quantity")
    each = next(((key, fields[key]) for key in _EACH if key in fields), None) if quantity is not None else None
    if each is not None and _is_number(each[1]) and _is_number(quantity):
        for key in ("line_total", "line_total_cents"):
            if _is_number(fields.get(key)) and _differ(fields[key], each[1] * quantity):
                yield "sum", f"{quantity} at {each[1]} make {fields[key]}"
    lines = [value for value in fields.values() if isinstance(value, list)] if shape.totals else []
    if len(lines) != 1 or not lines[0] or not all(isinstance(line, dict) for line in lines[0]):
        return
    for key in shape.totals:
        words = split_words(key)
        if not _is_number(fields[key]):
            continue
        sums = list(_line_sums(lines[0], words))
        if sums and all(_differ(fields[key], total) for total in sums):
            yield "sum", f"{key} {fields[key]}, its lines make {sums[0]:g}"


def _line_sums(lines: list[dict[str, Json]], words: tuple[str, ...]) -> Iterator[float]:
    """Yield what the lines may add up to: their amounts, and amounts times quantities."""
    unit = next((word for word in words if word in ("cents", "minor")), "")
    for key, value in lines[0].items():
        parts = split_words(key)
        if not _is_number(value) or not parts or not _PARTS & set(parts) or (unit and unit not in parts):
            continue
        if not all(_is_number(line.get(key)) and not any(_BESIDE.search(name) for name in line) for line in lines):
            return
        yield sum(line[key] for line in lines)
        if all(_is_number(line.get("quantity")) for line in lines):
            yield sum(line[key] * line["quantity"] for line in lines)


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > max(0.02, 0.005 * max(abs(one), abs(other)))


def _lengths(call: Call, found: Found, shape: _Shape) -> Iterator[tuple[str, str]]:
    """Compare a count with the rows beside it, where all rows are there; rows above the count are always wrong."""
    fields = found.fields
    lists = [(key, value) for key, value in fields.items() if isinstance(value, list)]
    if not lists:
        return
    paged = any(_PAGED.search(key) and value not in (None, False, "") for key, value in fields.items())
    paged = paged or any(_PAGED.search(key) for key in call.call.arguments)
    for key, of in shape.counts:
        value = fields[key]
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        rows = next((rows for name, rows in lists if of and _same_noun(split_words(name), of)), None)
        if rows is None and len(lists) == 1 and key in _COUNTS and all(isinstance(row, dict) for row in lists[0][1]):
            rows = lists[0][1]
        if rows is not None and (len(rows) > value or (len(rows) < value and not paged)):
            if key == "total" and any(isinstance(row, dict) and _PARTS & set(row) for row in rows):
                continue  # an amount
            yield "count", f"{key} {value}, {len(rows)} rows"


def _same_noun(name: tuple[str, ...], of: tuple[str, ...]) -> bool:
    return name == of or (
        name[:-1] == of[:-1] and bool(name) and name[-1].removesuffix("s") == of[-1].removesuffix("s")
    )


# -------------------------------------------------------------------------------------------------- currencies


_CONVERTED = re.compile("rate|exchange|convert|original|fx|local", re.IGNORECASE)


def _currencies(fields: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Compare the currency of an object with that of the lines inside of it."""
    own = fields.get("currency")
    if not isinstance(own, str) or not own:
        return
    for key, value in fields.items():
        for line in value if isinstance(value, list) else [value]:
            inner = line.get("currency") if isinstance(line, dict) else None
            differs = isinstance(inner, str) and inner and text_form(inner) != text_form(own)
            if differs and not any(_CONVERTED.search(name) for name in (*fields, *line)):
                yield "currency", f"{own}, {inner} in {key}"
                return
