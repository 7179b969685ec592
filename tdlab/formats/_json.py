"""JSON in recordings: plain text of any content, arguments of calls, and the look of errors."""

from __future__ import annotations

import json
import re
from typing import Any

from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["arguments_of", "is_shallow", "json_text", "list_of", "looks_like_error", "object_of", "text_of"]


def json_text(value: Json) -> str:
    """Return a decoded value as JSON text again, in the order it has."""
    return json.dumps(value, ensure_ascii=False)


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


def arguments_of(raw: Json) -> tuple[dict[str, Json], str | None]:
    """Return recorded arguments as (decoded, None), or as ({}, text) where they are not a sound JSON object."""
    if raw is None or raw == "":
        return {}, None
    if isinstance(raw, dict) and is_shallow(raw):
        return raw, None
    if not isinstance(raw, str):
        return {}, json_text(raw)
    if not raw.strip():
        return {}, None
    try:
        value = read_json(raw)
    except ValueError:
        return {}, raw
    return (value, None) if isinstance(value, dict) and is_shallow(value) else ({}, raw)


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
      | error\ (?:executing|getting|calling|running|while|in)\b
      | traceback\ \(most\ recent\ call\ last\)
      | \{\s*["']error["']\s*:\s*["'](?!["'])
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def looks_like_error(text: str) -> bool:
    """Return whether a tool result without a flag reads as an error.

    It does if it starts with "Error:", "ValueError:", "Traceback ..." and the like, or is a JSON object with a truthy
    ``error``, ``errors`` or ``isError``, with ``success`` or ``ok`` false, or with ``status`` "error". A JSON object
    that the recording truncated counts if its first key is an ``error`` that is not empty.

    Args:
        text: The content of a tool message.

    Returns:
        Whether it is an error.

    Example:
        >>> looks_like_error("ValueError: no such order"), looks_like_error('{"status": "shipped"}')
        (True, False)
    """
    if _ERROR_OPENS.match(text):
        return True
    if not text.lstrip().startswith("{"):
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
    )
