"""Invented values of the simulated world: pure functions of a key, remembered for the replay that follows a rollout."""

from __future__ import annotations

import datetime
import random
from collections.abc import Mapping

from tdlab.records import Json
from tdlab.tools import compile_schema, make_identifier, make_value, split_words

__all__ = ["CLOCK", "DRAWS", "fits", "is_past", "is_scalar"]

CLOCK = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
"""Now, in the simulated world."""

_FUTURE = frozenset("expires expiry due starts start ends end begins departs departure arrives arrival kickoff deadline"
                    " until scheduled planned next renews renewal valid retry reset remove".split())  # fmt: skip
_STATES = ("active", "open", "pending", "complete")


class _Draws:
    """Remembers up to ``most`` draws; forgetting one costs time, never a different value."""

    def __init__(self, *, most: int = 20_000) -> None:
        self._most = most
        self._kept: dict[tuple[object, ...], tuple[Mapping[str, Json], Json]] = {}

    def draw(self, key: tuple[object, ...], field: str, named: str | None, schema: Mapping[str, Json]) -> Json:
        """A value for ``field``, an identifier of the entity ``named`` where that is not None.

        ``key`` holds numbers, texts and tuples of them, so that its ``repr`` names it: the same seed everywhere, at a
        third of the price of `rng_for`, which matters for a value that is drawn a hundred thousand times.
        """
        kept = self._kept.get(key)
        if kept is not None and kept[0] is schema:
            return kept[1]
        value = _draw(random.Random(repr(key)), field, named, schema)
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = (schema, value)
        return value


DRAWS = _Draws()


def _draw(rng: random.Random, field: str, named: str | None, schema: Mapping[str, Json]) -> Json:
    kind = schema.get("type")
    if named is not None:
        return make_identifier(rng, named, schema)
    if isinstance(kind, list) and "null" in kind and (field.startswith("next") or rng.random() < 0.5):
        return None
    if kind == "string" and not {"pattern", "enum", "const", "examples"} & schema.keys():
        if field.endswith(("_at", "_time")) and schema.get("format") in (None, "date-time"):
            minutes = rng.randint(-40_000, -10) if is_past(field) else rng.randint(600, 60_000)
            return (CLOCK + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if field in ("status", "state") and "format" not in schema:
            return rng.choice(_STATES)
    return make_value(rng, field, schema)


def is_past(field: str) -> bool:
    """Whether a moment of that name lies behind (``created_at``) and not ahead (``expires_at``)."""
    return not _FUTURE & set(split_words(field))


def is_scalar(value: Json) -> bool:
    """Whether a value is neither a list nor an object."""
    return not isinstance(value, (list, dict))


def fits(value: Json, schema: Mapping[str, Json]) -> bool:
    """Whether a value fits a schema; the plainest schemas are judged without compiling them."""
    kind = schema.get("type")
    if len(schema) <= 2 and (len(schema) == 1 or "description" in schema) and isinstance(kind, str):
        return isinstance(value, _PLAIN.get(kind, object)) and (kind == "boolean" or not isinstance(value, bool))
    return compile_schema(schema if isinstance(schema, dict) else dict(schema)).is_valid(value) if schema else True


_PLAIN: dict[str, type | tuple[type, ...]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
}  # fmt: skip
