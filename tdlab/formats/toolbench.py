"""ToolBench answers: trees of system, user, assistant and tool nodes; the branch that was followed to the end is read.

In the published recordings every node's text is truncated to 100 characters, so a call is the start of a Python repr,
``{'name': 'x', 'arguments': '{...}', 'response': '{"er``. Everything present is read; truncated arguments are malformed
and keep their text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from tdlab.formats._definitions import tool_definition
from tdlab.formats._json import json_text, text_of
from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable, name_of
from tdlab.records import Json, Tool, Trajectory
from tdlab.tools import read_json

__all__ = ["TOOLBENCH"]

_API = re.compile(r'subfunction for tool "([^"]+)"')
_FIELD = re.compile(r"""\s*[{,]?\s*(['"])(\w+)\1\s*:\s*""")
_FINISH = "Finish"


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    if _is_answer(value):
        return iter([Item("", value)])
    if not any(_is_answer(answer) for answer in value.values()):
        return None
    return (
        Item(f"query {key}", answer if isinstance(answer, dict) else {}, {"id": key}) for key, answer in value.items()
    )


def _is_answer(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("answer"), dict) and "answer_details" in value["answer"]


def _read(item: Item, fallback: str) -> Recording:
    """Read a query; the tool's description names the service, and ``Finish`` is the closing reply, not a call."""
    if not _is_answer(item.value):
        raise Unreadable("has no answer.answer_details")
    answer = item.value["answer"]
    tools, names = _tools(item.value.get("available_tools"))
    builder = ConversationBuilder()
    thought = ""
    query = item.value.get("query")
    for number, (role, message) in enumerate(_branch(answer["answer_details"])):
        if role == "tool":
            call = _call(message)
            if call.get("name") == _FINISH:
                builder.say("assistant", _final(answer, call) or thought)
                thought = ""
                break
            # a node that is cut off has no result: that of the next node is not its own
            builder.call(thought, [RawCall(f"call_{number}", name_of(call.get("name")), call.get("arguments"))])
            thought = ""
            if "response" in call:
                builder.answer(RawResult(f"call_{number}", call["response"]))
        elif role == "assistant":
            if thought:
                builder.say("assistant", thought)
            thought = text_of(message)
        elif role == "user":
            builder.say("user", query if isinstance(query, str) and query else text_of(message))
        elif text_of(message):
            builder.say("system", text_of(message))
    if thought:
        builder.say("assistant", thought)
    if not builder.messages:
        raise Unreadable("has an empty answer tree")
    services = {tool.service for tool in tools.values()}
    for called in builder.names:
        if called not in names:
            service = called.rpartition("_for_")[2]
            names[called] = f"{service}/{called}" if service in services else f"/{called}"
    recorded_id = item.context.get("id")
    return Recording(
        Trajectory(
            id=recorded_id if isinstance(recorded_id, str) and recorded_id else fallback,
            messages=tuple(builder.messages),
            tools=names,
        ),
        tools,
        TOOLBENCH.name,
        notes=builder.notes,
    )


def _tools(raw: Json) -> tuple[dict[str, Tool], dict[str, str]]:
    tools: dict[str, Tool] = {}
    names: dict[str, str] = {}
    for definition in raw if isinstance(raw, list) else []:
        tool = tool_definition(definition, "")
        if tool is None or tool.name == _FINISH:
            continue
        api = _API.search(tool.description)
        service = api.group(1) if api else tool.name.rpartition("_for_")[2]
        tool = tool.model_copy(update={"service": service})
        tools.setdefault(tool.key, tool)
        names[tool.name] = tool.key
    return tools, names


def _branch(details: Json) -> Iterator[tuple[str, Json]]:
    """Yield the nodes of the branch that was followed to the end: the last child at every fork."""
    nodes = details if isinstance(details, list) else [details]
    while isinstance(nodes, list) and nodes:
        node = nodes[-1]
        if not isinstance(node, dict) or not isinstance(node.get("role"), str):
            raise Unreadable("has a node without a role")
        yield node["role"], node.get("message", "")
        nodes = node.get("next", [])


def _call(message: Json) -> dict[str, Any]:
    """Return ``name``, ``arguments`` and ``response`` of a tool node: an object, its repr, or the start of its repr."""
    if isinstance(message, dict):
        return message
    if not isinstance(message, str):
        raise Unreadable(f"has a tool node that is a {type(message).__name__}")
    fields: dict[str, Any] = {}
    position = 0
    while (field := _FIELD.match(message, position)) is not None:
        text, position = _quoted(message, field.end())
        fields[field.group(2)] = text
    if "name" not in fields:
        raise Unreadable(f"has a tool node that names no tool: {message[:60]!r}")
    return fields


def _quoted(text: str, start: int) -> tuple[str, int]:
    """Return the Python string literal at ``start``, truncated or not, and its end; other values come as text."""
    quote = text[start : start + 1]
    if quote not in ("'", '"'):
        end = min((position for mark in ",}" if (position := text.find(mark, start)) >= 0), default=len(text))
        return text[start:end].strip(), max(end, start + 1)
    end = start + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" else 1
    # a text that is cut between a backslash and its letter is read without the backslash
    body = text[start + 1 : min(end, len(text)) - (end > len(text))]
    try:
        return str(ast.literal_eval(f"{quote}{body}{quote}")), end + 1
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return body, end + 1


def _final(answer: dict[str, Any], call: dict[str, Any]) -> str:
    """Return the closing text: the final answer if recorded, else the argument of ``Finish``."""
    for raw in (answer.get("final_answer"), call.get("arguments")):
        if isinstance(raw, str) and raw.strip():
            try:
                value = read_json(raw)
            except ValueError:
                return raw
            if isinstance(value, dict) and isinstance(value.get("final_answer"), str):
                return str(value["final_answer"])
            return raw if isinstance(value, dict) else text_of(value)
        if isinstance(raw, dict):
            return text_of(raw.get("final_answer")) or json_text(raw)
    return ""


TOOLBENCH = Format("toolbench", _unpack, _read)
