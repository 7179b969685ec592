"""Putting a tool's schema right where its meaning is plain: words of other languages, misplaced keywords, nulls.

Each repair loosens or translates what was written and never invents a constraint, and each is said in words, so that an
issue can list it. What cannot be repaired in that way is left as it is, and the schema stays unusable:

- a type of another language (``dict``, ``float``, ``String``, ``int | null``) becomes the JSON Schema type; one that is
  not known (``any``) is dropped;
- a root without ``type`` gets ``object``; a root that is a bare map of properties is wrapped in one;
- ``required: true`` at a property (draft 3) moves to the list of its parent; a list of required names loses repeats and
  what is no name;
- ``exclusiveMinimum: true`` (draft 4) takes over the value of ``minimum``; the same for the maximum;
- a keyword with ``null`` or with a value of the wrong type is dropped; a list of ``items`` becomes ``prefixItems``;
- ``properties`` that hold a whole schema (``type`` and ``properties``) give way to it;
- an entry of ``properties`` that is no schema becomes a description, or is dropped where it is a misplaced keyword;
- a ``$schema`` that names no known draft is dropped; half of a surrogate pair becomes U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from tdlab.records import Json
from tdlab.tools import shorten

__all__ = ["clean_text", "mend_schema", "parameter_list", "read_type"]

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("object", "dict", "dictionary", "map", "mapping", "hash", "struct", "record", "json"), "object"),
    **dict.fromkeys(("array", "list", "tuple", "set", "sequence", "arr"), "array"),
    **dict.fromkeys(("string", "str", "text", "date", "datetime", "date-time", "uri", "url", "email"), "string"),
    **dict.fromkeys(("uuid", "path", "char", "enum"), "string"),
    **dict.fromkeys(("number", "float", "double", "decimal", "numeric", "real"), "number"),
    **dict.fromkeys(("integer", "int", "long", "int32", "int64", "short", "bigint"), "integer"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("null", "none", "nil"), "null"),
}
_KNOWN_DRAFTS = re.compile(r"https?://json-schema\.org/(draft-0[467]|draft/(2019-09|2020-12))/schema#?$")
_LATEST = "https://json-schema.org/draft/2020-12/schema"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ONE = ("not", "if", "then", "else", "additionalProperties", "contains", "propertyNames", "unevaluatedItems",
        "unevaluatedProperties", "additionalItems")  # fmt: skip
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_STRINGS = ("title", "description", "$comment", "format", "pattern", "$ref", "$id", "$anchor", "contentEncoding",
            "contentMediaType")  # fmt: skip
_BOOLEANS = ("readOnly", "writeOnly", "deprecated", "uniqueItems")
_NUMBERS = ("minimum", "maximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
           "maxContains")  # fmt: skip
_MISPLACED = {"$schema", "required", "type", "additionalProperties", "title", "description", "$id", "$comment"}
_KEEPS_NULL = {"const", "default", "example", "enum"}
_ROOT_WORDS = {"type", "properties", "$ref", "allOf", "anyOf", "oneOf", "required", "$defs", "definitions", "$schema",
               "additionalProperties", "patternProperties", "not", "if", "enum", "const"}  # fmt: skip
_DEEP = 100


def clean_text(text: str) -> str:
    """``text`` with each half of a surrogate pair (which no file can hold) replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if _SURROGATE.search(text) else text


