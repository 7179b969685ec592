"""JSON in recordings: plain text of any content, arguments of calls, and the look of errors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tdlab.records import Json
from tdlab.tools import read_json

__all__ = [
    "Arguments",
    "Exact",
    "Untyped",
    "arguments_of",
    "is_shallow",
    "json_text",
    "list_of",
    "looks_like_error",
    "object_of",
    "read_repaired",
    "text_of",
    "typed_value",
]


def read_repaired(text: str) -> tuple[Json, str]:
    """Return the value of a JSON text, and what had to be repaired for that: NaN and infinities are read as null.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        return read_json(text), ""
    except ValueError:
        if not _NOT_FINITE.search(text):
            raise
        value = read_json(text, strict=False)
    repaired = _finite(value)
    return read_json(json.dumps(repaired)), "holds NaN or an infinity, which are no JSON; it is read as null"


_NOT_FINITE = re.compile(r"NaN|Infinity|[0-9][eE]\+?[0-9]{3}")


def _finite(value: Json) -> Json:
    """Return a value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def json_text(value: Json) -> str:
    """Return a decoded value as JSON text again, in the order it has."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def text_of(content: Json) -> str:
    """Return the text of a message's content: a string, null, a list of parts, or any other value as JSON."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, (str, dict)) for part in content):
        return "\n".join(_part(part) for part in content)
    return json_text(content)


def _part(part: str | dict[str, Any]) -> str:
    if isinstance(part, str):
        return part
    text = part.get("text")
    if isinstance(text, str):
        return text
    kind = part.get("type")
    return f"[{kind}]" if isinstance(kind, str) else json_text(part)


_MOST_DEPTH = 64


def is_shallow(value: Json) -> bool:
    """Return whether lists and objects are nested at most 64 deep; deeper ones break code that walks them."""
    if isinstance(value, dict) and not [child for child in value.values() if isinstance(child, (dict, list))]:
        return True
    level = [value]
    for _ in range(_MOST_DEPTH + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return True
    return False


class Untyped(dict[str, Json]):
    """Arguments that a text gives between tags, without quotes: texts whose types only the tool's schema can tell."""


class Exact(dict[str, Json]):
    """Arguments that a text writes out, so that none of them is padding."""


def typed_value(text: str, schema: Mapping[str, Any]) -> Json:
    """Return the value of an argument between tags: the text where the schema wants one, else the JSON value, if any.

    Without a schema, whatever reads as JSON is JSON, as in Qwen3-Coder's own parser.
    """
    if schema.get("type") == "string":
        return text
    try:
        return read_json(text)
    except ValueError:
        return text


class Arguments(NamedTuple):
    """Arguments as read: the object, the text of what is not an object, and what was repaired."""

    values: dict[str, Json]
    malformed: str | None = None
    repaired: str = ""


def arguments_of(raw: Json, schema: Mapping[str, Any] | None = None, *, padded: bool = True) -> Arguments:
    """Return recorded arguments as an object, or as a text where they are no sound JSON object.

    Texts that were encoded twice are decoded twice. A null beside the arguments of an object (not of a text) is padding
    of columns, unless the tool's schema allows null there: Arrow gives every row the keys of all rows.

    Args:
        raw: The arguments: an object, JSON text, a Python repr of an object, or nothing.
        schema: The tool's input schema, if it is known.
        padded: Whether nulls may be padding.
    """
    properties = schema.get("properties") if schema else None
    properties = properties if isinstance(properties, dict) else {}
    if isinstance(raw, Untyped):
        typed = {}
        for name, text in raw.items():
            own = properties.get(name)
            typed[name] = typed_value(text, own if isinstance(own, dict) else {})
        return Arguments(typed)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return Arguments({})
    if isinstance(raw, dict):
        if not [value for value in raw.values() if value is None or isinstance(value, (dict, list))]:
            return Arguments(dict(raw))  # plain values alone, as most calls have
        if not is_shallow(raw):
            return Arguments({}, json_text(raw))
        if not padded or isinstance(raw, Exact):
            return Arguments(dict(raw))
        dense = {name: _dense(value, properties.get(name)) for name, value in raw.items()}
        kept = {name: value for name, value in dense.items() if value is not None or _may_be_null(properties.get(name))}
        return Arguments(kept, repaired="" if kept == raw else "null arguments are padding and left out")
    if not isinstance(raw, str):
        return Arguments({}, json_text(raw))
    value: Json
    try:
        value = read_json(raw)
    except ValueError:
        return Arguments({}, raw)
    if isinstance(value, dict) and (raw.count("{") + raw.count("[") <= _MOST_DEPTH or is_shallow(value)):
        return Arguments(value)
    depth = 1
    while isinstance(value, str) and depth < _MOST_ENCODED:
        try:
            value = read_json(value)
        except ValueError:
            break
        depth += 1
    if isinstance(value, dict) and is_shallow(value):
        return Arguments(value, repaired="arguments were encoded twice" if depth > 1 else "")
    if value is None and depth == 1:  # the text "null"
        return Arguments({})
    return Arguments({}, raw)


