"""Lists of parameters, as documentation generators and registries write them, read as the schema of an object.

An entry has a name and a type, and some of ``description`` or ``desc``, ``required`` or ``optional``, ``enum``,
``default``; ``innerType`` says what an array holds, ``properties`` and ``items`` (lists or maps) what is inside. A
keyword with null is one that is not given. Types are translated later, by `tdlab.pool.repair.schemas`.
"""

from __future__ import annotations

from typing import TypeGuard

from tdlab.records import Json
from tdlab.tools import shape_of, shorten

__all__ = ["is_parameter_list", "schema_of_parameters"]

_NAMES = ("name", "key", "parameter", "param_name", "parameterName")
_INNER = ("innerType", "inner_type", "itemType", "item_type", "itemsType", "items_type", "elementType")
_REQUIRED = ("required", "isRequired", "is_required", "mandatory")
_DESCRIPTIONS = ("description", "desc")
_OURS = {*_NAMES, *_INNER, *_REQUIRED, *_DESCRIPTIONS, "optional", "type", "schema", "properties", "items"}
_YES = (True, 1, "true", "True", "yes", "required")
_DEEPEST = 50


def is_parameter_list(value: Json) -> TypeGuard[list[Json]]:
    """Return whether this is a list in which some entry is a parameter, or an empty list."""
    return isinstance(value, list) and (not value or any(_name(entry) is not None for entry in value))


def schema_of_parameters(entries: list[Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return the object schema of a list of parameters, and a sentence for each entry that is left out."""
    problems: list[str] = []
    return _object(entries, problems, 0), tuple(problems)


def _object(entries: list[Json], problems: list[str], depth: int) -> dict[str, Json]:
    properties: dict[str, Json] = {}
    required: list[str] = []
    for index, entry in enumerate(entries):
        name = _name(entry)
        if name is None:
            problems.append(f"parameter [{index}] is {shape_of(entry, 60)}, without a name: left out")
        elif name in properties:
            problems.append(f"parameter {shorten(name, 60)!r} occurs twice: the second is left out")
        else:
            properties[name] = _schema(entry, problems, depth)
            if any(_is_yes(entry.get(key)) for key in _REQUIRED) or entry.get("optional") is False:
                required.append(name)
    result: dict[str, Json] = {"type": "object", "properties": properties}
    if required:
        result["required"] = required
    return result


def _schema(entry: dict[str, Json], problems: list[str], depth: int) -> dict[str, Json]:
    """Return the schema of one entry: its own keywords, and what ``innerType``, ``properties`` and ``items`` say."""
    own: dict[str, Json] = entry["schema"] if isinstance(entry.get("schema"), dict) else {}
    # In OpenAPI-like lists, type and enum are inside a schema of their own.
    schema: dict[str, Json] = {} if entry.get("type") is None else {"type": entry["type"]}
    schema |= {key: value for key, value in own.items() if value is not None}
    schema |= {key: value for key, value in entry.items() if key not in _OURS and value is not None}
    description = next((entry[key] for key in _DESCRIPTIONS if isinstance(entry.get(key), str) and entry[key]), None)
    if description is not None:
        schema["description"] = description
    if depth > _DEEPEST:
        return schema
    inner = next((entry[key] for key in _INNER if entry.get(key) is not None), None)
    fields = _fields(entry.get("properties"), problems, depth)
    items = _inside(entry.get("items"), problems, depth)
    if inner is not None or _is_list(entry.get("type")):
        if items is None and inner is not None:
            items = {"type": inner}
        if fields is not None:
            items = {**(items if isinstance(items, dict) else {}), **fields}
    elif fields is not None:
        schema |= {key: value for key, value in fields.items() if key != "type"}
    if items is not None:
        schema["items"] = items
    return schema


def _fields(value: Json, problems: list[str], depth: int) -> dict[str, Json] | None:
    if isinstance(value, list) and value:
        return _object(value, problems, depth + 1)
    if isinstance(value, dict) and value:
        entries = [{**entry, "name": name} for name, entry in value.items() if isinstance(entry, dict)]
        problems.extend(
            f"property {name!r:.60} is {shape_of(entry, 60)}, not a parameter: left out"
            for name, entry in value.items()
            if not isinstance(entry, dict)
        )
        return _object(entries, problems, depth + 1)
    return None


def _inside(value: Json, problems: list[str], depth: int) -> Json:
    if isinstance(value, dict):
        return _schema({key: inner for key, inner in value.items() if key not in _NAMES}, problems, depth + 1) | (
            {"required": value["required"]} if isinstance(value.get("required"), list) else {}
        )
    if is_parameter_list(value) and value:
        return _object(value, problems, depth + 1)
    return value


def _name(entry: Json) -> str | None:
    if not isinstance(entry, dict):
        return None
    return next((entry[key] for key in _NAMES if isinstance(entry.get(key), str) and entry[key]), None)


def _is_yes(value: Json) -> bool:
    return isinstance(value, (bool, int, str)) and value in _YES


def _is_list(kind: Json) -> bool:
    return isinstance(kind, str) and kind.strip().lower() in ("array", "list", "set", "tuple", "arraylist")
