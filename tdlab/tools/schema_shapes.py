"""JSON Schemas taken apart: what a declared output says, a property reduced to what is surely valid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tdlab.records import Json
from tdlab.tools.references import inlined, refers

__all__ = [
    "branches",
    "clean",
    "informative",
    "inner_properties",
    "item",
    "output_fit",
    "schema_at",
    "types_of",
]

_PLAIN_TYPES = ("string", "integer", "number", "boolean", "array", "object")


_NAMES = {"str": "string", "int": "integer", "float": "number", "dict": "object", "bool": "boolean"}
_NONE: frozenset[str] = frozenset()
_ONE = {name: frozenset({_NAMES.get(name, name)}) for name in (*_PLAIN_TYPES, *_NAMES)}


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the JSON types that a schema names at its top level, looking through anyOf and oneOf once.

    Args:
        schema: A JSON Schema; Python's names of types (``str``, ``int``, ...) count too.

    Returns:
        The types without ``null``; empty if the schema names none.

    Example:
        >>> sorted(types_of({"anyOf": [{"type": "string"}, {"type": ["integer", "null"]}]}))
        ['integer', 'string']
    """
    kind = schema.get("type")
    if "anyOf" not in schema and "oneOf" not in schema:
        if kind is None:
            return _NONE
        if isinstance(kind, str) and kind in _ONE:
            return _ONE[kind]
    types: set[str] = set()
    for alternative in (schema, *branches(schema)):
        kind = alternative.get("type")
        for name in kind if isinstance(kind, list) else [kind]:
            if isinstance(name, str):
                types.add(_NAMES.get(name, name))
    return frozenset(types - {"null"})