_MOST_ENCODED = 4


def _may_be_null(schema: Json) -> bool:
    """Return whether a parameter's schema allows null."""
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or schema.get("nullable") is True:
        return True
    if isinstance(schema.get("enum"), list) and None in schema["enum"]:
        return True
    return any(
        _may_be_null(branch)
        for word in ("anyOf", "oneOf")
        for branch in (schema[word] if isinstance(schema.get(word), list) else ())
    )


def _dense(value: Json, schema: Json) -> Json:
    """Return a value without the nulls that pad the objects in it."""
    schema = schema if isinstance(schema, dict) else {}
    if isinstance(value, list):
        return [_dense(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    dense = {name: _dense(item, properties.get(name)) for name, item in value.items()}
    return {name: item for name, item in dense.items() if item is not None or _may_be_null(properties.get(name))}


def object_of(value: Json) -> dict[str, Any]:
    """Return an object, decoded where it is written as JSON text; an empty one for anything else."""
    decoded = _decoded(value)
    return decoded if isinstance(decoded, dict) else {}


def list_of(value: Json) -> list[Any]:
    """Return a list, decoded where it is written as JSON text; an empty one for anything else."""
    decoded = _decoded(value)
    return decoded if isinstance(decoded, list) else []


def _decoded(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except ValueError:
        return None


_ERROR_OPENS = re.compile(
    r"""\s*(?:
        (?:tool\s|execution\s|runtime\s|api\s|http\s)?(?:error|exception)\s*(?:[:!]|\d{3}\b|$)
      | (?-i:[A-Z]\w{0,60}(?:Error|Exception))\s*(?:[:(]|$)
      | error\ (?:[a-z]+ing|while|in)\b
      | traceback\ \(most\ recent\ call\ last\)
      | \{\s*["']error["']\s*:\s*["'](?!["'])
    )""",
    re.IGNORECASE | re.VERBOSE,
)


_PLAIN_STARTS = ("<", "[")
"""How no error's text begins, nor one with a blank before it."""
_ERROR_KEYS = re.compile(r'"(?:errors?|is_?[eE]rror|success|ok|status)"')
_EXIT_CODE = re.compile(r"\b(?:return|exit)[ _]?code:?[ ]?-?[1-9]\d{0,4}\s*\Z", re.IGNORECASE)


def _may_hold_error_key(text: str) -> bool:
    """Return whether a text has a part of an error's key in it, which is found faster than the key itself."""
    return 'rror"' in text or 'rrors"' in text or 'success"' in text or 'ok"' in text or 'status"' in text


def looks_like_error(text: str) -> bool:
    """Return whether a tool result without a flag reads as an error.

    It does if it starts with "Error:", "ValueError:", "Traceback ..." and the like, or is a JSON object with a truthy
    ``error``, ``errors`` or ``isError``, with ``success`` or ``ok`` false, or with ``status`` or ``object`` "error", or
    ends with a program's exit code that is not 0. A JSON object
    that the recording truncated counts if its first key is an ``error`` that is not empty.

    Args:
        text: The content of a tool message.

    Returns:
        Whether it is an error.

    Example:
        >>> looks_like_error("ValueError: no such order"), looks_like_error('{"status": "shipped"}')
        (True, False)
    """
    if not text.startswith(_PLAIN_STARTS) and _ERROR_OPENS.match(text):
        return True
    if text.rstrip()[-1:].isdecimal() and _EXIT_CODE.search(text, max(0, len(text) - 60)):
        return True
    if not text.lstrip().startswith("{") or not _may_hold_error_key(text) or not _ERROR_KEYS.search(text):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    return (
        any(bool(value.get(key)) for key in ("error", "errors", "isError", "is_error"))
        or any(value.get(key) is False for key in ("success", "ok"))
        or value.get("status") == "error"
        or value.get("object") == "error"
    )
