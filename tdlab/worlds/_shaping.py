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
    members are shaped in turn.

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

        def shape_object(value: Any) -> Json:
            value = json.loads(value) if isinstance(value, str) else value
            if not isinstance(value, dict):
                return value  # the schema check names what is wrong
            return {name: members[name](part) if name in members else part for name, part in value.items()}

        return shape_object
    if kind == "array":
        items = schema.get("items")
        each = shape_of(items if isinstance(items, dict) else {})

        def shape_array(value: Any) -> Json:
            value = json.loads(value) if isinstance(value, str) else value
            return [each(part) for part in value] if isinstance(value, list) else value

        return shape_array
    return lambda value: value


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
