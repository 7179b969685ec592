"""The conversations of a file: the format of each value is found by content, and pieces of one are put together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

from pydantic import ValidationError

from tdlab.formats._values import Location, Value, problem_at, values_in
from tdlab.formats.base import Format, Item, LineProblem, Recording, Unreadable
from tdlab.records import Json

__all__ = ["Candidates", "conversations_in", "conversations_of"]

_MOST_KEYS = 64
_MOST_SHAPES = 1024


class Candidates:
    """Formats in the order in which they are tried, and which of them an object can have by the keys that it has.

    Most objects of a file have the same keys, so that the choice is made once for all of them.
    """

    def __init__(self, formats: tuple[Format, ...]) -> None:
        self._all = formats
        self._pieces = _with_pieces(formats)
        self._by_keys: dict[tuple[str, ...], tuple[tuple[Format, ...], tuple[Format, ...]]] = {}

    def _possible(self, value: dict[str, Json]) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        keys = tuple(value)
        if len(keys) > _MOST_KEYS:
            return self._all, self._pieces
        possible = self._by_keys.get(keys)
        if possible is None:
            if len(self._by_keys) >= _MOST_SHAPES:
                self._by_keys.clear()
            chosen = tuple(known for known in self._all if not known.keys or not known.keys.isdisjoint(keys))
            possible = chosen, _with_pieces(chosen)
            self._by_keys[keys] = possible
        return possible

    def of(self, value: Json) -> tuple[Format, ...]:
        """Return the formats whose ``unpack`` must look at a value."""
        return self._possible(value)[0] if isinstance(value, dict) else self._all

    def owner(self, value: Json) -> Format | None:
        """Return the format of which a value is one piece of a conversation."""
        if not isinstance(value, dict):
            return None
        for known in self._possible(value)[1]:
            if known.piece is not None and known.piece(value):
                return known
        return None

    def knows(self, value: Json) -> bool:
        """Return whether a value alone holds conversations."""
        return any(known.unpack(value) is not None for known in self.of(value))


def _with_pieces(formats: tuple[Format, ...]) -> tuple[Format, ...]:
    """Return the formats that have pieces, the first of those that know them by the same rule."""
    first: dict[Callable[[Json], bool], Format] = {}
    for known in formats:
        if known.piece is not None:
            first.setdefault(known.piece, known)
    return tuple(first.values())


_HEAD = 20
"""How many pieces decide the format of all: no format's ``stream`` depends on later ones."""


def conversations_in(path: Path, formats: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    """Yield the conversations of a file; lines or elements that are pieces of one conversation are read together.

    Of pieces, those of the conversations that are open are held: all of a file, unless the format has a ``stream``.
    """
    known = Candidates(formats)
    source = values_in(path)
    value = next(source, None)
    while value is not None:
        after: Value | None = None
        if isinstance(value, LineProblem):
            yield value
        elif not value.is_piece or known.owner(value.content) is None:
            yield from _value(value.content, value.location, known)
        else:
            run = _Run(value, source, known)
            yield from run.conversations()
            after = run.after
        value = after or next(source, None)


class _Run:
    """Pieces in a row, which may be of several conversations, and the value after them."""

    def __init__(self, first: Value, source: Iterator[Value | LineProblem], known: Candidates) -> None:
        self._first, self._source, self._known = first, source, known
        self._problems: list[LineProblem] = []
        self.after: Value | None = None

    def _pieces(self) -> Iterator[Json]:
        yield self._first.content
        for value in self._source:
            if isinstance(value, LineProblem):
                self._problems.append(value)
                continue
            # a kind of event that the format does not know is a piece too: its reader decides
            if self._known.owner(value.content) is None and self._known.knows(value.content):
                self.after = value
                return
            yield value.content

    def _take_problems(self) -> list[LineProblem]:
        problems, self._problems = self._problems, []
        return problems

    def conversations(self) -> Iterator[Recording | LineProblem]:
        """Yield the conversations, and the problems that stand between the pieces before those that come later."""
        location = self._first.location._replace(line=0, where="")
        pieces = self._pieces()
        head = list(islice(pieces, _HEAD))
        format = next((known for known in self._known.of(head) if known.unpack(head) is not None), None)
        if format is not None and format.stream is not None:
            for part in _read_items(format, format.stream(chain(head, pieces)), location):
                yield from self._take_problems()
                yield part
            yield from self._take_problems()
            return
        yield from self._take_problems()
        for piece in pieces:
            head.append(piece)
            yield from self._take_problems()
        yield from self._take_problems()
        yield from conversations_of(head, location, self._known)


def _value(value: Json, location: Location, formats: Candidates) -> Iterator[Recording | LineProblem]:
    """Yield the conversations of a decoded value: one conversation, a document of many, or a list of either."""
    if isinstance(value, list):
        if not value:
            yield problem_at(location, "is an empty list")
            return
        owner = next((own for element in value[:3] if (own := formats.owner(element)) is not None), None)
        if owner is not None:
            yield from conversations_of(value, location, formats)
            return
        for index, element in enumerate(value):
            inner = location._replace(where=f"{location.where}[{index}]")
            if isinstance(element, list):
                yield from _value(element, inner, formats)
            else:
                yield from conversations_of(element, inner, formats)
        return
    yield from conversations_of(value, location, formats)


def conversations_of(value: Json, location: Location, formats: Candidates) -> Iterator[Recording | LineProblem]:
    """Yield the conversations of a value by the first format that knows it, or a problem if none does."""
    for candidate in formats.of(value):
        items = candidate.unpack(value)
        if items is None:
            continue
        yield from _read_items(candidate, items, location)
        return
    yield problem_at(location, f"has no known format ({_shape(value)})")


def _read_items(candidate: Format, items: Iterator[Item], location: Location) -> Iterator[Recording | LineProblem]:
    empty = True
    for item in items:
        empty = False
        where = f"{location.where} {item.where}".strip() if item.where else location.where.strip()
        item_location = location if where == location.where else location._replace(where=where)
        fallback_id = "-".join([part for part in (location.stem, str(location.line or ""), where) if part])
        try:
            recording = candidate.read(item, fallback_id)
            yield recording
            for note in recording.notes:
                yield problem_at(item_location, note.text, note.severity)
        except Unreadable as error:
            yield problem_at(item_location, f"{candidate.name}: {error}")
        except ValidationError as error:
            yield problem_at(item_location, f"{candidate.name}: {error.errors()[0]['msg']}")
        except RecursionError:
            yield problem_at(item_location, f"{candidate.name}: is nested too deeply")
    if empty:
        yield problem_at(location, f"{candidate.name}: contains no conversation")


def _shape(value: Json) -> str:
    if isinstance(value, dict):
        keys = ", ".join(json.dumps(key)[:40] for key in list(value)[:6])
        return f"an object with the keys {keys}" if keys else "an empty object"
    return f"a {type(value).__name__}"
