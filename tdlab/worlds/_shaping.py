"""Rows of SQL shaped into the JSON that a tool's output schema declares: booleans, nested objects, lists of rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tdlab.records import Json

__all__ = ["Shape", "shape_of"]

Shape = Callable[[Any], Json]
"""Turns one SQL value into the JSON value that the schema declares."""


def shape_of(schema: Mapping[str, Json]) -> Shape:
    """Return the function that shapes one SQL value for a schema.

    0 and 1 become booleans where the schema says so, whole floats integers, and JSON text objects and lists, whose
    members are shaped in turn. A member that is null is left out where the schema neither requires it nor allows null.

    Args:
        schema: An output schema or a part of one.

    Returns:
        A function of one value.
    """
    kinds = schema.get("type")
    kind = next((k for k in kinds if k != "null"), None) if isinstance(kinds, list) else kinds
    if kind is None and "const" in schema:
        kind = "boolean" if isinstance(schema["const"], bool) else None
    if kind == "boolean":
        return lambda value: value if value is None else bool(value)
    if kind == "integer":
        return lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
    if kind == "object":
        properties = schema.get("properties")
        members = {name: shape_of(part) for name, part in properties.items()} if isinstance(properties, dict) else {}
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        # There are members only where the schema has properties.
        optional = {name for name in members if name not in needed and not _allows_null(properties[name])}  # type: ignore[index]

        def shape_object(value: Any) -> Json:
            value = json.loads(value) if isinstance(value, str) else value
            if not isinstance(value, dict):
                return value  # the schema check names what is wrong
            return {
                name: members[name](part) if name in members else part
                for name, part in value.items()
                if part is not None or name not in optional
            }

        return shape_object
    if kind == "array":
        items = schema.get("items")
        each = shape_of(items if isinstance(items, dict) else {})

        def shape_array(value: Any) -> Json:
            value = json.loads(value) if isinstance(value, str) else value
            return [each(part) for part in value] if isinstance(value, list) else value

        return shape_array
    return lambda value: value


def _allows_null(schema: Json) -> bool:
    """Return whether null fits a schema, as far as its type says."""
    if not isinstance(schema, dict):
        return True
    kinds = schema.get("type")
    if kinds is None:
        values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else [None]
        return isinstance(values, list) and None in values
    return kinds == "null" or (isinstance(kinds, list) and "null" in kinds)


def nested(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return an object of columns and values; a column ``"a.b"`` is the field b of the object a."""
    built: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        front, _, rest = name.partition(".")
        if rest:
            inner = built.setdefault(front, {})
            inner.update(nested([rest], [value]))
        else:
            built[name] = value
    return built
