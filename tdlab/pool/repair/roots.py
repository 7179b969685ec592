"""Parameters that the root of an input schema brings in by ``$ref``, ``allOf``, ``anyOf`` or ``oneOf``, declared there.

Generators of schemas write ``{"$ref": "#/definitions/Args", "definitions": {...}}`` for a named type, and ``anyOf`` for
a union of requests. All that reads a tool's parameters looks for them in ``properties`` of the root.

- a ``$ref`` at the root is replaced by its target;
- properties of ``allOf`` are added, and what its parts require; a part that says no more is dropped;
- properties of ``anyOf`` and ``oneOf`` are added, and what every branch requires; the branches stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tdlab.records import Json
from tdlab.tools import References, objects_in, shorten

__all__ = ["declare_parameters", "drop_lost_references"]

_DEEPEST = 20
_PLAIN = frozenset(("type", "properties", "required", "title", "description"))
_Fields = tuple[dict[str, Json], list[str]]


def declare_parameters(schema: dict[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return an input schema whose ``properties`` name every parameter, and a sentence for each change.

    Example:
        >>> schema = {"$ref": "#/$defs/Args", "$defs": {"Args": {"properties": {"day": {"type": "string"}}}}}
        >>> fixed, changes = declare_parameters({"type": "object", **schema})
        >>> fixed["properties"], changes
        ({'day': {'type': 'string'}}, ('$: its $ref was replaced by its target',))
    """
    if not any(word in schema for word in ("$ref", "allOf", "anyOf", "oneOf")):
        return schema, ()
    changes: list[str] = []
    references = References(schema)
    target = _resolved(schema, references)
    if "$ref" in schema and isinstance(target, dict) and "$ref" not in target:
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        changes.append("$: its $ref was replaced by its target")
    properties, required = _fields(schema, references, 0)
    own = schema.get("properties")
    own = own if isinstance(own, dict) else {}
    added = [name for name in properties if name not in own]
    if not added:
        return schema, tuple(changes)
    changes.append(f"$: parameters declared in allOf, anyOf or oneOf: {shorten(', '.join(added), 200)}")
    schema = {**schema, "properties": properties}
    if required:
        schema["required"] = required
    if isinstance(schema.get("allOf"), list):
        left = [part for part in schema["allOf"] if not _says_no_more(part, properties, references)]
        schema["allOf"] = left
        if not left:
            del schema["allOf"]
    return schema, tuple(changes)


def _resolved(schema: Json, references: References) -> Json:
    """Return a schema with the references at its root followed; with ``$ref`` still in it where they lead nowhere."""
    for _ in range(_DEEPEST):
        if not (isinstance(schema, dict) and isinstance(schema.get("$ref"), str)):
            break
        target = references.target(schema["$ref"])
        if not isinstance(target, dict) or target is references.root:
            break
        schema = {**{key: value for key, value in schema.items() if key != "$ref"}, **target}
    return schema


def _fields(schema: Json, references: References, depth: int) -> _Fields:
    """Return the properties that a schema declares in itself and its parts, and the names that it requires."""
    schema = _resolved(schema, references)
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return {}, []
    own, names = schema.get("properties"), schema.get("required")
    properties: dict[str, Json] = dict(own) if isinstance(own, dict) else {}
    required = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for part in _parts(schema, "allOf"):
        inner, asked = _fields(part, references, depth + 1)
        properties = {**inner, **properties}
        required += asked
    for word in ("anyOf", "oneOf"):
        branches = [_fields(part, references, depth + 1) for part in _parts(schema, word)]
        seen: dict[str, list[Json]] = {}
        for inner, _ in branches:
            for name, value in inner.items():
                seen.setdefault(name, []).append(value)
        properties = {**{name: _any_of(values) for name, values in seen.items()}, **properties}
        if seen:
            required += [name for name in branches[0][1] if all(name in asked for _, asked in branches)]
    return properties, [name for name in dict.fromkeys(required) if name in properties]


def _parts(schema: Mapping[str, Json], word: str) -> Iterator[Json]:
    parts = schema.get(word)
    yield from parts if isinstance(parts, list) else []


def _any_of(schemas: list[Json]) -> Json:
    """Return a schema for what any of these allows."""
    different = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
    if len(different) == 1:
        return different[0]
    values: list[Json] = []
    for schema in different:
        listed = (
            schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, dict) else None
        )
        if not isinstance(listed, list) or (
            isinstance(schema, dict) and set(schema) - {"const", "enum", "type", "description"}
        ):
            return {"anyOf": different}
        values += [value for value in listed if value not in values]
    kinds = {schema["type"] for schema in different if isinstance(schema, dict) and isinstance(schema.get("type"), str)}
    return {**({"type": kinds.pop()} if len(kinds) == 1 else {}), "enum": values}


def _says_no_more(part: Json, properties: Mapping[str, Json], references: References) -> bool:
    """Return whether a part of ``allOf`` only has properties that the root now has, as they are."""
    part = _resolved(part, references)
    if not isinstance(part, dict) or set(part) - _PLAIN:
        return False
    own = part.get("properties")
    return part.get("type", "object") == "object" and all(
        properties.get(name) == value for name, value in (own.items() if isinstance(own, dict) else ())
    )


def drop_lost_references(schema: dict[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return a schema in which parts whose reference leads nowhere take any value, and a sentence for each reference.

    A reference at the root is left: without it nothing is known of the tool's parameters.

    Example:
        >>> drop_lost_references({"properties": {"slot": {"$ref": "#/$defs/Slot"}}})
        ({'properties': {'slot': {}}}, ("'#/$defs/Slot' leads nowhere: any value",))
    """
    references = References(schema)
    lost = {
        reference
        for node in objects_in(schema)
        if node is not schema and isinstance(reference := node.get("$ref"), str) and _is_lost(reference, references)
    }
    if not lost:
        return schema, ()

    def copy(value: Json, depth: int) -> Json:
        if isinstance(value, list):
            return [copy(inner, depth + 1) for inner in value]
        if isinstance(value, dict):
            dropped = depth > 0 and value.get("$ref") in lost if isinstance(value.get("$ref"), str) else False
            return {key: copy(inner, depth + 1) for key, inner in value.items() if not (dropped and key == "$ref")}
        return value

    try:
        copied = copy(schema, 0)
    except RecursionError:
        return schema, ()
    words = tuple(f"{shorten(reference, 100)!r} leads nowhere: any value" for reference in sorted(lost))
    return (copied, words) if isinstance(copied, dict) else (schema, ())


def _is_lost(reference: str, references: References) -> bool:
    """Return whether a reference has no target; a word without ``#`` and ``:`` is no reference of a real schema."""
    return ("#" in reference or ":" in reference) and references.target(reference) is None
