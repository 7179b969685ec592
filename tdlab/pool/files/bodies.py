"""Where the parts of one tool definition are in each notation: its body, its input schema, and whether it is built in.

===================  ==================================================================================================
MCP                  ``name``, ``description``, ``inputSchema``
Anthropic            ``input_schema``
OpenAI               ``{"type": "function", "function": {...}}`` or flat, ``parameters``
Gemini               ``parameters`` with upper-case types, ``parametersJsonSchema``
Bedrock              ``{"toolSpec": {"inputSchema": {"json": {...}}}}``
Vercel AI SDK        ``inputSchema`` or ``parameters``, also as ``{"jsonSchema": {...}}``
LangChain            ``args_schema``, ``args`` (a map of properties), a serialised constructor with ``kwargs``
smolagents, Cohere   ``inputs``, ``parameter_definitions``: maps of properties
Docker, registries   ``arguments``: a list of parameters
ToolBench            ``required_parameters`` and ``optional_parameters``: lists of parameters
===================  ==================================================================================================
"""

from __future__ import annotations

import re

from tdlab.records import Json
from tdlab.tools import JsonError, read_json, shorten

__all__ = ["built_in", "has_schema", "input_of", "is_call", "is_known_built_in", "tool_body"]

_WRAPPERS = ("function", "toolSpec", "tool_spec")
_INPUT = (
    "inputSchema", "input_schema", "parameters", "parametersJsonSchema", "parameters_json_schema", "args_schema",
    "parameter_definitions", "arguments", "inputs", "args", "input",
)  # fmt: skip
_SPLIT = ("required_parameters", "optional_parameters")
_SPLIT_INSIDE = ("required", "optional")
_DATED = re.compile(r".+_(?:20\d{6}|\d{8})")
_KNOWN_BUILT_IN = frozenset(
    "googlesearch googlesearchretrieval codeexecution urlcontext googlemaps computeruse filesearch retrieval"
    " enterprisewebsearch websearch codeinterpreter systemtool imagegeneration localshell".split()
)
_MARKERS = frozenset(("cachepoint", "cachecontrol"))


def tool_body(raw: dict[str, Json]) -> dict[str, Json]:
    """Return the object that has the tool's name: the definition itself, or the one in its wrapper."""
    for key in (*_WRAPPERS, *(("kwargs",) if "lc" in raw else ())):
        body = raw.get(key)
        if isinstance(body, dict):
            return body
    return raw


def is_call(raw: dict[str, Json]) -> bool:
    """Return whether this is a call of a tool, which has arguments as text or by name where a definition has none."""
    return isinstance(tool_body(raw).get("arguments"), (str, dict))


def has_schema(raw: dict[str, Json]) -> bool:
    """Return whether this states a tool's name and parameters, in any notation, or that it is a function."""
    body = tool_body(raw)
    named = isinstance(body.get("name"), str)
    if not named or is_call(raw):
        return False
    if raw.get("type") == "function" or body is not raw:
        return True
    if any(isinstance(body.get(key), (dict, list)) for key in _INPUT if key not in ("inputs", "args", "input")):
        return True
    if any(isinstance(text := body.get(key), str) and text.lstrip().startswith("{") for key in _INPUT[:-4]):
        return True
    return "description" in body and any(isinstance(body.get(key), dict) for key in ("inputs", "args", "input"))


def input_of(body: dict[str, Json]) -> tuple[Json, str]:
    """Return the input schema as written (None: there is none), and a sentence if it was text that had to be parsed."""
    for holder, keys in ((body, _SPLIT), (body.get("parameters"), _SPLIT_INSIDE)):
        if isinstance(holder, dict) and (holder is body or _is_split(holder)):
            lists = {key: listed for key in keys if isinstance(listed := holder.get(key), list)}
            if lists:
                return [
                    {**entry, "required": key == keys[0]} if isinstance(entry, dict) else entry
                    for key, listed in lists.items()
                    for entry in listed
                ], ""
    source = next((key for key in _INPUT if key in body), None)
    if source is None:
        return None, ""
    schema: Json = body[source]
    words = ""
    if isinstance(schema, str) and schema.lstrip().startswith(("{", "[")):
        try:
            schema = read_json(schema, strict=False)
        except JsonError:
            return schema, ""  # the check of the schema says what it is
        words = "its schema was JSON in a text, parsed"
    if isinstance(schema, dict) and len(schema) <= 2:
        for key in ("json", "jsonSchema"):
            inner = schema.get(key)
            if isinstance(inner, dict) and (key == "jsonSchema" or {"type", "properties"} <= set(inner) or not inner):
                return inner, words
    return schema, words


def _is_split(parameters: dict[str, Json]) -> bool:
    """Return whether these are two lists of parameters, the required and the optional ones, and no schema."""
    return parameters.keys() <= set(_SPLIT_INSIDE) and any(
        isinstance(listed, list) and any(isinstance(entry, dict) for entry in listed) for listed in parameters.values()
    )


def built_in(raw: dict[str, Json]) -> str | None:
    """Return why this is no tool of a user: it is built into a model's API, without a schema; None if it may be one."""
    body = tool_body(raw)
    kind, name = raw.get("type"), body.get("name")
    if isinstance(kind, str) and kind.startswith("builtin"):
        return f"a built-in tool of type {kind!r:.80} ({name!r:.80}); its schema is not in the file"
    if body is not raw or any(key in raw for key in (*_INPUT[:-4], "arguments")):
        return None
    if isinstance(kind, str) and kind not in ("function", "object", "tool"):
        if kind == "mcp":
            return "a reference to an MCP server, whose tools are not in the file; get them with `tdlab harvest`"
        if kind in ("provider-defined", "provider") or _DATED.fullmatch(kind):
            return f"a built-in tool of type {kind!r:.80}, which has no schema"
        if name is None or _plain(kind) in _KNOWN_BUILT_IN:
            return f"a built-in tool of type {kind!r:.80}, which has no schema"
        if kind == "custom":
            return "a custom tool that takes free text, which has no schema"
        return None if "description" in raw else f"a built-in tool of type {kind!r:.80}, which has no schema"
    if name is None and kind is None:
        known = [key for key in raw if _plain(key) in _KNOWN_BUILT_IN]
        if known:
            return f"a built-in tool ({', '.join(known):.80}), which has no schema"
        if any(_plain(key) in _MARKERS for key in raw):
            return f"a mark for the API ({shorten(', '.join(map(str, raw)), 80)}), not a tool"
    return None


def is_known_built_in(raw: dict[str, Json]) -> bool:
    """Return whether this is one of the built-in tools of a known API, even where nothing says that it is a tool."""
    kind = raw.get("type")
    if isinstance(kind, str):
        return built_in(raw) is not None and (_plain(kind) in _KNOWN_BUILT_IN or _DATED.fullmatch(kind) is not None)
    return built_in(raw) is not None


def _plain(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