def branches(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the alternatives of ``anyOf`` and ``oneOf`` that are objects."""
    alternatives: list[dict[str, Any]] = []
    if "anyOf" not in schema and "oneOf" not in schema:
        return alternatives
    for word in ("anyOf", "oneOf"):
        parts = schema.get(word)
        if isinstance(parts, list):
            alternatives.extend(part for part in parts if isinstance(part, dict))
    return alternatives


def inner_properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the properties one level inside an object, an array of objects, or an alternative that is either.

    Args:
        schema: The JSON Schema of a parameter or field.

    Returns:
        Their schemas by name; empty if there are none.

    Example:
        >>> inner_properties({"type": "array", "items": {"properties": {"sku": {"type": "string"}}}})
        {'sku': {'type': 'string'}}
    """
    for alternative in (schema, *branches(schema)):
        for inner in (alternative.get("items"), alternative):
            for candidate in (inner, *branches(inner)) if isinstance(inner, dict) else ():
                properties = candidate.get("properties")
                if isinstance(properties, dict):
                    return {str(name): value for name, value in properties.items() if isinstance(value, dict)}
    return {}


def informative(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a declared output schema that names fields, with its references resolved.

    Args:
        schema: The schema that a tool declares for its results; None for none.

    Returns:
        The schema; None if it says no more than "some text".

    Example:
        >>> informative({"type": "object", "properties": {"result": {"type": "string"}}}) is None
        True
    """
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        return None
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return None
    if len(properties) == 1:
        ((name, only),) = properties.items()
        if not isinstance(only, dict):
            return None
        opaque = not any(word in only for word in ("properties", "$ref"))
        items = only.get("items")
        if isinstance(items, dict) and any(word in items for word in ("properties", "$ref")):
            opaque = False
        if opaque and name in ("result", "content", "text", "output", "data", "response"):
            return None
    if refers(schema):
        schema = inlined(schema)
    return {**schema, "type": "object"}


def clean(schema: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a property schema reduced to safe keywords: types, enum, format, pattern, bounds, items, properties."""
    alternatives = [inner for inner in branches(schema) if inner.get("type") != "null"]
    if alternatives and "type" not in schema and "properties" not in schema:
        return clean({**alternatives[0], **{w: schema[w] for w in ("format", "pattern") if w in schema}}, depth)
    out: dict[str, Any] = {}
    types = sorted(types_of(schema) & set(_PLAIN_TYPES), key=_PLAIN_TYPES.index)
    kind = types[0] if types else "object" if isinstance(schema.get("properties"), dict) else "string"
    out["type"] = kind
    choices = schema.get("enum")
    if (
        isinstance(choices, list)
        and choices
        and len(choices) <= 200
        and not any(isinstance(c, (dict, list)) for c in choices)
    ):
        kept = list(dict.fromkeys(c for c in choices if c is not None and _fits(c, kind)))
        if kept:
            out["enum"] = kept
    for word in ("format", "pattern"):
        if kind == "string" and isinstance(schema.get(word), str) and len(schema[word]) <= 120:
            if word == "pattern" and not _compiles(schema[word]):
                continue
            out[word] = schema[word]
    if kind == "string":
        for word in ("minLength", "maxLength"):
            if type(schema.get(word)) is int and 0 <= schema[word] <= 100_000:
                out[word] = schema[word]
        if out.get("minLength", 0) > out.get("maxLength", 100_000):
            del out["minLength"], out["maxLength"]
    if kind in ("integer", "number"):
        for word in ("minimum", "maximum"):
            value = schema.get(word)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18:
                out[word] = value
        if "minimum" in out and "maximum" in out and out["minimum"] > out["maximum"]:
            del out["minimum"], out["maximum"]
    if kind == "array":
        items = schema.get("items")
        out["items"] = clean(items, depth + 1) if isinstance(items, dict) and depth < 3 else {"type": "string"}
    if kind == "object" and isinstance(schema.get("properties"), dict) and depth < 3:
        out["properties"] = {
            str(name): clean(inner if isinstance(inner, dict) else {}, depth + 1)
            for name, inner in list(schema["properties"].items())[:50]
        }
    return out


def _fits(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "number":
        return isinstance(value, (int, float))
    return isinstance(value, int) if kind == "integer" else kind == "string" and isinstance(value, str)


@lru_cache(maxsize=4096)
def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def item(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one value: that of an array's items, else the schema itself."""
    items = schema.get("items")
    return items if isinstance(items, dict) and "array" in types_of(schema) else schema


def schema_at(schema: Mapping[str, Json], path: tuple[str | int, ...]) -> Mapping[str, Json] | None:
    """Return the subschema at a path through properties and items.

    Args:
        schema: A JSON Schema without references.
        path: Names of properties, and integers for positions in lists.

    Returns:
        The subschema, or None if the schema does not describe that path.

    Example:
        >>> schema_at({"properties": {"rows": {"items": {"type": "string"}}}}, ("rows", 0))
        {'type': 'string'}
    """
    node: Json = schema
    for key in path:
        if not isinstance(node, dict):
            return None
        if isinstance(key, int):
            node = node.get("items")
        else:
            properties = node.get("properties")
            node = properties.get(key) if isinstance(properties, dict) else None
    return node if isinstance(node, dict) else None


def output_fit(source: Mapping[str, Json], target: Mapping[str, Json]) -> str | None:
    """Return how an output field can fill a parameter.

    The parameter must allow every value that the field can have, as far as type, pattern, format, enum and bounds say.

    Args:
        source: The JSON Schema of the field.
        target: The JSON Schema of the parameter.

    Returns:
        ``same`` for the value itself, ``list`` for a list of it alone, or None.

    Example:
        >>> text = {"type": "string"}
        >>> output_fit(text, text), output_fit(text, {"type": "array", "items": text})
        ('same', 'list')
    """
    have, want = _kinds(source), _kinds(target) - {"null"}
    if "null" in have:
        return None  # a plan cannot rely on a value that may be null
    if not want or (have and have <= want) or (have == {"integer"} and "number" in want):
        return "same" if _within(source, target) else None
    if "array" in want and have and not have & {"array", "object"}:
        items = target.get("items")
        inner = items if isinstance(items, dict) else {}
        allowed = _kinds(inner)
        fits = (not allowed or have <= allowed) and target.get("minItems", 1) <= 1 and target.get("maxItems", 1) >= 1
        return "list" if fits and _within(source, inner) else None
    return None


def _within(source: Mapping[str, Json], target: Mapping[str, Json]) -> bool:
    if "const" in source:
        return "enum" not in target or source["const"] in target["enum"]
    if "enum" in target or "const" in target:
        return isinstance(source.get("enum"), list) and set(map(str, source["enum"])) <= set(
            map(str, target.get("enum", ()))
        )
    for word in ("pattern", "format", "multipleOf"):
        if word in target and source.get(word) != target[word]:
            return False
    for word, larger in (
        ("minimum", True),
        ("minLength", True),
        ("minItems", True),
        ("maximum", False),
        ("maxLength", False),
        ("maxItems", False),
    ):
        limit = target.get(word)
        if limit is None or (word == "minLength" and limit <= 1) or ("pattern" in target and word.endswith("Length")):
            continue
        have = source.get(word)
        if have is None or (have < limit if larger else have > limit):
            return False
    return True


def _kinds(schema: Mapping[str, Json]) -> set[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {k for k in kind if isinstance(k, str)}
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list):
            return {k for branch in schema[word] if isinstance(branch, dict) for k in _kinds(branch)}
    return set()
