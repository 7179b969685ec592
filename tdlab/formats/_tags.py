"""Tool use written into texts: ``<tools>``, ``<tool_call>`` and ``<tool_response>``, as by Hermes and Qwen models.

A call is JSON (``{"name": ..., "arguments": ...}``), a Python repr of that, or Qwen3-Coder's own tags
(``<function=name><parameter=key>value</parameter></function>``). A tag that is never closed reaches to the end of its
text. Whatever cannot be read as a call stays in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tdlab.formats._json import json_text, text_of
from tdlab.formats._literal import loads_leniently
from tdlab.formats.base import ConversationBuilder
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["CALL", "RESPONSE", "call_parts", "has_tags", "named_result", "say_tagged", "tagged_tools"]

CALL, RESPONSE = "<tool_call>", "<tool_response>"

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_RESPONSE = re.compile(r"<tool_response>(.*?)(?:</tool_response>|\Z)", re.DOTALL)
_TOOLS = re.compile(r"<tools>((?:(?!</?tools>).)*)</tools>", re.DOTALL)
_FUNCTION = re.compile(r"<function=([^>\n]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)

Call = tuple[str | None, str, Json]


def has_tags(texts: Iterable[tuple[str, str]]) -> bool:
    """Return whether (role, text) pairs contain tool use in tags: an assistant's call, or tools in a system message."""
    return any(
        (role == "assistant" and CALL in text) or (role == "system" and "<tools>" in text and "</tools>" in text)
        for role, text in texts
    )


def tagged_tools(text: str) -> Iterator[Json]:
    """Yield the definitions in the ``<tools>`` of a system message: one JSON list, or one object per line."""
    for block in _TOOLS.findall(text):
        try:
            value = loads_leniently(block)
        except ValueError:
            for line in block.splitlines():
                try:
                    value = read_json(line)
                except ValueError:
                    continue
                yield from value if isinstance(value, list) else [value]
            continue
        yield from value if isinstance(value, list) else [value]


def say_tagged(builder: ConversationBuilder, role: str, text: str) -> None:
    """Add a message whose text may contain tags: an assistant's calls, or results in a user's or tool's message."""
    if role == "assistant":
        rest, calls = _calls(text)
        if calls:
            builder.call(rest, calls)
        else:
            builder.say("assistant", text)
    elif role == "tool" or (role == "user" and RESPONSE in text):
        _results(builder, role, text)
    elif role == "system":
        builder.say("system", text)
    else:
        builder.say("user", text)


def _calls(text: str) -> tuple[str, list[Call]]:
    """Return a text without its calls, and the calls."""
    calls: list[Call] = []

    def take(match: re.Match[str]) -> str:
        own = _read_calls(match.group(1))
        calls.extend(own)
        return "" if own else match.group()

    rest = _CALL.sub(take, text) if CALL in text else text
    return rest.strip(), calls


def _read_calls(body: str) -> list[Call]:
    function = _FUNCTION.search(body)
    if function is not None:
        return [
            (None, name.strip(), {key.strip(): _typed(value) for key, value in _PARAMETER.findall(inside)})
            for name, inside in _FUNCTION.findall(body)
            if name.strip()
        ]
    try:
        value = loads_leniently(body)
    except ValueError:
        return []
    return call_parts(value)


def call_parts(value: Json) -> list[Call]:
    """Return (id, name, arguments) for each call in a decoded value (one object or a list); others are skipped."""
    calls: list[Call] = []
    for call in value if isinstance(value, list) else [value]:
        function: Any = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            continue
        call_id = call.get("id")
        arguments = function.get("arguments", function.get("parameters"))
        calls.append((call_id if isinstance(call_id, str) and call_id else None, function["name"], arguments))
    return calls


def _typed(text: str) -> Json:
    """Return the value of a parameter between tags, which has no quotes: a JSON value if it is one, else the text."""
    try:
        return read_json(text)
    except ValueError:
        return text


def _results(builder: ConversationBuilder, role: str, text: str) -> None:
    if role == "tool" and 0 <= text.find("</tool_response>") < text.find(RESPONSE):
        text = RESPONSE + text  # LLaMA-Factory joins parallel results by a closing and an opening tag
    bodies = _RESPONSE.findall(text)
    if not bodies:
        builder.result(None, text)
        return
    for body in bodies:
        name, content = named_result(body.strip())
        builder.result(None, content, name=name)
    rest = _RESPONSE.sub("", text).strip()
    if rest and role == "user":
        builder.say("user", rest)


def named_result(body: str) -> tuple[str | None, str]:
    """Return the name and content of a result that Hermes wraps: ``{"name": ..., "content": ...}``."""
    if (body.startswith("{") and '"content"' in body) or body.startswith("{'"):
        try:
            value = loads_leniently(body)
        except ValueError:
            return None, body
        if isinstance(value, dict) and isinstance(value.get("name"), str) and set(value) <= _WRAPPING:
            return value["name"], text_of(value.get("content", json_text(value)))
    return None, body


_WRAPPING = {"name", "content", "tool_call_id"}
