"""Tool definitions as they stand beside a conversation, in any API's shape."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from tdlab.formats._json import is_shallow, list_of
from tdlab.records import Json, Tool
from tdlab.tools import read_json

__all__ = ["definitions_in", "tool_definition"]

_INPUT = ("parameters", "inputSchema", "input_schema", "args_schema", "schema", "parametersJsonSchema")
_NULL_MEANS = {"default", "const", "enum", "example", "examples"}
_TYPES = {
    "str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number", "double": "number",
    "bool": "boolean", "dict": "object", "map": "object", "list": "array", "tuple": "array", "set": "array",
}  # fmt: skip
_JSON_TYPES = {"string", "integer", "number", "boolean", "object", "array", "null"}
_SCHEMA_WORDS = {"type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "items", "required"}


_KNOWN: dict[bytes, tuple[Tool, ...]] = {}
_MOST_KNOWN = 64
_MOST_BYTES = 1 << 16


def _kept(raw: Json, make: Callable[[], Iterable[Tool]]) -> tuple[Tool, ...]:
    """Return the tools that are made of a value; those of the latest values are kept and given again."""
    try:
        image = marshal.dumps(raw, 2)  # version 2 tells true from 1 and 1 from 1.0, which equal values do not
    except ValueError:  # is nested too deeply for it
        return tuple(make())
    tools = _KNOWN.get(image)
    if tools is None:
        tools = tuple(make())
        if len(image) <= _MOST_BYTES:
            if len(_KNOWN) >= _MOST_KNOWN:
                _KNOWN.clear()
            _KNOWN[image] = tools
    return tools


def definitions_in(raw: Json) -> tuple[Tool, ...]:
    """Return the tools, without a service, of a list of definitions, of its JSON text, or of a map from names.

    Entries that define no function (built-in tools, say) are passed over: their calls have a tool without a definition.
    The records of a file often repeat their definitions, so the tools of the latest ones are kept and given again.
    """
    return _kept(raw, lambda: _definitions(raw))


def _definitions(raw: Json) -> Iterator[Tool]:
    if isinstance(raw, dict):
        nested = raw.get("functionDeclarations", raw.get("function_declarations", raw.get("tools")))
        raw = nested if isinstance(nested, list) else [
            {"name": name, **entry} for name, entry in raw.items() if isinstance(entry, dict)
        ]  # fmt: skip
    for entry in list_of(raw):
        if isinstance(entry, dict):
            declared = entry.get("functionDeclarations", entry.get("function_declarations"))
            if isinstance(declared, list):
                yield from _definitions(declared)
                continue
        tool = _tool(entry, "", None)
        if tool is not None:
            yield tool


def tool_definition(raw: Json, service: str, name: str | None = None) -> Tool | None:
    """Return a Tool from one definition; None for anything else (the tool then stays undefined).

    Known shapes: OpenAI's wrapper, bare functions, MCP's and Anthropic's, Bedrock's ``toolSpec``, Gemini's upper-case
    types, xLAM's parameters without a schema around them.

    Args:
        raw: The definition as recorded.
        service: The service of the tool.
        name: The name to use instead of the definition's own, where the service was part of that.
    """

    def made() -> Iterator[Tool]:
        tool = _tool(raw, service, name)
        if tool is not None:
            yield tool

    return next(iter(_kept([raw, service, name], made)), None)


def _tool(raw: Json, service: str, name: str | None) -> Tool | None:
    if isinstance(raw, str):
        try:
            raw = read_json(raw)
        except ValueError:
            return None
    if not isinstance(raw, dict):
        return None
    function = next((raw[key] for key in ("function", "toolSpec") if isinstance(raw.get(key), dict)), raw)
    own = function.get("name")
    if not isinstance(own, str) or not own:
        return None
    description = function.get("description")
    try:
        return Tool(
            service=service,
            name=name or own,
            description=description if isinstance(description, str) else "",
            input_schema=_schema(next((function[key] for key in _INPUT if function.get(key) is not None), None)),
        )
    except ValidationError:
        return None


def _schema(raw: Json) -> dict[str, Json]:
    if isinstance(raw, str):
        try:
            raw = read_json(raw)
        except ValueError:
            raw = None
    if isinstance(raw, dict) and set(raw) == {"json"}:
        raw = raw["json"]
    if not isinstance(raw, dict) or not is_shallow(raw):
        return {"type": "object"}
    if raw and not _SCHEMA_WORDS & set(raw) and all(isinstance(entry, dict) for entry in raw.values()):
        return _from_parameters(raw)
    return dict(_normal(raw))


def _from_parameters(raw: dict[str, Any]) -> dict[str, Json]:
    """Return the schema of xLAM's parameters: {name: {"type": "str, optional", "description", "default"?}}."""
    properties: dict[str, Json] = {}
    required = []
    for name, entry in raw.items():
        stated = entry.get("type")
        words = [word.strip() for word in stated.split(",")] if isinstance(stated, str) else []
        kind = words[0].partition("[")[0].lower() if words else ""
        kind = _TYPES.get(kind, kind)
        properties[name] = {
            **{key: value for key, value in entry.items() if key != "type" and value is not None},
            **({"type": kind} if kind in _JSON_TYPES else {}),
        }
        if "optional" not in words[1:] and "default" not in entry:
            required.append(name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _normal(schema: Json, *, names: bool = False) -> Json:
    """Return a schema with lower-case types and without the nulls that pad it; ``names`` marks a map of parameters."""
    if isinstance(schema, list):
        return [_normal(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    normal: dict[str, Json] = {}
    for key, value in schema.items():
        if value is None and (names or key not in _NULL_MEANS):
            continue
        if names:
            normal[key] = _normal(value)
        elif key == "type" and isinstance(value, str):
            kind = value.lower()
            normal[key] = kind if value not in _JSON_TYPES and kind in _JSON_TYPES else _TYPES.get(value, value)
        elif key in ("enum", "const", "default", "example", "examples"):
            normal[key] = value
        else:
            normal[key] = _normal(value, names=key in ("properties", "$defs", "definitions", "patternProperties"))
    return normal
