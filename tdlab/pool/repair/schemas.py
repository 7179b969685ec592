"""Repair of a tool's schema where its meaning is plain: types of other languages, misplaced keywords, nulls.

Each repair loosens or translates the schema and never invents a constraint, and each has a sentence that an issue can
list. Everything else stays as it is, and the schema stays unusable:

- a list of parameters becomes the schema of an object (`tdlab.pool.repair.parameters`);
- a type of another language (``dict``, ``float``, ``int | null``, ``List[int]``) becomes the JSON Schema type; an
  unknown type (``any``) is dropped;
- a root without ``type`` gets ``object``; a root that is a bare map of properties is wrapped in one;
- ``required: true`` at a property (draft 3) moves to the list of its parent; a list of required names loses repeats and
  entries that are not names;
- ``exclusiveMinimum: true`` (draft 4) takes over the value of ``minimum``; the same for the maximum;
- a keyword with ``null`` or with a value of the wrong type is dropped; a list of ``items`` becomes ``prefixItems``;
- ``properties`` that are a list become the map of its entries;
- ``properties`` that contain a whole schema (``type`` and ``properties``) are replaced by it;
- an entry of ``properties`` that is not a schema becomes a description, or is dropped if it is a misplaced keyword;
- a keyword whose value contains NaN or an infinity is dropped, and so is such a value of an enumeration;
- a pattern that no regular-expression engine here can compile is dropped; ``nullable: true`` adds the type ``null``;
- a ``$schema`` that names an unknown draft is dropped; half of a surrogate pair becomes U+FFFD.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

from tdlab.pool.repair.parameters import is_parameter_list, schema_of_parameters
from tdlab.pool.repair.types import JSON_TYPES, json_type, schema_of_type
from tdlab.records import Json
from tdlab.tools import schema_problem, shorten

__all__ = ["fix_schema", "replace_surrogates"]

_KNOWN_DRAFTS = re.compile(r"https?://json-schema\.org/(draft-0[467]|draft/(2019-09|2020-12))/schema#?$")
_LATEST = "https://json-schema.org/draft/2020-12/schema"
_SURROGATE = re.compile("[\ud800-\udfff]")
_SCHEMA_WORDS = ("not", "if", "then", "else", "additionalProperties", "contains", "propertyNames", "unevaluatedItems",
                 "unevaluatedProperties", "additionalItems")  # fmt: skip
_LIST_WORDS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAP_WORDS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_STRINGS = ("title", "description", "$comment", "format", "pattern", "$ref", "$id", "$anchor", "contentEncoding",
            "contentMediaType")  # fmt: skip
_BOOLEANS = ("readOnly", "writeOnly", "deprecated", "uniqueItems")
_NUMBERS = ("minimum", "maximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
           "maxContains")  # fmt: skip
_NESTING = {*_SCHEMA_WORDS, *_LIST_WORDS, *_MAP_WORDS, "items"}
_MISPLACED = {"$schema", "required", "type", "additionalProperties", "title", "description", "$id", "$comment"}
_KEEPS_NULL = {"const", "default", "example", "enum"}
_ROOT_WORDS = {"type", "properties", "$ref", "allOf", "anyOf", "oneOf", "required", "$defs", "definitions", "$schema",
               "additionalProperties", "patternProperties", "not", "if", "enum", "const"}  # fmt: skip
_DEEP = 100
_NON_NUMBER = re.compile(r"\b(?:NaN|Infinity)\b")
_VALUE_LISTS = ("enum", "examples")


def replace_surrogates(text: str) -> str:
    """Return ``text`` with each half of a surrogate pair (which no UTF-8 file can hold) replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text) if _SURROGATE.search(text) else text


