"""The good part of a JSON text that is broken: what comes before the fault, and what is around a value too deep.

A truncated download, a missing comma and one absurdly nested schema should cost what they touch, not the whole file.
The text before the fault is read by pydantic's partial JSON parser; the definition that the fault is in is left out,
since half of a definition would look like a whole one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic_core import from_json

from tdlab.pool.files.bodies import has_schema
from tdlab.pool.files.layout import holds_tools
from tdlab.records import Json
from tdlab.tools import JsonError, read_json

__all__ = ["Salvage", "salvage"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_DEEPEST = 150
# Refused by every check, as a schema and as a map of schemas, so that the tool that it is in is set aside.
_TOO_DEEP = '{"$ref":"nested-too-deeply","nested-too-deeply":{"$ref":"nested-too-deeply"}}'
_OPENING = frozenset("[{")


class Salvage(NamedTuple):
    """What could be read of a broken text, and a sentence for each part that is left out."""

    value: Json
    problems: list[str]


def salvage(text: str, end: int | None) -> Salvage | None:
    """Return the good part of a JSON text that `read_json` refuses; None where there is none.

    Args:
        text: The text.
        end: The position of the fault in it; None where the whole text is nested too deeply or only its end is missing.
    """
    problems: list[str] = []
    text = text if end is None else text[:end]
    pieces: list[str] = []
    opened = 0
    copied = 0
    deep_from: int | None = None
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in _OPENING:
            opened += 1
            if opened == _DEEPEST + 1:
                deep_from = match.start()
        elif token in ("]", "}"):
            opened -= 1
            if opened == _DEEPEST and deep_from is not None:
                pieces += [text[copied:deep_from], _TOO_DEEP]
                line = text.count("\n", 0, deep_from) + 1
                problems.append(f"a value nested deeper than {_DEEPEST} levels at line {line} is left out")
                copied, deep_from = match.end(), None
    rest = text[copied:]
    if deep_from is not None:
        rest, opened = text[copied:deep_from], _DEEPEST
        problems.append(f"a value nested deeper than {_DEEPEST} levels does not end")
    text = "".join([*pieces, rest])
    if opened <= 0:
        try:
            return Salvage(read_json(text, strict=False), problems) if problems else None
        except JsonError:
            return None
    try:
        value: Json = from_json(text, allow_partial=True, cache_strings=False)
    except ValueError:
        return None
    if not isinstance(value, (dict, list)):
        return None
    lost = _drop_open(value, opened)
    if lost:
        problems.append(f"the definition {lost} is incomplete and left out")
    return Salvage(value, problems)


def _drop_open(value: Json, opened: int) -> str:
    """Remove the definition that the fault is in, and return what it is called; an empty string if it is in none.

    Args:
        value: What was read; its last ``opened`` containers, each the last one in the one before, were not closed.
        opened: Their number.
    """
    parent: Json = None
    for _ in range(opened):
        if isinstance(value, dict) and not holds_tools(value):
            key = next(reversed(parent)) if isinstance(parent, dict) and parent else None
            if isinstance(parent, list) or (key is not None and has_schema({"name": key, **value})):
                parent.pop(key) if isinstance(parent, dict) else parent.pop()
                name = value.get("name", key)
                return repr(name)[:80] if isinstance(name, str) else "at the end"
        if not isinstance(value, (dict, list)) or not value:
            return ""
        parent, value = value, value[next(reversed(value))] if isinstance(value, dict) else value[-1]
    return ""
