"""The SQL functions of a world: seeded draws, names of people and places, identifiers, and the world's own clock.

A draw depends on the world's seed and on the function's arguments alone, never on how often or in which order SQLite
calls it: ``draw(2, 8, 'seats', n)`` is one number for each ``n``. So a world is the same under every query plan.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import sqlite3
import threading
import unicodedata
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import asin, cos, gcd, log2, radians, sin, sqrt
from typing import Any

from tdlab.worlds._arithmetic import calculate
from tdlab.worlds._names import FIRST_NAMES, LAST_NAMES, STREETS, TOWNS, company_name

__all__ = ["FUNCTIONS", "Clock", "fold", "last_function_error", "register"]

_BITS = 64
_ALPHABETS = {
    "digits": "0123456789",
    "alnum": "0123456789abcdefghijklmnopqrstuvwxyz",
    "hexdigits": "0123456789abcdef",
    "letters": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lowers": "abcdefghijklmnopqrstuvwxyz",
}
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_STEP = re.compile(r"\s*([+-]?\d+)\s+(second|minute|hour|day|week)s?\s*")
_AT_TIME = re.compile(r"\s*(\d{1,2}):(\d{2})\s*")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_LONGEST_IDENTIFIER = 64
_LONGEST_MOMENT = 40
_LONGEST_KEPT = 400  # characters of a text whose folded form is remembered
_FRESH = 5000  # numbers of rows made by calls begin here, past those of any population


class Clock:
    """The world's clock: it starts at ``start`` and moves on with every call.

    ``now`` is the moment as RFC 3339 text in UTC, ``turn`` the number of calls so far, ``acts`` how many of them
    changed something: fresh identifiers depend on it, so that looking around changes none.

    Args:
        start: The moment at which the world is prepared, in UTC.
        seed: What the steps of the clock depend on.
    """

    def __init__(self, start: datetime.datetime, seed: str) -> None:
        self._start = start
        self._seed = seed
        self.reset()

    def tick(self) -> None:
        """Begin the next call, 15 to 75 seconds after the one before."""
        self.turn += 1
        self._elapsed += 15 + _hash(self._seed, "clock", self.turn) % 61
        self.now = _stamp(self._start + datetime.timedelta(seconds=self._elapsed))

    def reset(self) -> None:
        """Go back to the start."""
        self.set((0, 0, 0))

    @property
    def position(self) -> tuple[int, int, int]:
        """Where the clock stands: the number of calls, the seconds since the start, the number of changes."""
        return self.turn, self._elapsed, self.acts

    def set(self, position: tuple[int, int, int]) -> None:
        """Set the clock to a position that it had."""
        self.turn, self._elapsed, self.acts = position
        self.now = _stamp(self._start + datetime.timedelta(seconds=self._elapsed))


class _Said(threading.local):
    """The text of the last error of a function in this thread: SQLite passes on only that there was one."""

    text = ""


_said = _Said()


def function_error(text: str) -> ValueError:
    """Return the error of a function, and keep its text for `last_function_error`."""
    _said.text = text
    return ValueError(text)


def last_function_error() -> str:
    """Return the text of the last error of a function in this thread, and forget it."""
    text, _said.text = _said.text, ""
    return text


def register(connection: sqlite3.Connection, *, seed: str, lists: Mapping[str, Sequence[Any]], clock: Clock) -> None:
    """Give a connection the functions of a world.

    Args:
        connection: The world's database.
        seed: The seed of all draws.
        lists: The pack's value lists by name, for ``pick`` and ``nth``.
        clock: What ``now()``, ``turn()`` and ``fresh()`` read.
    """

    def seeded(*key: object) -> int:
        return _hash(seed, *key)

    @lru_cache(maxsize=64)
    def shuffled(name: str) -> tuple[Any, ...]:
        values = list(_list(lists, name))
        return tuple(sorted(values, key=lambda value: seeded("order", name, repr(value))))

    @lru_cache(maxsize=64)
    def names(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        def order(values: tuple[str, ...], which: str) -> tuple[str, ...]:
            return tuple(sorted(values, key=lambda value: seeded(kind, which, value)))

        return order(FIRST_NAMES, "first"), order(LAST_NAMES, "last")

    def draw(low: int, high: int, *key: object) -> int:
        if high < low:
            raise function_error(f"draw({low}, {high}): the bounds are reversed")
        return low + seeded("draw", *key) % (high - low + 1)

    def pick(name: str, *key: object) -> Any:
        values = _list(lists, name)
        return values[seeded("pick", name, *key) % len(values)]

    def nth(name: str, number: int, field: str | None = None) -> Any:
        values = shuffled(name)
        if not 1 <= number <= len(values):
            raise function_error(f"nth({name!r}, {number}): the list has {len(values)} values")
        value = values[number - 1]
        if field is None:
            return value
        if not isinstance(value, dict) or field not in value:
            raise function_error(f"nth({name!r}, {number}, {field!r}): the list's values have no such field")
        return value[field]

    def person(number: int) -> str:
        first, last = names("person")
        # Numbers with the same first name differ in the last one, up to the product of the two lengths.
        return f"{first[number % len(first)]} {last[(number * 7 + number // len(first)) % len(last)]}"

    def company(number: int) -> str:
        return company_name(seeded("company"), number)

    def place(values: tuple[str, ...], kind: str, number: int) -> str:
        return values[(seeded(kind) + number) % len(values)]

    def identifier(alphabet: str) -> Callable[[int, str, int], str]:
        letters = _ALPHABETS[alphabet]

        @lru_cache(maxsize=64)
        def scattering(space: int, kind: str) -> tuple[int, int]:
            factor = (seeded(kind, "factor") | 1) % space
            while gcd(factor, space) != 1:
                factor += 2
            return factor, seeded(kind, "offset")

        def piece(length: int, kind: str, number: int) -> str:
            space = len(letters) ** length
            # Affine with a factor coprime to the space: different numbers never meet, and the order is scattered.
            factor, offset = scattering(space, kind)
            value = (factor * (number + 1) + offset) % space
            text = ""
            for _ in range(length):
                value, rest = divmod(value, len(letters))
                text += letters[rest]
            return text

        def make(length: int, kind: str, number: int) -> str:
            if not 1 <= length <= _LONGEST_IDENTIFIER:
                raise function_error(
                    f"{alphabet}({length}, ...): an identifier has 1 to {_LONGEST_IDENTIFIER} characters"
                )
            # A draw fills so many characters and no more: a longer text is made of several.
            most = int(_BITS / log2(len(letters)))
            return "".join(
                piece(min(most, length - start), f"{kind}/{start}" if start else kind, number)
                for start in range(0, length, most)
            )

        return make

    pure: dict[str, tuple[int, Callable[..., Any]]] = {
        "at": (-1, at),
        "calculate": (-1, calculate),
        "draw": (-1, draw),
        "chance": (-1, lambda share, *key: int(seeded("chance", *key) < share * 2**_BITS)),
        "company": (1, company),
        "digest": (3, digest),
        "distance": (4, distance),
        "email": (2, lambda name, domain: f"{_slug(name, '.')}@{domain}"),
        "fold": (1, lambda text: None if text is None else fold(text)),
        "matches": (2, matches),
        "nth": (-1, nth),
        "person": (1, person),
        "phone": (1, lambda number: f"+4477009{(seeded('phone') + number * 7919) % 100_000:05d}"),
        "pick": (-1, pick),
        "significant": (2, significant),
        "slug": (1, lambda text: None if text is None else _slug(text, "-")),
        "street": (1, lambda number: f"{1 + seeded('house', number) % 140} {place(STREETS, 'street', number)}"),
        "town": (1, lambda number: place(TOWNS, "town", number)),
        "weekday": (1, lambda moment: None if moment is None else _WEEKDAYS[_moment(moment).weekday()]),
        **{alphabet: (3, identifier(alphabet)) for alphabet in _ALPHABETS},
    }
    for name, (count, function) in pure.items():
        connection.create_function(name, count, function, deterministic=True)
    # Constant within one statement, which lets SQLite work out at(now(), '+5 hours') once and not for every row.
    connection.create_function("now", 0, lambda: clock.now, deterministic=True)
    connection.create_function("turn", 0, lambda: clock.turn, deterministic=True)
    connection.create_function("fresh", 1, lambda number: _FRESH + clock.acts * 20 + number, deterministic=True)


FUNCTIONS = frozenset(
    "at calculate draw chance company digest distance email fold matches nth person phone pick significant slug street "
    "town weekday now turn fresh digits alnum hexdigits letters lowers".split()
)
"""The functions that `register` adds."""


def at(moment: str, *steps: str) -> str | None:
    """Return a moment moved by steps: ``at(now(), '+3 days', '19:30')``.

    Args:
        moment: A date or an RFC 3339 moment in UTC.
        steps: ``'+N days'`` (seconds to weeks), ``'HH:MM'`` for a time of that day, or ``'date'`` for the date alone.

    Returns:
        RFC 3339 text in UTC, a date after the step ``'date'``; None for no moment.

    Raises:
        ValueError: A step is none of these.
    """
    if moment is None:
        return None
    if len(moment) > _LONGEST_MOMENT or any(len(step) > _LONGEST_MOMENT for step in steps):
        raise function_error("at(): a moment or step has at most 40 characters")
    return _moved(moment, *steps)


@lru_cache(maxsize=8192)
def _moved(moment: str, *steps: str) -> str:
    value = _moment(moment)
    for step in steps:
        if step == "date":
            return value.date().isoformat()
        moved, timed = _STEP.fullmatch(step), _AT_TIME.fullmatch(step)
        if moved:
            value += datetime.timedelta(seconds=int(moved.group(1)) * _UNITS[moved.group(2)])
        elif timed:
            value = value.replace(hour=int(timed.group(1)), minute=int(timed.group(2)), second=0)
        else:
            raise function_error(f"at(): {step!r} is no step such as '+3 days', '19:30' or 'date'")
    return _stamp(value)


def digest(text: str | None, algorithm: str, encoding: str) -> str | None:
    """Return the digest of a text in UTF-8.

    Args:
        text: The text; None gives None.
        algorithm: ``sha256``, ``sha512``, ``blake2b`` or ``crc32``.
        encoding: ``hex`` or ``base64``.
    """
    if text is None:
        return None
    plain = text.encode("utf-8", "surrogatepass")
    if algorithm == "crc32":
        found = zlib.crc32(plain).to_bytes(4, "big")
    else:
        if algorithm not in ("sha256", "sha512", "blake2b"):
            raise function_error(f"digest(): {algorithm!r} is none of sha256, sha512, blake2b and crc32")
        found = hashlib.new(algorithm, plain).digest()
    return found.hex() if encoding == "hex" else base64.b64encode(found).decode("ascii")


def significant(value: float | None, digits: int) -> float | None:
    """Return a number to so many significant digits.

    Args:
        value: The number; None gives None.
        digits: 1 to 17.

    Raises:
        ValueError: There are no such digits.
    """
    if value is None:
        return None
    if not isinstance(digits, int) or not 1 <= digits <= 17:
        raise function_error(f"significant(): {digits!r} is no number of digits from 1 to 17")
    return float(f"{value:.{digits}g}")


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float | None:
    """Return the distance of two points on the Earth in kilometres (haversine, radius 6371 km), to 10 metres."""
    if None in (latitude, longitude, other_latitude, other_longitude):
        return None
    a, b, c, d = map(radians, (latitude, longitude, other_latitude, other_longitude))
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return round(2 * 6371 * asin(min(1.0, sqrt(half))), 2)


def matches(text: str | None, words: str | None) -> int:
    """Return 1 where every word of ``words`` begins a word of ``text``, accents and case aside; no words match all."""
    if words is None:
        return 1
    have = f" {fold(text or '')}"
    return int(all(f" {wanted}" in have for wanted in fold(words).split()))


def fold(text: object) -> str:
    """Return a text in lower case, without accents, its words parted by one space."""
    text = str(text)
    return _folded(text) if len(text) <= _LONGEST_KEPT else _folded.__wrapped__(text)


@lru_cache(maxsize=8192)
def _folded(text: str) -> str:
    if text.isascii():
        plain = text
    else:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain.casefold()))


def _slug(text: str, joint: str) -> str:
    return fold(text).replace(" ", joint)


def _list(lists: Mapping[str, Sequence[Any]], name: str) -> Sequence[Any]:
    if not lists.get(name):
        raise function_error(f"the pack has no list {name!r}")
    return lists[name]


def _hash(*parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BITS // 8).digest(), "big"
    )


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=None)


def _stamp(moment: datetime.datetime) -> str:
    return f"{moment.replace(microsecond=0).isoformat()}Z"
