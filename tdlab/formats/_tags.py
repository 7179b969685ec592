"""Tool use written into texts: ``<tools>``, ``<tool_call>`` and ``<tool_response>``, as Hermes and Qwen models say it.

A call is JSON (``{"name": ..., "arguments": ...}``), a Python repr of that, or Qwen3-Coder's own tags
(``<function=name><parameter=key>value</parameter></function>``). A tag that is never closed reaches to the end of its
text. What cannot be read as a call stays in the text.
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

__all__ = ["CALL", "RESPONSE", "call_parts", "has_tags", "say_tagged", "tagged_tools"]

CALL, RESPONSE = "<tool_call>", "<tool_response>"

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_RESPONSE = re.compile(r"<tool_response>(.*?)(?:</tool_response>|\Z)", re.DOTALL)
_TOOLS = re.compile(r"<tools>((?:(?!</?tools>).)*)</tools>", re.DOTALL)
_FUNCTION = re.compile(r"<function=([^>\n]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)

Call = tuple[str | None, str, Json]


def has_tags(texts: Iterable[tuple[str, str]]) -> bool:
    """Whether (role, text) pairs hold tool use in tags: a call by the assistant, or tools in the system's words."""
    return any(
        (role == "assistant" and CALL in text) or (role == "system" and "<tools>" in text and "</tools>" in text)
        for role, text in texts
    )


def tagged_tools(text: str) -> Iterator[Json]:
    """The definitions in the ``<tools>`` of a system message: one JSON list, or one object a line."""
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


def say_tagged(talk: ConversationBuilder, role: str, text: str) -> None:
    """Add a message whose text may hold tags: an assistant's calls, or results in the user's or the tool's turn."""
    if role == "assistant":
        rest, calls = _calls(text)
        if calls:
            talk.call(rest, calls)
        else:
            talk.say("assistant", text)
    elif role == "tool" or (role == "user" and RESPONSE in text):
        _results(talk, role, text)
    elif role == "system":
        talk.say("system", text)
    else:
        talk.say("user", text)


def _calls(text: str) -> tuple[str, list[Call]]:
    """What a text says besides its calls, and the calls."""
    calls: list[Call] = []

    def taken(found: re.Match[str]) -> str:
        here = _read_call(found.group(1))
        calls.extend(here)
        return "" if here else found.group()

    rest = _CALL.sub(taken, text) if CALL in text else text
    return rest.strip(), calls


def _read_call(body: str) -> list[Call]:
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
    """(id, name, arguments) of each call in a decoded value: one object or a list of them; others are left out."""
    found: list[Call] = []
    for one in value if isinstance(value, list) else [value]:
        inner: Any = one.get("function", one) if isinstance(one, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
            continue
        given = one.get("id")
        arguments = inner.get("arguments", inner.get("parameters"))
        found.append((given if isinstance(given, str) and given else None, inner["name"], arguments))
    return found


def _typed(text: str) -> Json:
    """A parameter between tags has no quotes: what is a JSON number, object or the like is that, the rest is text."""
    try:
        return read_json(text)
    except ValueError:
        return text


def _results(talk: ConversationBuilder, role: str, text: str) -> None:
    bodies = _RESPONSE.findall(text)
    if not bodies:
        talk.result(None, text)
        return
    for body in bodies:
        name, content = _named(body.strip())
        talk.result(None, content, name=name)
    rest = _RESPONSE.sub("", text).strip()
    if rest and role == "user":
        talk.say("user", rest)


def _named(body: str) -> tuple[str | None, str]:
    """Hermes wraps a result with the name of its tool: ``{"name": ..., "content": ...}``."""
    if (body.startswith("{") and '"content"' in body) or body.startswith("{'"):
        try:
            value = loads_leniently(body)
        except ValueError:
            return None, body
        if isinstance(value, dict) and isinstance(value.get("name"), str) and set(value) <= _WRAPPING:
            return value["name"], text_of(value.get("content", json_text(value)))
    return None, body


_WRAPPING = {"name", "content", "tool_call_id"}
