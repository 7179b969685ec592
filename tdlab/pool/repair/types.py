"""The JSON Schema that a type name of another language or notation means.

``float``, ``String`` and ``int | null`` are names (`json_type`); ``List[int]``, ``integer[]``, ``Optional[str]``,
``map<string, int>``, ``array of strings`` and ``Literal["a", "b"]`` are expressions (`schema_of_type`). What is not
known gives nothing: no type is invented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tdlab.records import Json

__all__ = ["JSON_TYPES", "json_type", "schema_of_type"]

JSON_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("object", "dict", "dictionary", "map", "mapping", "hash", "struct", "record", "json"), "object"),
    **dict.fromkeys(("hashmap", "jsonobject", "json_object"), "object"),
    **dict.fromkeys(("array", "list", "tuple", "set", "sequence", "arr", "arraylist", "iterable", "vector"), "array"),
    **dict.fromkeys(("string", "str", "text", "date", "datetime", "date-time", "uri", "url", "email"), "string"),
    **dict.fromkeys(("uuid", "path", "char", "enum", "varchar"), "string"),
    **dict.fromkeys(("number", "float", "double", "decimal", "numeric", "real"), "number"),
    **dict.fromkeys(("integer", "int", "long", "int32", "int64", "short", "bigint"), "integer"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("null", "none", "nil"), "null"),
}
"""The JSON Schema type of each type name, in lower case."""

_EXPRESSION = re.compile(r"(?:[a-z]+\.)?([a-z_]+)\s*(?:<(.*)>|\[(.+)\]|\((.*)\))", re.IGNORECASE | re.DOTALL)
_LIST_OF = re.compile(r"(?:array|list|set|sequence) of ([a-z0-9_]+)", re.IGNORECASE)
_QUOTED = re.compile(r"""(?:"([^"]*)"|'([^']*)')""")
_LONGEST = 200
_DEEPEST = 8


def json_type(value: Json) -> Json:
    """Return the JSON Schema type that ``value`` means; None where that is unknown."""
    if isinstance(value, str):
        parts = [part.strip().lower() for part in re.split(r"[|,/]|\bor\b", value)]
        if value in JSON_TYPES.values():
            return value
        known = [JSON_TYPES[part] for part in parts if part in JSON_TYPES]
        if len(known) != len([part for part in parts if part not in {"optional", "undefined"}]) or not known:
            return None
        different = list(dict.fromkeys(known))
        return different[0] if len(different) == 1 else different
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        known = list(dict.fromkeys(JSON_TYPES[part.lower()] for part in value if part.lower() in JSON_TYPES))
        return known if len({part.lower() for part in value} - set(JSON_TYPES)) == 0 else None
    return None


def schema_of_type(value: Json, depth: int = 0) -> dict[str, Json] | None:
    """Return the keywords that a type means, such as ``type`` and ``items`` for ``List[int]``; None where unknown."""
    kind = json_type(value)
    if kind is not None:
        return {"type": kind}
    if not isinstance(value, str) or len(value) > _LONGEST or depth > _DEEPEST:
        return None
    text = value.strip()
    if text.endswith("[]"):
        return _array(text[:-2], depth)
    if text.endswith("?"):
        return schema_of_type(text[:-1], depth + 1)
    if match := _LIST_OF.fullmatch(text):
        word = match[1] if match[1].lower() in JSON_TYPES else match[1].removesuffix("s")
        return _array(word, depth)
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        return None
    name, inner = match[1].lower(), next(group for group in match.groups()[1:] if group is not None)
    arguments = _split(inner)
    if name in ("optional", "nullable", "union"):
        return _union(arguments + ([] if name == "union" else ["null"]), depth)
    if name in ("literal", "enum"):
        words = [match[1] or match[2] or "" for match in map(_QUOTED.fullmatch, arguments) if match]
        return {"type": "string", "enum": list(dict.fromkeys(words))} if len(words) == len(arguments) else None
    kind = JSON_TYPES.get(name)
    if kind == "array":
        return _array(arguments[0], depth) if len(arguments) == 1 else {"type": "array"}
    if kind == "object":
        values_schema = schema_of_type(arguments[-1], depth + 1) if len(arguments) == 2 else None
        return (
            {"type": "object"} if values_schema is None else {"type": "object", "additionalProperties": values_schema}
        )
    return {"type": kind} if kind is not None else None  # varchar(20), decimal(10, 2)


def _array(inner: str, depth: int) -> dict[str, Json]:
    items = schema_of_type(inner, depth + 1)
    return {"type": "array"} if items is None else {"type": "array", "items": items}


def _union(parts: list[str], depth: int) -> dict[str, Json] | None:
    schemas = [schema_of_type(part, depth + 1) for part in parts]
    known = [schema for schema in schemas if schema is not None]
    if len(known) < len(schemas) or not known:
        return None
    if all(set(schema) == {"type"} and isinstance(schema["type"], str) for schema in known):
        kinds = list(dict.fromkeys(schema["type"] for schema in known))
        return {"type": kinds[0] if len(kinds) == 1 else kinds}
    return {"anyOf": known}


def _split(text: str) -> list[str]:
    """Split at the commas and bars that are outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "<[(") - (letter in ">])")
        if letter in ",|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