def fix_schema(schema: Json) -> tuple[Json, tuple[str, ...]]:
    """Return a repaired copy of a tool's schema, and a sentence for each repair.

    The result may still be unusable: check it with `tdlab.tools.schema_problem`.
    """
    if schema is None:
        return {"type": "object", "properties": {}}, ("no schema: read as one without parameters",)
    problems: tuple[str, ...] = ()
    if is_parameter_list(schema):
        try:
            schema, problems = schema_of_parameters(schema)
        except RecursionError:
            return schema, ()
    if not isinstance(schema, dict):
        return schema, ()
    draft = schema.get("$schema")
    fixer = _SchemaFixer(draft if isinstance(draft, str) and _KNOWN_DRAFTS.match(draft) else "")
    fixes = fixer.fixes
    fixes.update(dict.fromkeys(problems))
    try:
        text = json.dumps(schema, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return schema, ()
    fixer.has_non_numbers = bool(_NON_NUMBER.search(text))
    if _SURROGATE.search(text):
        fixes["half of a surrogate pair: replaced by U+FFFD"] = None
        schema = json.loads(replace_surrogates(text))
    if _is_bare_map(schema):
        fixes["a bare map of properties: wrapped in an object schema"] = None
        schema = _wrap(schema)
    fixed = fixer.schema(schema, "$", 0)
    if isinstance(fixed, dict) and "type" not in fixed:
        if fixed.get("$schema") is None or set(fixed) - {"$schema"}:
            fixes["no type at the root: read as object"] = None
        fixed = {"type": "object", **fixed}
    return fixed, tuple(fixes)


def _is_bare_map(schema: dict[str, Json]) -> bool:
    """Return whether this is the ``properties`` of a schema without the schema around it."""
    if not schema or not all(isinstance(value, dict) for value in schema.values()):
        return False
    if not set(schema) & _ROOT_WORDS:
        return True
    # {"type": {"type": "string"}, "title": {"type": "string"}} declares parameters named like keywords
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


class _SchemaFixer:
    """The repairs of one schema: ``fixes`` collects their sentences in order, ``draft`` is the address of its draft."""

    def __init__(self, draft: str) -> None:
        self.draft = draft.rstrip("#")
        self.fixes: dict[str, None] = {}
        self.has_non_numbers = False

    def schema(self, schema: Json, path: str, depth: int) -> Json:
        """Return a repaired copy of one schema and of all schemas inside it."""
        if not isinstance(schema, dict) or depth > _DEEP:
            return schema

        def note(words: str) -> None:
            self.fixes.setdefault(f"{path}: {words}")

        inner = schema.get("properties")
        if isinstance(inner, dict) and isinstance(inner.get("type"), str) and isinstance(inner.get("properties"), dict):
            note("properties held a whole schema, replaced by it")
            schema = {**schema, **inner}

        if inner and is_parameter_list(inner):
            note("properties were a list, read as their map")
            listed, problems = schema_of_parameters(inner)
            self.fixes.update(dict.fromkeys(problems))
            names = schema.get("required")
            required = [*(names if isinstance(names, list) else []), *listed.get("required", [])]
            schema = {**schema, "properties": listed["properties"], **({"required": required} if required else {})}

        result: dict[str, Json] = {}
        for key, value in schema.items():
            if self.has_non_numbers and key not in _NESTING and _has_non_number(value):
                kept = [v for v in value if not _has_non_number(v)] if isinstance(value, list) else []
                if key in _VALUE_LISTS and kept:
                    note(f"values of {key} that were not finite numbers, dropped")
                    result[key] = kept
                else:
                    note(f"{key} was {_number_text(value)}, which JSON cannot hold, dropped")
            elif value is None and key not in _KEEPS_NULL:
                note(f"{key} was null, dropped")
            elif key == "pattern" and isinstance(value, str) and (problem := schema_problem({key: value})):
                note(f"pattern {_short(value)} was dropped: {shorten(problem, 80)}")
            elif key == "nullable" and value is True:
                note("nullable was read as the type null")
            elif key == "type":
                kind = json_type(value)
                if kind is None and (meaning := schema_of_type(value)) is not None:
                    note(f"type {_short(value)} was read as {json.dumps(meaning)}")
                    result |= {word: inner for word, inner in meaning.items() if word not in schema or word == "type"}
                    continue
                if kind != value:
                    note(
                        f"type {_short(value)} "
                        + ("is unknown, dropped" if kind is None else f"was read as {_short(kind)}")
                    )
                if kind is not None:
                    result["type"] = kind
            elif key in _STRINGS and not isinstance(value, str):
                note(f"{key} was not a string, dropped")
            elif key in _BOOLEANS and not isinstance(value, bool):
                note(f"{key} was not a boolean, dropped")
            elif key in _NUMBERS and not _is_number(value):
                number = _number(value)
                note(f"{key} was {_short(value)}, " + ("dropped" if number is None else "read as a number"))
                if number is not None:
                    result[key] = number
            elif key in _COUNTS and not (_is_number(value) and value >= 0 and value // 1 == value):
                note(f"{key} was {_short(value)}, dropped")
            elif key == "$schema" and not (isinstance(value, str) and _KNOWN_DRAFTS.match(value)):
                note(f"$schema {_short(value)} names an unknown draft, dropped")
            elif key == "enum" and (not isinstance(value, list) or not value):
                note("enum was not a list of values, dropped")
            elif key == "items":
                if value == []:
                    note("items was an empty list, dropped")
                elif isinstance(value, list) and self.draft in ("", _LATEST):
                    note("a list of items was read as prefixItems")
                    result["prefixItems"] = [
                        self.schema(v, f"{path}.items[{i}]", depth + 1) for i, v in enumerate(value)
                    ]
                elif isinstance(value, str):
                    note(f"items {_short(value)} was read as their type")
                    result["items"] = self.schema({"type": value}, f"{path}.items", depth + 1)
                else:
                    result["items"] = self.schema(value, f"{path}.items", depth + 1)
            elif key in _SCHEMA_WORDS:
                if not isinstance(value, (dict, bool)):
                    note(f"{key} was not a schema, dropped")
                else:
                    result[key] = self.schema(value, f"{path}.{key}", depth + 1)
            elif key in _LIST_WORDS:
                if not isinstance(value, list) or not value:
                    note(f"{key} was not a list of schemas, dropped")
                else:
                    result[key] = [self.schema(v, f"{path}.{key}[{i}]", depth + 1) for i, v in enumerate(value)]
            elif key in _MAP_WORDS:
                if not isinstance(value, dict):
                    note(f"{key} was not a map of schemas, dropped")
                else:
                    result[key] = self._entries(value, f"{path}.{key}", depth)
            else:
                result[key] = value
        if schema.get("nullable") is True:
            _allow_null(result)
        self._fix_limits(result, note)
        _fix_required(result, schema, note)
        return result

    def _entries(self, schemas: dict[str, Json], path: str, depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for name, value in schemas.items():
            if isinstance(value, (dict, bool)):
                result[name] = self.schema(value, f"{path}.{name}", depth + 1)
            elif value is None:  # columns of Arrow give every tool the parameters of all
                self.fixes.setdefault(f"{path}.{name}: null instead of a schema, dropped")
            elif name in _MISPLACED:
                self.fixes.setdefault(f"{path}.{name}: a misplaced keyword, dropped")
            elif isinstance(value, str) and value.lower() in JSON_TYPES:
                self.fixes.setdefault(f"{path}.{name}: {_short(value)} was read as its type")
                result[name] = {"type": JSON_TYPES[value.lower()]}
            elif isinstance(value, str):
                self.fixes.setdefault(f"{path}.{name}: a text was read as its description")
                result[name] = {"description": value}
            else:
                self.fixes.setdefault(f"{path}.{name}: was not a schema, read as an empty one")
                result[name] = {}
        return result

    def _fix_limits(self, result: dict[str, Json], note: Callable[[str], None]) -> None:
        """Translate draft 4's boolean ``exclusiveMinimum`` and ``exclusiveMaximum`` in schemas of later drafts."""
        if "draft-04" in self.draft:
            return
        for word, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            value = result.get(word)
            if value is None or _is_number(value):
                continue
            del result[word]
            if value is True and plain in result:
                result[word] = result.pop(plain)
                note(f"{word}: true was read as in draft 4")
            else:
                note(f"{word} was {_short(value)}, dropped")


def _fix_required(result: dict[str, Json], schema: dict[str, Json], note: Callable[[str], None]) -> None:
    properties = result.get("properties")
    hoisted = []
    if isinstance(properties, dict):
        misplaced = schema["properties"].get("required")
        if isinstance(misplaced, list) and "required" not in schema:
            hoisted = [name for name in misplaced if isinstance(name, str) and name in properties]
            note("required was among the properties, moved to its place")
        for name, value in properties.items():
            if isinstance(value, dict) and isinstance(value.get("required"), bool):
                if value["required"]:
                    hoisted.append(name)
                properties[name] = {key: v for key, v in value.items() if key != "required"}
                note(f"required: {str(value['required']).lower()} at {name} moved to the list of required names")
    required = result.get("required")
    if required is None and not hoisted:
        return
    if isinstance(required, bool) and not hoisted:
        return  # the parent turns this into a name in its own list
    names = required if isinstance(required, list) else [required] if isinstance(required, str) else []
    kept = list(dict.fromkeys(name for name in [*names, *hoisted] if isinstance(name, str)))
    if isinstance(required, str) and not (isinstance(properties, dict) and required in properties):
        kept = [name for name in kept if name != required]
    if kept != required:
        if not hoisted:
            note("required was not a list of different names, fixed")
        result["required"] = kept


def _allow_null(schema: dict[str, Json]) -> None:
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    if kinds and "null" not in kinds:
        schema["type"] = [*kinds, "null"]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]


def _has_non_number(value: Json) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, (dict, list)):
        return any(map(_has_non_number, value.values() if isinstance(value, dict) else value))
    return False


def _number_text(value: Json) -> str:
    return shorten(json.dumps(value), 40)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Json) -> int | float | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value.strip()):
        return float(value) if "." in value else int(value)
    return None


def _short(value: Json) -> str:
    return shorten(repr(value), 40)