def mend_schema(schema: Json) -> tuple[Json, tuple[str, ...]]:
    """A repaired copy of a tool's schema, and what was repaired, in words; none where there was nothing to do.

    The result may still be unusable: ask `tdlab.tools.schema.schema_problem`.
    """
    if schema is None:
        return {"type": "object", "properties": {}}, ("no schema: taken as one without parameters",)
    if isinstance(schema, list) and all(isinstance(entry, dict) and "name" in entry for entry in schema):
        return parameter_list(schema), ()
    if not isinstance(schema, dict):
        return schema, ()
    named = schema.get("$schema")
    mending = _Mending(named if isinstance(named, str) and _KNOWN_DRAFTS.match(named) else "")
    done = mending.done
    try:
        text = json.dumps(schema, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return schema, ()
    if _SURROGATE.search(text):
        done["half of a surrogate pair: replaced by U+FFFD"] = None
        schema = json.loads(clean_text(text))
    if _is_bare_map(schema):
        done["a bare map of properties: wrapped in an object schema"] = None
        schema = _wrap(schema)
    mended = mending.schema(schema, "$", 0)
    if isinstance(mended, dict) and "type" not in mended:
        if mended.get("$schema") is None or set(mended) - {"$schema"}:
            done["no type at the root: taken as object"] = None
        mended = {"type": "object", **mended}
    return mended, tuple(done)


def parameter_list(entries: list[Json]) -> dict[str, Json]:
    """The object schema of a list of parameters: ``name``, ``type``, ``desc`` or ``description``, ``required``."""
    properties: dict[str, Json] = {}
    required: list[str] = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            continue
        name = entry["name"]
        known = {"name", "required", "optional", "desc", "type", "description"}
        schema = {key: value for key, value in entry.items() if key not in known}
        if entry.get("type") is not None:
            schema = {"type": entry["type"], **schema}
        words = entry.get("description", entry.get("desc"))
        if isinstance(words, str) and words:
            schema["description"] = words
        properties[name] = schema
        if entry.get("required") is True or entry.get("optional") is False:
            required.append(name)
    result: dict[str, Json] = {"type": "object", "properties": properties}
    if required:
        result["required"] = list(dict.fromkeys(required))
    return result


def _is_bare_map(schema: dict[str, Json]) -> bool:
    """Whether this is the ``properties`` of a schema without the schema around it: names to schemas, no keyword."""
    if not schema or not all(isinstance(value, dict) for value in schema.values()):
        return False
    if not set(schema) & _ROOT_WORDS:
        return True
    # {"type": {"type": "string"}, "title": {"type": "string"}}: a keyword's name, and a schema for its value
    return all(
        isinstance(value.get("type"), (str, list)) or isinstance(value.get("description"), str)
        for value in schema.values()
    )


def _wrap(schema: dict[str, Json]) -> dict[str, Json]:
    optional = {name for name, value in schema.items() if value.get("optional") is True}
    wrapped: dict[str, Json] = {"type": "object", "properties": schema}
    if optional:
        wrapped["required"] = [name for name in schema if name not in optional]
    return wrapped


class _Mending:
    """One schema's repairs: ``done`` collects them in order, ``draft`` is the address of the draft that it names."""

    def __init__(self, draft: str) -> None:
        self.draft = draft.rstrip("#")
        self.done: dict[str, None] = {}

    def schema(self, schema: Json, path: str, depth: int) -> Json:
        """A repaired copy of one schema and of all that is in it."""
        if not isinstance(schema, dict) or depth > _DEEP:
            return schema

        def say(words: str) -> None:
            self.done.setdefault(f"{path}: {words}")

        inner = schema.get("properties")
        if isinstance(inner, dict) and isinstance(inner.get("type"), str) and isinstance(inner.get("properties"), dict):
            say("properties held a whole schema, taken in its place")
            schema = {**schema, **inner}

        result: dict[str, Json] = {}
        for key, value in schema.items():
            if value is None and key not in _KEEPS_NULL:
                say(f"{key} was null, dropped")
            elif key == "type":
                kind = read_type(value)
                if kind != value:
                    say(
                        f"type {_short(value)} "
                        + ("is not known, dropped" if kind is None else f"read as {_short(kind)}")
                    )
                if kind is not None:
                    result["type"] = kind
            elif key in _STRINGS and not isinstance(value, str):
                say(f"{key} was no text, dropped")
            elif key in _BOOLEANS and not isinstance(value, bool):
                say(f"{key} was neither true nor false, dropped")
            elif key in _NUMBERS and not _is_number(value):
                number = _number(value)
                say(f"{key} was {_short(value)}, " + ("dropped" if number is None else "read as a number"))
                if number is not None:
                    result[key] = number
            elif key in _COUNTS and not (_is_number(value) and value >= 0 and value // 1 == value):
                say(f"{key} was {_short(value)}, dropped")
            elif key == "$schema" and not (isinstance(value, str) and _KNOWN_DRAFTS.match(value)):
                say(f"$schema {_short(value)} names no known draft, dropped")
            elif key == "enum" and (not isinstance(value, list) or not value):
                say("enum was no list of values, dropped")
            elif key == "items":
                if isinstance(value, list) and self.draft in ("", _LATEST):
                    say("a list of items read as prefixItems")
                    result["prefixItems"] = [
                        self.schema(v, f"{path}.items[{i}]", depth + 1) for i, v in enumerate(value)
                    ]
                elif isinstance(value, str):
                    say(f"items {_short(value)} read as their type")
                    result["items"] = self.schema({"type": value}, f"{path}.items", depth + 1)
                else:
                    result["items"] = self.schema(value, f"{path}.items", depth + 1)
            elif key in _ONE:
                if not isinstance(value, (dict, bool)):
                    say(f"{key} was no schema, dropped")
                else:
                    result[key] = self.schema(value, f"{path}.{key}", depth + 1)
            elif key in _SEVERAL:
                if not isinstance(value, list) or not value:
                    say(f"{key} was no list of schemas, dropped")
                else:
                    result[key] = [self.schema(v, f"{path}.{key}[{i}]", depth + 1) for i, v in enumerate(value)]
            elif key in _NAMED:
                if not isinstance(value, dict):
                    say(f"{key} was no map of schemas, dropped")
                else:
                    result[key] = self._entries(value, f"{path}.{key}", depth)
            else:
                result[key] = value
        self._mend_limits(result, say)
        _mend_required(result, schema, say)
        return result

    def _entries(self, named: dict[str, Json], path: str, depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for name, value in named.items():
            if isinstance(value, (dict, bool)):
                result[name] = self.schema(value, f"{path}.{name}", depth + 1)
            elif name in _MISPLACED:
                self.done.setdefault(f"{path}.{name}: a misplaced keyword, dropped")
            elif isinstance(value, str) and value.lower() in _TYPES:
                self.done.setdefault(f"{path}.{name}: {_short(value)} read as its type")
                result[name] = {"type": _TYPES[value.lower()]}
            elif isinstance(value, str):
                self.done.setdefault(f"{path}.{name}: a text read as its description")
                result[name] = {"description": value}
            else:
                self.done.setdefault(f"{path}.{name}: was no schema, read as one that says nothing")
                result[name] = {}
        return result

    def _mend_limits(self, result: dict[str, Json], say: Callable[[str], None]) -> None:
        """Draft 4's boolean ``exclusiveMinimum`` and ``exclusiveMaximum``, unless the schema names that draft."""
        if "draft-04" in self.draft:
            return
        for word, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            value = result.get(word)
            if value is None or _is_number(value):
                continue
            del result[word]
            if value is True and plain in result:
                result[word] = result.pop(plain)
                say(f"{word}: true read as in draft 4")
            else:
                say(f"{word} was {_short(value)}, dropped")


def _mend_required(result: dict[str, Json], schema: dict[str, Json], say: Callable[[str], None]) -> None:
    properties = result.get("properties")
    hoisted = []
    if isinstance(properties, dict):
        misplaced = schema["properties"].get("required")
        if isinstance(misplaced, list) and "required" not in schema:
            hoisted = [name for name in misplaced if isinstance(name, str) and name in properties]
            say("required was among the properties, moved to its place")
        for name, value in properties.items():
            if isinstance(value, dict) and isinstance(value.get("required"), bool):
                if value["required"]:
                    hoisted.append(name)
                properties[name] = {key: v for key, v in value.items() if key != "required"}
                say(f"required: {str(value['required']).lower()} at {name} moved to the list of required names")
    required = result.get("required")
    if required is None and not hoisted:
        return
    if isinstance(required, bool) and not hoisted:
        return  # one level up, this becomes a name in the list of the parent
    names = required if isinstance(required, list) else [required] if isinstance(required, str) else []
    kept = list(dict.fromkeys(name for name in [*names, *hoisted] if isinstance(name, str)))
    if isinstance(required, str) and not (isinstance(properties, dict) and required in properties):
        kept = [name for name in kept if name != required]
    if kept != required:
        if not hoisted:
            say("required was no list of different names, mended")
        result["required"] = kept


def read_type(value: Json) -> Json:
    """The JSON Schema type that ``value`` means; None where that is not known."""
    if isinstance(value, str):
        parts = [part.strip().lower() for part in re.split(r"[|,/]|\bor\b", value)]
        if value in _TYPES.values():
            return value
        known = [_TYPES[part] for part in parts if part in _TYPES]
        if len(known) != len([part for part in parts if part not in {"optional", "undefined"}]) or not known:
            return None
        different = list(dict.fromkeys(known))
        return different[0] if len(different) == 1 else different
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        known = list(dict.fromkeys(_TYPES[part.lower()] for part in value if part.lower() in _TYPES))
        return known if len({part.lower() for part in value} - set(_TYPES)) == 0 else None
    return None


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Json) -> int | float | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value.strip()):
        return float(value) if "." in value else int(value)
    return None


def _short(value: Json) -> str:
    return shorten(repr(value), 40)
